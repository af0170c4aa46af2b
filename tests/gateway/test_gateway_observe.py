"""Observe mode: everything is decided, counted and reported, and everything passes."""

import pytest
from rig import LARGE, SMALL, Client, fetch, message, request

NARROW = {"maximum": 2, "operating_threshold": 0.1, "burst_seconds": 0.01}
USERS = (
    {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},
    {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 0.5},
)


def watching(name: str):
    return tuple({**user, "enforce": user["name"] != name} for user in USERS)


def burst(port: int, originator: str = LARGE, requests: int = 12) -> list[int]:
    with Client(port) as client:
        return [client.send(request(message(originator, counter=n))).answer().status for n in range(requests)]


@pytest.mark.parametrize("tables", [{"capacity": {**NARROW, "enforce": False}}, {"users": watching("Large")}])
def test_what_would_be_throttled_passes_and_is_counted(gateway, upstream, tables) -> None:
    running = gateway(**{"users": USERS, "capacity": NARROW, "admin": {"listen": "127.0.0.1:0"}, **tables})
    assert burst(running.port) == [200] * 12
    tally = running.gateway.tallies["Large"]
    assert tally.throttled == tally.passed > 8
    assert tally.answered_429 == tally.answered_503 == 0
    assert len(upstream.requests) == 12
    told = fetch(running.admin_port, "/api/v1/status").body.decode()
    assert '"state":"active"' in told
    assert f'"passed":{tally.passed}' in told
    assert "sluicegate_passed_unenforced_total" in fetch(running.admin_port, "/metrics").body.decode()


def test_who_is_not_watched_is_throttled_all_the_same(gateway) -> None:
    running = gateway(users=watching("Large"), capacity=NARROW)
    assert burst(running.port, LARGE) == [200] * 12
    assert 503 in burst(running.port, SMALL)
    assert running.gateway.tallies["Small"].passed == 0


def test_banks_follow_what_enforcement_would_have_done(gateway) -> None:
    """The same requests give the same counts and levels, whether they are held to them or not."""
    seen = []
    for enforce in (True, False):
        running = gateway(users=USERS, capacity={**NARROW, "enforce": enforce})
        desk = running.desk
        decide, clock = desk.decide, [1e9]

        def decided(account, weight, _now, decide=decide, clock=clock):
            clock[0] += 0.05
            return decide(account, weight, clock[0])

        desk.decide = decided
        statuses = burst(running.port, requests=40)
        tally = running.gateway.tallies["Large"]
        assert statuses.count(503) == (tally.throttled if enforce else 0)
        seen.append((tally.within, tally.excess, tally.throttled, round(desk.ledger.account("Large").level, 9)))
    assert seen[0] == seen[1]
    assert seen[0][2] > 10


def test_a_request_that_passed_unenforced_and_was_not_sent_gives_nothing_back(gateway, upstream) -> None:
    slow = tuple({**user, "allocation": 0.01} for user in USERS)  # who hardly gain anything while the test runs
    running = gateway(users=slow, capacity={**NARROW, "enforce": False})
    burst(running.port)
    upstream.stop()
    for line in upstream.lines:
        line.sock.shutdown(2)
    before = running.gateway.tallies["Large"].passed
    level = running.gateway.ledger.account("Large").level
    assert burst(running.port, requests=1)[0] == 502
    assert running.gateway.tallies["Large"].passed == before + 1
    assert running.gateway.ledger.account("Large").level < level + 0.5
