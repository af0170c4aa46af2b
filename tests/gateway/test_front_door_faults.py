"""Other front doors, where something is wrong: we are gone, we are slow, or the sender lies."""

import asyncio
from pathlib import Path

import pytest
from pki import LARGE_SUBJECT, SMALL_SUBJECT, Authority, client_context, over_tls, users
from rig import LARGE, SMALL, Client, ask, free_port, message, request, wait_for
from rig_doors import NGINX, envoy, nginx
from rig_throttled import NARROW, RARE

ANYWHERE = {"listen": "127.0.0.1:0", "grpc": "127.0.0.1:0"}
BOTH = pytest.mark.parametrize("kind", ["ext_authz", "rls"])


@pytest.fixture
def door(tmp_path):
    """Starts a door by one of the functions of `rig_doors`."""
    made = []

    def start(make, *arguments, **more):
        made.append(make(*arguments, tmp_path, **more) if arguments else make(tmp_path, **more))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def port_of(kind, running) -> int:
    asked = running.gateway.asked
    return asked.port if kind == "ext_authz" else asked.grpc_port


@BOTH
@pytest.mark.parametrize("allowed", [False, True])
def test_while_nobody_decides_all_is_refused_or_passes_as_the_proxy_is_configured(
    door, upstream, kind, allowed
) -> None:
    def change(_manager, asking) -> None:
        if allowed:
            asking["failure_mode_allow" if kind == "ext_authz" else "failure_mode_deny"] = kind == "ext_authz"

    here = door(envoy, kind, dsp=upstream.port, asked=free_port(), change=change)
    answer = ask(here.port)
    assert answer.status == (200 if allowed else 503)
    assert len(upstream.requests) == allowed


@BOTH
def test_a_decision_that_comes_too_late_is_none(door, gateway, upstream, kind, monkeypatch) -> None:
    from sluicegate.gateway.asked.question import Question

    running = gateway(ask=ANYWHERE)
    waits: list[asyncio.Event] = []

    async def never(self, served, header, now) -> None:
        waits.append(asyncio.Event())
        await waits[-1].wait()

    monkeypatch.setattr(Question, "decided", never)

    def change(_manager, asking) -> None:
        if kind == "ext_authz":
            asking["http_service"]["server_uri"]["timeout"] = "1s"
        else:
            asking["timeout"] = "1s"

    here = door(envoy, kind, dsp=upstream.port, asked=port_of(kind, running), change=change)
    assert ask(here.port).status == 503
    assert upstream.requests == []
    wait_for(lambda: waits, "nobody was asked")
    assert len(waits) == 1
    running.call(lambda: [one.set() for one in waits])


def test_a_message_longer_than_the_part_that_is_sent_passes_whole(door, gateway, upstream) -> None:
    running = gateway(ask=ANYWHERE)
    here = door(envoy, "ext_authz", dsp=upstream.port, asked=running.gateway.asked.port)
    body = message(size=200_000)
    assert ask(here.port, request(body)).status == 200
    assert upstream.requests[0].body == body


def test_a_body_larger_than_envoy_holds_is_refused_by_envoy(door, gateway, upstream) -> None:
    running = gateway(ask=ANYWHERE)

    def change(_manager, asking) -> None:
        asking["with_request_body"] = {"max_request_bytes": 8192, "allow_partial_message": False}

    here = door(envoy, "ext_authz", dsp=upstream.port, asked=running.gateway.asked.port, change=change)
    assert ask(here.port, request(message(size=20_000))).status == 413
    assert upstream.requests == []
    assert running.desk.totals.asked_http == 0


def test_what_the_lua_filter_cannot_read_for_sure_is_refused(door, gateway, upstream) -> None:
    running = gateway(ask=ANYWHERE)
    here = door(envoy, "rls", dsp=upstream.port, asked=running.gateway.asked.grpc_port)
    header = message(LARGE)
    other = f"<!-- <RequestID>{SMALL}:00-00-00-00-00-00-00-00:1</RequestID> -->".encode()
    hidden = header.replace(b"<Header>", b"<Header>" + other) if b"<Header>" in header else header
    hidden = hidden if hidden != header else header.replace(b":Header>", b":Header>" + other, 1)
    assert hidden != header
    assert ask(here.port, request(hidden)).kind == "malformed"
    assert upstream.requests == []


def test_a_lua_filter_that_fails_lets_nothing_pass_and_what_a_sender_says_of_itself_counts_for_nothing(
    door, gateway, upstream
) -> None:
    running = gateway(ask=ANYWHERE)

    def change(manager, _asking) -> None:
        lua = manager["http_filters"][0]["typed_config"]
        lua["default_source_code"]["inline_string"] = "function envoy_on_request(handle) error('broken') end"

    here = door(envoy, "rls", dsp=upstream.port, asked=running.gateway.asked.grpc_port, change=change)
    assert ask(here.port).status == 400
    assert ask(here.port, request(message(), f"Sluicegate-Originator: {LARGE}")).status == 400
    assert upstream.requests == []
    assert running.desk.users["Large"].tally.within == 0


def pki(folder: Path):
    authority = Authority(folder)
    server = authority.server()
    return authority, {"pem": server.pem, "key": server.key_pem, "ca": authority.pem}


def by_certificates(field: str = "client-cert"):
    gateway = {"identity": "forwarded-certificate", "trusted_proxies": ["127.0.0.1"]}
    return {"users": users(), "gateway": gateway, "ask": {**ANYWHERE, "certificate_field": field}}


@BOTH
def test_over_tls_the_senders_own_certificate_counts_and_not_what_it_writes(
    door, gateway, upstream, tmp_path, kind
) -> None:
    authority, tls = pki(tmp_path)
    running = gateway(**by_certificates("x-forwarded-client-cert"))
    here = door(envoy, kind, dsp=upstream.port, asked=port_of(kind, running), tls=tls)
    small = authority.issue(SMALL_SUBJECT)
    lie = f'X-Forwarded-Client-Cert: Hash={small.fingerprint[7:]};Subject="{SMALL_SUBJECT}"'
    with over_tls(here.port, client_context(authority, authority.issue(LARGE_SUBJECT))) as client:
        assert client.send(request(message(LARGE))).answer().status == 200
        assert client.send(request(message(SMALL))).answer().kind == "foreign-originator"
        assert client.send(request(message(SMALL), lie)).answer().kind == "foreign-originator"
    with over_tls(here.port, client_context(authority, authority.issue("CN=nobody"))) as client:
        assert client.send(request(message(LARGE))).answer().kind == "no-certificate"
    assert len(upstream.requests) == 1


# --- NGINX


@pytest.mark.skipif(not Path(NGINX).exists(), reason="NGINX is not installed")
class TestNginx:
    def start(self, door, gateway, upstream, tmp_path, **tables):
        authority, tls = pki(tmp_path)
        running = gateway(**{**by_certificates(), **tables})
        here = door(nginx, dsp=upstream.port, asked=running.gateway.asked.port, tls=tls)
        return running, here, lambda subject: over_tls(here.port, client_context(authority, authority.issue(subject)))

    def test_within_the_allocation_all_of_it_passes_and_the_allocation_is_told(
        self, door, gateway, upstream, tmp_path
    ) -> None:
        _, _, connect = self.start(door, gateway, upstream, tmp_path)
        body = message()
        with connect(LARGE_SUBJECT) as client:
            answer = client.send(request(body)).answer()
        assert (answer.status, answer.body) == (200, b"<ok/>")
        assert upstream.requests[0].body == body
        assert answer.get("RateLimit-Policy") == '"allocation";q=300;w=1'

    def test_throttled_is_503_with_the_same_problem_and_wait_as_ours(self, door, gateway, upstream, tmp_path) -> None:
        certificates = [{**one, "allocation": few["allocation"]} for one, few in zip(users(), RARE, strict=True)]
        running, _, connect = self.start(door, gateway, upstream, tmp_path, users=tuple(certificates), capacity=NARROW)
        with connect(LARGE_SUBJECT) as client:
            answers = [client.send(request()).answer() for _ in range(5)]
        assert answers[0].status == 200
        last = answers[-1]
        assert (last.status, last.kind) == (503, "throttled")
        assert int(last.get("Retry-After")) == last.problem["retry_after"]
        assert last.get("RateLimit").startswith('"allocation";r=0;')
        assert len(upstream.requests) == running.desk.users["Large"].tally.within + (
            running.desk.users["Large"].tally.excess
        )
        with connect(SMALL_SUBJECT) as client:
            assert client.send(request()).answer().status == 200

    def test_a_certificate_of_nobody_is_403_with_a_problem(self, door, gateway, upstream, tmp_path) -> None:
        _, _, connect = self.start(door, gateway, upstream, tmp_path)
        with connect("CN=nobody") as client:
            answer = client.send(request(message(), "Sluicegate-User: Large")).answer()
        assert (answer.status, answer.kind) == (403, "no-certificate")
        assert upstream.requests == []

    def test_while_nobody_decides_all_is_refused(self, door, gateway, upstream, tmp_path) -> None:
        running, _, connect = self.start(door, gateway, upstream, tmp_path)
        running.stop()
        with connect(LARGE_SUBJECT) as client:
            answer = client.send(request()).answer()
        assert (answer.status, answer.get("Retry-After")) == (503, "1")
        assert upstream.requests == []


def test_one_door_more_does_not_make_the_allocation_larger(door, gateway, upstream) -> None:
    running = gateway(users=RARE, capacity=NARROW, ask=ANYWHERE)
    here = door(envoy, "ext_authz", dsp=upstream.port, asked=running.gateway.asked.port)
    with Client(running.port) as own, Client(here.port) as other:
        statuses = [client.send(request()).answer().status for _ in range(4) for client in (own, other)]
    tally = running.desk.users["Large"].tally
    assert statuses.count(200) == tally.within + tally.excess
    assert statuses[-1] == 503
