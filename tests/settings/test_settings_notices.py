"""Channels and notices: one way each, secrets elsewhere, and nothing half there."""

from __future__ import annotations

import pytest

from sluicegate.settings import cautions, parse
from sluicegate.settings.secrets import Secret, SecretMissing

OPERATIONS = '[operations]\ndatabase = "operations.db"\n'
SMTP = '[notices.smtp]\nhost = "smtp.example"\nsender = "sluicegate@operator.example"\n'


@pytest.fixture
def with_channel(right):
    """The right configuration, whose last User has a channel of these lines."""

    def made(*lines, before=OPERATIONS):
        text = right.replace("[admin]\n", before + "[admin]\n")
        return text + "\n".join(("[[user.channel]]", 'name = "duty"', *lines)) + "\n"

    return made


@pytest.mark.parametrize(
    ("lines", "before", "said"),
    [
        ((), OPERATIONS, "needs one of `webhook`, `email` and `apprise`"),
        (
            ('email = "a@b.example"', 'webhook = "https://a.example"', 'secret = "env:A"'),
            OPERATIONS + SMTP,
            "needs one of `webhook`",
        ),
        (('webhook = "https://a.example"',), OPERATIONS, "`secret` signs what goes to a `webhook`"),
        (('email = "a@b.example"', 'secret = "env:A"'), OPERATIONS + SMTP, "`secret` signs"),
        (('email = "a@b.example"',), OPERATIONS, "add the table [notices.smtp]"),
        (('email = "a@b.example"',), SMTP, "add the table [operations]"),
        (('email = "Duty <a@b.example>"',), OPERATIONS + SMTP, "is not an e-mail address"),
        (('email = "a@b.example\\nBcc: c@d"',), OPERATIONS + SMTP, "is not an e-mail address"),
        (('webhook = "ftp://a.example"', 'secret = "env:A"'), OPERATIONS, "is not a URL"),
        (('webhook = "https://a.example/?t=1"', 'secret = "env:A"'), OPERATIONS, "must hold no ?"),
        (('apprise = "slack://token"',), OPERATIONS, "and not what it is"),
        (('email = "a@b.example"', 'notices = ["70%"]'), OPERATIONS + SMTP, "70%"),
        (('email = "a@b.example"', "[[user.channel]]", 'name = "Duty"', 'email = "c@d"'), OPERATIONS + SMTP, "already"),
    ],
)  # fmt: skip
def test_a_channel_that_cannot_be_is_refused_with_what_to_do(with_channel, problems_of, lines, before, said):
    (problem,) = problems_of(with_channel(*lines, before=before))
    assert said in str(problem)
    assert "channel" in problem.where


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('username = "a"\n', "has only one of `username` and `password`"),
        ('username = "a"\npassword = "env:A"\nsecurity = "none"\n', "send the password in the clear"),
        ('username = "a"\npassword = "hunter2"\n', "and not what it is"),
    ],
)
def test_a_mail_server_that_cannot_be_used_is_refused_and_no_secret_is_repeated(with_channel, problems_of, more, said):
    text = with_channel('email = "a@b.example"', before=OPERATIONS + SMTP + more)
    (problem,) = problems_of(text)
    assert said in str(problem)
    assert "hunter2" not in str(problem)


def test_a_secret_is_where_the_file_says_and_is_shown_nowhere(with_channel, tmp_path, monkeypatch):
    (tmp_path / "signing").write_text("  a secret of some length\n", "utf-8")
    monkeypatch.setenv("CHAT", "json://127.0.0.1/token")
    text = with_channel(
        'webhook = "https://a.example/hook"', 'secret = "file:signing"',
        "[[user.channel]]", 'name = "chat"', 'apprise = "env:CHAT"',
    )  # fmt: skip
    settings = parse(text, base=tmp_path, files=False)
    hook, chat = settings.users[-1].channels
    assert hook.secret.read().get_secret_value() == "a secret of some length"
    assert chat.apprise.read().get_secret_value() == "json://127.0.0.1/token"
    told = f"{settings!r} {chat.model_dump_json()} {hook.secret.read()!r} {hook.secret} {chat.apprise!r}"
    assert "***" in told
    for hidden in ("a secret of some length", "token", "signing", "CHAT"):
        assert hidden not in told


@pytest.mark.parametrize("octets", [None, b"", b" \n", b"\xff\xfe"])
def test_a_secret_that_is_not_there_says_where_it_should_be(tmp_path, octets):
    place = tmp_path / "secret"
    if octets is not None:
        place.write_bytes(octets)
    with pytest.raises(SecretMissing, match=str(place)):
        Secret("file", str(place)).read()
    with pytest.raises(SecretMissing, match="NOT_SET_ANYWHERE"):
        Secret("env", "NOT_SET_ANYWHERE").read()


def test_a_channel_takes_the_kinds_that_it_names_and_all_where_it_names_none(with_channel):
    one = parse(with_channel('email = "a@b"', 'notices = ["100%", "active"]', before=OPERATIONS + SMTP), files=False)
    all_of_them = parse(with_channel('email = "a@b"', before=OPERATIONS + SMTP), files=False)
    (some,), (every,) = one.users[-1].channels, all_of_them.users[-1].channels
    assert [kind for kind in ("80%", "100%", "active", "normal", "test") if some.wants(kind)] == [
        "100%", "active", "test",
    ]  # fmt: skip
    assert all(every.wants(kind) for kind in ("80%", "90%", "100%", "active", "normal", "announcement", "test"))


def test_a_webhook_in_the_clear_is_a_caution(with_channel):
    text = with_channel('webhook = "http://a.example/hook"', 'secret = "env:A"')
    assert any("webhook over http" in said for said in cautions(parse(text, files=False), files=False))
