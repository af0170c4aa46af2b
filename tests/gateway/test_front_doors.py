"""The same rules at every front door: our own, and the real Envoy that asks us, in both ways that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rig import LARGE, SMALL, STRANGER, Answer, Client, Running, ScriptedUpstream, ask, configuration, message, request
from rig_doors import envoy
from rig_throttled import NARROW, ONE_EACH, RARE, throttled

OWN, AUTHORISED, LIMITED = "own", "ext_authz", "rls"
BY_VERSION = {"too_many_requests_from_duis": "4.1"}
ANYWHERE = {"listen": "127.0.0.1:0", "grpc": "127.0.0.1:0"}


class Site:
    """A front door with the gateway that decides for it: `port` is the door's."""

    def __init__(self, port: int, running: Running) -> None:
        self.port = port
        self.running = running


@pytest.fixture(params=[OWN, AUTHORISED, LIMITED])
def site(request: Any, gateway: Callable[..., Running], upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Any]:
    """Starts a site: `site(capacity={...})` by tables."""
    doors = []

    def start(**tables: Any) -> Site:
        running = gateway(**{"ask": ANYWHERE, **tables})
        if request.param == OWN:
            return Site(running.port, running)
        asked = running.gateway.asked
        to = asked.port if request.param == AUTHORISED else asked.grpc_port
        doors.append(envoy(request.param, tmp_path, dsp=upstream.port, asked=to))
        return Site(doors[-1].port, running)

    start.kind = request.param  # type: ignore[attr-defined]
    yield start
    for door in doors:
        door.stop()


def counted(site: Site, name: str) -> Any:
    return site.running.desk.users[name].tally


def test_a_request_within_its_allocation_passes_octet_by_octet(site, upstream) -> None:
    here = site()
    body = message()
    answer = ask(here.port, request(body, path="/api/v1/serviceS?a=b"))
    assert (answer.status, answer.body) == (200, b"<ok/>")
    assert upstream.requests[0].body == body
    assert upstream.requests[0].line == "POST /api/v1/serviceS?a=b HTTP/1.1"
    assert not [name for name, _ in upstream.requests[0].fields if name.lower().startswith("sluicegate-")]
    assert counted(here, "Large").within == 1


@pytest.mark.parametrize(("version", "status"), [("4.0", 503), ("4.10", 429), ("5.4", 429)])
def test_throttled_is_429_from_the_configured_version_of_the_message_itself_on(site, version, status) -> None:
    here = site(users=ONE_EACH, capacity=NARROW, responses=BY_VERSION)
    answer, admitted = throttled(here.port, version=version)
    assert answer.status == answer.problem["status"] == status
    tally = counted(here, "Large")
    assert (tally.within + tally.excess, tally.throttled) == (admitted, 1)
    assert (tally.answered_429, tally.answered_503) == ((1, 0) if status == 429 else (0, 1))


def test_one_connection_gets_each_answer_by_its_own_version(site) -> None:
    here = site(users=RARE, capacity=NARROW, responses=BY_VERSION)
    throttled(here.port)
    with Client(here.port) as client:
        statuses = [client.send(request(message(version=v))).answer().status for v in ("4.0", "4.1", "4.0", "4.2")]
    assert statuses == [503, 429, 503, 429]


def test_throttled_says_when_to_come_back_and_what_the_allocation_is_and_nothing_of_others(site) -> None:
    here = site(users=ONE_EACH, capacity=NARROW)
    answer, _ = throttled(here.port)
    assert int(answer.get("Retry-After")) == answer.problem["retry_after"] >= 1
    assert set(answer.problem) == {"type", "title", "status", "detail", "retry_after"}
    assert answer.get("RateLimit-Policy") == '"allocation";q=1;w=1'
    assert answer.get("RateLimit").startswith('"allocation";r=0;t=1')
    assert "Small" not in str(answer.fields) + str(answer.body)


def test_a_throttled_request_never_reaches_the_upstream_and_the_others_are_left_alone(site, upstream) -> None:
    here = site(users=ONE_EACH, capacity=NARROW)
    _, admitted = throttled(here.port)
    assert len(upstream.requests) == admitted
    assert ask(here.port, request(message(SMALL))).status == 200


def test_admitted_answers_carry_the_allocation_too(site) -> None:
    users = ({"name": "Slow", "ids": [LARGE], "role": "IS", "allocation": 0.35},)
    answer = ask(site(users=users).port)
    assert answer.status == 200
    assert answer.get("RateLimit-Policy") == '"allocation";q=21;w=60'
    assert answer.get("RateLimit") == '"allocation";r=0;t=3'


def test_weights_charge_more(site) -> None:
    users = ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},)
    here = site(
        users=users,
        capacity={"maximum": 2, "operating_threshold": 0.1, "burst_seconds": 10},
        capacity__weights={"11.1": 5},
    )
    assert ask(here.port, request(message(srv="11.1"))).get("RateLimit").startswith('"allocation";r=5;')


def test_an_unknown_user_is_403(site, upstream) -> None:
    answer = ask(site().port, request(message(STRANGER)))
    assert (answer.status, answer.kind) == (403, "unknown-user")
    assert STRANGER in answer.problem["detail"]
    assert upstream.requests == []


@pytest.mark.parametrize("body", [b"", b"<a/>", b"nonsense", message()[:300]], ids=["empty", "other", "text", "cut"])
def test_what_is_no_service_request_never_passes(site, upstream, body) -> None:
    answer = ask(site().port, request(body))
    empty = site.kind == AUTHORISED and not body  # a question without a message is one that names no User
    assert (answer.status, answer.kind) == ((403, "unknown-user") if empty else (400, "malformed"))
    assert upstream.requests == []


def test_in_observe_mode_what_would_be_throttled_passes_and_is_counted(site, upstream) -> None:
    here = site(users=ONE_EACH, capacity={**NARROW, "enforce": False})
    with Client(here.port) as client:
        answers: list[Answer] = [client.send(request()).answer() for _ in range(8)]
    assert {answer.status for answer in answers} == {200}
    assert len(upstream.requests) == 8
    tally = counted(here, "Large")
    assert tally.passed == tally.throttled > 0


def test_a_reload_counts_for_open_connections_too(site, upstream) -> None:
    here = site(users=ONE_EACH, ask=ANYWHERE)
    with Client(here.port) as client:
        assert client.send(request(message(SMALL))).answer().status == 200
        here.running.reload(configuration(upstream.url, users=ONE_EACH[:1], ask=ANYWHERE))
        assert here.running.gateway.last_reload_error is None
        assert client.send(request(message(SMALL))).answer().kind == "unknown-user"
        assert client.send(request(message(LARGE))).answer().status == 200


def test_a_drill_throttles_its_part(site, upstream) -> None:
    from sluicegate.gateway.desk import Drill

    here = site()
    here.running.desk.users["Large"].drill = Drill(0.5)
    with Client(here.port) as client:
        statuses = [client.send(request()).answer().status for _ in range(4)]
    assert sorted(statuses) == [200, 200, 503, 503]
    assert counted(here, "Large").drilled == 2
