"""`[ask]`: nobody but a proxy may ask, and everything that is wrong is said."""

import pytest

from sluicegate.settings import parse
from sluicegate.settings.ask_checks import installed

OPEN = '[ask]\nlisten = "0.0.0.0:8092"\n'
TLS = '[ask.tls]\ncertificate = "a.pem"\nkey = "a.key"\nclient_ca = "ca.pem"\n'


@pytest.mark.parametrize(
    ("ask", "where", "message"),
    [
        ("[ask]\n", "ask", "listens nowhere: add `listen`"),
        (OPEN, "ask.listen", "whoever asks speaks for any User: add [ask.tls]"),
        ('[ask]\ngrpc = "gate.example:8093"\n', "ask.grpc", "open to others"),
        ('[ask]\nlisten = "127.0.0.1:8079"\n', "ask.listen", "is taken by [gateway] `listen`"),
        ('[ask]\nlisten = "127.0.0.1:8090"\n', "ask.listen", "is taken by [admin] `listen`"),
        ('[ask]\nlisten = "127.0.0.1:1"\ngrpc = "127.0.0.1:1"\n', "ask.grpc", "is taken by [ask] `listen`"),
        (OPEN + TLS.replace("client_ca", "clients_ca"), "ask.tls.clients_ca", "did you mean `client_ca`?"),
        (
            '[ask]\nlisten = "127.0.0.1:1"\ncertificate_field = "x y"\n',
            "ask.certificate_field",
            "is not the name of an HTTP field",
        ),
        ('[ask]\nlisten = "127.0.0.1:1"\nconnections = 0\n', "ask.connections", "at least 1"),
        ('[ask]\nlisten = "127.0.0.1:1"\nmax_body_bytes = 10\n', "ask.max_body_bytes", "at least 1024"),
        ('[ask]\nlisten = "127.0.0.1:1"\ndomain = ""\n', "ask.domain", "1 to 100"),
    ],
)
def test_a_wrong_ask_is_named_with_what_to_do(changed, problems_of, ask, where, message) -> None:
    problems = problems_of(changed(("[[user]]", ask + "[[user]]")))
    assert where in [problem.where for problem in problems]
    assert any(message in problem.message for problem in problems if problem.where == where)


def test_with_tls_it_may_listen_anywhere(changed, problems_of) -> None:
    assert problems_of(changed(("[[user]]", OPEN + TLS + "[[user]]"))) == ()


def test_insecure_permits_to_listen_anywhere_without(changed, problems_of) -> None:
    assert problems_of(changed(("[[user]]", OPEN + "[[user]]")), insecure=True) == ()


def test_the_authority_of_the_users_may_not_be_that_of_the_proxies(changed, problems_of) -> None:
    users = '[gateway.tls]\ncertificate = "g.pem"\nkey = "g.key"\nclient_ca = "ca.pem"\n'
    (problem,) = problems_of(changed(("[admin]", users + "[admin]"), ("[[user]]", OPEN + TLS + "[[user]]")))
    assert problem.where == "ask.tls.client_ca"
    assert "every User's certificate could ask in another's name" in problem.message


def test_grpc_without_its_package_is_said(changed, problems_of, monkeypatch) -> None:
    monkeypatch.setattr("sluicegate.settings.ask_checks.installed", lambda name: name != "grpc" and installed(name))
    (problem,) = problems_of(changed(("[[user]]", '[ask]\ngrpc = "127.0.0.1:8093"\n[[user]]')))
    assert (problem.where, "sluicegate[envoy]" in problem.message) == ("ask.grpc", True)


def test_files_of_ask_are_read_as_the_others_are(changed, tmp_path) -> None:
    from sluicegate.settings import SettingsError

    with pytest.raises(SettingsError) as error:
        parse(changed(("[[user]]", OPEN + TLS + "[[user]]")), base=tmp_path)
    assert {problem.where for problem in error.value.problems} == {
        "ask.tls.certificate", "ask.tls.key", "ask.tls.client_ca",
    }  # fmt: skip
