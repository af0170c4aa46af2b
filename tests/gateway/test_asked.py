"""What a proxy asks over HTTP: who it is, for whom it asks, how it can be told."""

import socket
from time import monotonic

import pytest
from pki import LARGE_SUBJECT, Authority, client_context, over_tls, turned_away, users
from rig import LARGE, SMALL, STRANGER, Client, ask, configuration, head_of, message, request, wait_for
from rig_throttled import NARROW, RARE

ANY = {"listen": "127.0.0.1:0"}
NEVER = "http://127.0.0.1:9"  # whoever only asks has no upstream here


def question(*fields: str) -> bytes:
    return request(b"", *fields)


@pytest.fixture
def asked(gateway):
    """Starts a gateway; returns it, and the port at which proxies ask."""

    def start(**tables):
        running = gateway(**{"ask": ANY, **tables})
        return running, running.gateway.asked.port

    return start


def test_a_question_without_a_message_is_about_whom_the_fields_name(asked) -> None:
    running, port = asked(capacity__weights={"11.1": 5})
    began = monotonic()
    for fields in (["Sluicegate-User: Large"], [f"Sluicegate-Originator: {LARGE.lower()}"]):
        answer = ask(port, question(*fields, "Sluicegate-SRV: 11.1", "Sluicegate-DUIS-Version: 5.4"))
        assert (answer.status, answer.body) == (200, b"")
    tally = running.desk.users["Large"].tally
    assert tally.within == 2
    assert tally.srvs["11.1"][0] == 2
    assert running.desk.totals.asked_http == 2
    bank = running.desk.users["Large"].account
    assert bank.level <= 150 - 10 + bank.allocation * (monotonic() - began)  # it fills meanwhile


@pytest.mark.parametrize(("version", "status"), [("5.4", 429), ("4.0", 503), (None, 503)])
def test_the_version_that_is_told_decides_on_429_and_without_one_it_is_503(asked, version, status) -> None:
    _, port = asked(users=RARE, capacity=NARROW, responses={"too_many_requests_from_duis": "4.1"})
    told = [f"Sluicegate-DUIS-Version: {version}"] if version else []
    answers = [ask(port, question("Sluicegate-User: Large", *told)) for _ in range(5)]
    assert answers[-1].status == status
    assert answers[-1].get("Sluicegate-Status") == str(status)


@pytest.mark.parametrize(
    ("refuse_with", "version", "told", "problem"),
    [("403", "5.4", 403, True), ("4xx", "5.4", 429, False), ("4xx", "3.0", 403, False)],
)
def test_a_proxy_that_takes_few_statuses_is_told_beside_it_what_is_meant(
    asked, refuse_with, version, told, problem
) -> None:
    _, port = asked(users=RARE, capacity=NARROW, responses={"too_many_requests_from_duis": "4.1"})
    fields = ["Sluicegate-User: Large", f"Sluicegate-DUIS-Version: {version}", f"Sluicegate-Refuse-With: {refuse_with}"]
    answer = [ask(port, question(*fields)) for _ in range(5)][-1]
    assert answer.status == told
    assert answer.get("Sluicegate-Status") == str(answer.problem["status"]) == ("429" if version == "5.4" else "503")
    assert answer.get("Sluicegate-Problem") == (answer.body.decode() if problem else None)
    assert int(answer.get("Retry-After")) == answer.problem["retry_after"]


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ([], 403, "unknown-user"),
        (["Sluicegate-User: Nobody"], 403, "unknown-user"),
        ([f"Sluicegate-Originator: {STRANGER}"], 403, "unknown-user"),
        (["Sluicegate-Originator: Large"], 400, "malformed"),
        (["Sluicegate-User: Large", "Sluicegate-DUIS-Version: new"], 400, "malformed"),
        (["Sluicegate-User: Large", "Sluicegate-SRV: " + "1" * 40], 400, "malformed"),
        (["Sluicegate-User: Large", "Sluicegate-User: Small"], 400, "bad-http"),
        (["Sluicegate-User: Large", "Sluicegate-Refuse-With: 200"], 400, "bad-http"),
    ],
)
def test_what_names_no_user_or_cannot_be_is_refused_and_nothing_is_charged(asked, fields, status, kind) -> None:
    running, port = asked()
    answer = ask(port, question(*fields))
    assert (answer.status, answer.kind) == (status, kind)
    assert running.desk.users["Large"].tally.within == 0
    assert running.desk.totals.refused == {kind: 1}


def test_unknown_users_pass_uncounted_where_the_configuration_says_so(asked) -> None:
    running, port = asked(ask={**ANY, "pass_unknown": True})
    for octets in (question(), question("Sluicegate-User: Nobody"), request(message(STRANGER))):
        assert ask(port, octets).status == 200
    assert ask(port, request(b"<a/>")).kind == "malformed"
    assert running.desk.totals.refused == {"malformed": 1}


def test_the_beginning_of_a_message_is_enough_where_its_header_is_in_it(asked) -> None:
    _, port = asked()
    body = message(size=4000)
    assert ask(port, request(body[:2000], "X-Envoy-Auth-Partial-Body: true")).status == 200
    assert ask(port, request(body[:200], "X-Envoy-Auth-Partial-Body: true")).kind == "malformed"
    assert ask(port, request(body[:200], "X-Envoy-Auth-Partial-Body: false")).kind == "malformed"


def test_a_question_that_is_too_large_is_413_and_what_is_not_posted_is_405(asked) -> None:
    running, port = asked(ask={**ANY, "max_body_bytes": 2000})
    assert ask(port, request(b"x" * 2001)).kind == "too-large"
    chunked = head_of("Host: a", "Transfer-Encoding: chunked") + b"bb8\r\n" + b"x" * 3000 + b"\r\n0\r\n\r\n"
    assert ask(port, chunked).kind == "too-large"
    answer = ask(port, head_of("Host: a", method="GET"))
    assert (answer.status, answer.get("Allow")) == (405, "POST")
    assert running.call(lambda: running.gateway.asked._reception.desk.buffered) == 0


def test_a_connection_asks_again_and_again_and_is_closed_when_the_gateway_stops(asked) -> None:
    running, port = asked()
    with Client(port) as client:
        for _ in range(3):
            assert client.send(question("Sluicegate-User: Large")).answer().status == 200
        running.begin_to_stop()
        assert client.ended() == b""


def test_more_connections_than_configured_are_turned_away(asked) -> None:
    _, port = asked(ask={**ANY, "connections": 2})
    with Client(port) as one, Client(port) as two:
        for client in (one, two):
            assert client.send(question("Sluicegate-User: Large")).answer().status == 200
        with Client(port) as three:
            assert three.answer().kind == "connections"


def test_what_was_asked_for_is_given_back_where_the_proxy_has_gone_meanwhile(asked, monkeypatch) -> None:
    from sluicegate.gateway.asked.question import Question

    running, port = asked(users=RARE, capacity=NARROW)
    decide = Question.decided
    gone = []

    async def slow(self, served, header, now):
        await decide(self, served, header, now)
        reception = running.gateway.asked._reception
        for connection in list(reception.connections):
            connection.cut()
        while reception.connections:
            import asyncio

            await asyncio.sleep(0)
        gone.append(served.account.level)

    monkeypatch.setattr(Question, "decided", slow)
    with Client(port) as client:
        client.send(question("Sluicegate-User: Large"))
        assert client.ended() == b""
    tally = running.desk.users["Large"].tally
    wait_for(lambda: tally.rejected == 1)
    assert tally.within == 0
    assert running.desk.users["Large"].account.level > gone[0] + 0.9


def test_a_record_holds_what_was_asked_and_no_status_of_what_passed(asked, tmp_path) -> None:
    pytest.importorskip("pyarrow")
    running, port = asked(users=RARE, capacity=NARROW, record={"folder": str(tmp_path / "record")})
    taken = []
    running.desk.recorder.take = taken.append
    for _ in range(4):
        ask(port, question("Sluicegate-User: Large"))
    told = [(row[1], row[4], row[5]) for row in taken]
    assert told[0] == ("Large", "within", None)
    assert told[-1] == ("Large", "throttled", 503)


# --- by certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


def by_certificates(**more):
    gateway = {"identity": "forwarded-certificate", "trusted_proxies": ["127.0.0.1"]}
    return {"users": users(), "gateway": gateway, **more}


def test_a_certificate_speaks_for_its_own_users_only(asked, authority) -> None:
    _, port = asked(**by_certificates())
    passed = f"Client-Cert: {authority.issue(LARGE_SUBJECT).field}"
    assert ask(port, question(passed)).status == 200, "it has one User, who need not be named"
    assert ask(port, request(message(LARGE), passed)).status == 200
    assert ask(port, request(message(SMALL), passed)).kind == "foreign-originator"
    assert ask(port, question(passed, "Sluicegate-User: Small")).kind == "foreign-originator"
    assert ask(port, request(message(LARGE))).kind == "no-certificate"
    assert ask(port, request(message(LARGE), passed, passed)).kind == "no-certificate"
    other = f"Client-Cert: {authority.issue('CN=other').field}"
    assert ask(port, request(message(LARGE), other)).kind == "no-certificate"


def test_a_certificate_comes_in_the_field_that_is_configured_and_in_no_other(asked, authority) -> None:
    credential = authority.issue(LARGE_SUBJECT)
    tables = by_certificates(ask={**ANY, "certificate_field": "X-Forwarded-Client-Cert"})
    tables["users"] = users(large=(credential.fingerprint,))
    _, port = asked(**tables)
    forwarded = f"X-Forwarded-Client-Cert: Hash={credential.fingerprint[7:]}"
    assert ask(port, question(forwarded)).status == 200
    assert ask(port, question(f"Client-Cert: {credential.field}")).kind == "no-certificate"
    assert ask(port, question(forwarded, forwarded)).kind == "bad-http"


def test_who_keeps_asking_for_what_is_refused_is_cut_off_alone_and_the_proxy_is_not(asked, authority) -> None:
    _, port = asked(**by_certificates())
    bad, good = (f"Client-Cert: {authority.issue(s).field}" for s in (LARGE_SUBJECT, "CN=small,O=Example"))
    with Client(port) as client:
        kinds = [client.send(request(b"<a/>", bad)).answer().kind for _ in range(80)]
        assert kinds[0] == "malformed"
        assert client.send(request(message(LARGE), bad)).answer().kind == "cut-off"
        assert client.send(request(message(SMALL), good)).answer().status == 200


def test_over_tls_only_who_shows_a_certificate_of_the_proxies_authority_may_ask(asked, authority, tmp_path) -> None:
    proxies = Authority(tmp_path, "CN=Proxies")
    server = authority.server()
    tls = {"certificate": server.pem, "key": server.key_pem, "client_ca": proxies.pem}
    running, port = asked(ask__tls=tls)
    with over_tls(port, client_context(authority, proxies.issue("CN=envoy"))) as client:
        assert client.send(question("Sluicegate-User: Large")).answer().status == 200
    turned_away(port, client_context(authority, authority.issue(LARGE_SUBJECT)))
    turned_away(port, client_context(authority))
    assert running.desk.totals.asked_http == 1


def test_a_reload_cannot_move_where_proxies_ask_and_changes_the_rest(asked, upstream) -> None:
    running, port = asked()
    running.reload(configuration(upstream.url, ask={"listen": "127.0.0.1:1"}))
    assert "ask" in running.gateway.last_reload_error
    running.reload(configuration(upstream.url, ask={**ANY, "pass_unknown": True}))
    assert running.gateway.last_reload_error is None
    assert ask(port, question()).status == 200


def test_an_address_that_is_taken_is_said_by_its_key(gateway) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        for key in ("listen", "grpc"):
            with pytest.raises(OSError, match=rf"ask\.{key}: cannot listen on {where}"):
                gateway(ask={key: where})
