"""What operators do while the gateway runs counts at once, for those whom it is meant for, and over a restart."""

from __future__ import annotations

import json

import pytest
from rig import LARGE, SMALL, Client, fetch, message, request, wait_for
from rig_api import answer_to

from sluicegate.allocation import NOTHING, Overlay
from sluicegate.operations.controls import kept
from sluicegate.operations.controls.kinds import Wanted
from sluicegate.operations.store import trail
from sluicegate.operations.store.store import OperationsStore

USERS = (
    {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 4},
    {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 2},
)
CAPACITY = {"maximum": 10, "operating_threshold": 8, "burst_seconds": 1, "calm_seconds": 60}
TABLES = {"operations": {"database": "operations.db"}, "users": USERS, "capacity": CAPACITY}


def statuses(client, count, user=LARGE):
    return [client.send(request(message(user, counter=n))).answer().status for n in range(1, count + 1)]


@pytest.fixture
def store(tmp_path):
    made = OperationsStore(str(tmp_path / "operations.db"))
    yield made
    made.close()


def put(store, *wanted):
    with store.changing() as connection:
        return kept.put(connection, Wanted(*wanted), who="alice", reason="a test", at=trail.now())[0]


def over(running, overlay):
    running.call(lambda: running.gateway.set_overlay(overlay))


def test_a_drill_throttles_the_part_that_it_says_of_one_user_and_charges_nothing(gateway):
    running = gateway(**TABLES)
    with Client(running.port) as client:
        over(running, Overlay(drills={"Large": 0.5}))
        level = running.gateway.ledger.account("Large").level
        assert statuses(client, 6) == [200, 503] * 3
        assert running.gateway.ledger.account("Large").level <= level
        assert statuses(client, 2, SMALL) == [200, 200]
        assert not running.gateway.ledger.state().active
        assert (running.gateway.tallies["Large"].drilled, running.gateway.tallies["Large"].within) == (3, 3)
        over(running, NOTHING)
        assert statuses(client, 1) == [200]


def test_a_drilled_answer_says_when_to_come_again(gateway):
    running = gateway(**TABLES)
    with Client(running.port) as client:
        over(running, Overlay(drills={"Large": 1.0}))
        answer = client.send(request(message(LARGE))).answer()
        assert (answer.status, answer.kind) == (503, "throttled")
        assert int(answer.get("Retry-After")) >= 1


def test_why_a_request_of_a_drill_was_throttled_is_that_it_was_one(gateway, store):
    running = gateway(**TABLES, account={"listen": "127.0.0.1:0"})
    with Client(running.port) as client:
        over(running, Overlay(drills={"Large": 1.0}))
        assert statuses(client, 1) == [503]
        (kept_one,) = running.gateway.operations.screens.throttled.latest("Large")
        assert kept_one.drill


def test_an_emergency_capacity_cuts_every_allocation_by_one_factor_and_banks_keep_what_they_hold(gateway):
    running = gateway(**TABLES | {"capacity": CAPACITY | {"burst_seconds": 60}})
    account = running.gateway.ledger.account
    with Client(running.port) as client:
        assert account("Large").depth == 240
        statuses(client, 200)
        over(running, Overlay(maximum=3.0))
        assert (account("Large").allocation, account("Small").allocation) == (pytest.approx(2), pytest.approx(1))
        assert account("Large").level < account("Large").depth == 120
        over(running, NOTHING)
        assert account("Large").allocation == 4


def test_observed_users_are_not_refused_and_others_are(gateway):
    running = gateway(**TABLES | {"capacity": CAPACITY | {"maximum": 0.02, "operating_threshold": 0.01}} |
                      {"users": [user | {"allocation": 0.01} for user in USERS]})  # fmt: skip
    with Client(running.port) as client:
        over(running, Overlay(observed=frozenset({"Large"})))
        assert set(statuses(client, 9)) == {200}
        assert 503 in statuses(client, 3, SMALL)
        over(running, Overlay(enforce=False))
        assert set(statuses(client, 9, SMALL)) == {200}


def test_a_control_counts_before_the_first_request_after_a_restart_and_over_a_reload(gateway, store):
    put(store, "temporary-allocation", "Large", 1.0, 600.0)
    running = gateway(**TABLES, admin={"listen": "127.0.0.1:0"})
    assert running.gateway.ledger.account("Large").allocation == 1
    told = json.loads(fetch(running.admin_port, "/api/v1/status").body)["controls"]
    assert [(one["do"], one["user"], one["value"]) for one in told["in_force"]] == [
        ("temporary-allocation", "Large", 1)
    ]
    running.reload(running.text)
    assert running.gateway.ledger.account("Large").allocation == 1


def test_what_somebody_else_puts_and_ends_comes_into_force(gateway, store, monkeypatch):
    monkeypatch.setattr("sluicegate.operations.running.TICK", 0.02)
    monkeypatch.setattr("sluicegate.operations.running.EVERY", 0.02)
    running = gateway(**TABLES)
    made = put(store, "lowered-threshold", None, 5.0, 600.0)
    wait_for(lambda: running.gateway.settings.capacity.operating_threshold == 5)
    with store.changing() as connection:
        kept.end(connection, made.seq, who="bob", reason="over", at=trail.now())
    wait_for(lambda: running.gateway.settings.capacity.operating_threshold == 8)
    assert running.gateway.desk.overlay == NOTHING


def test_a_lost_database_changes_nothing_that_is_in_force(gateway, store, tmp_path, monkeypatch):
    monkeypatch.setattr("sluicegate.operations.running.TICK", 0.02)
    monkeypatch.setattr("sluicegate.operations.running.EVERY", 0.02)
    put(store, "emergency-capacity", None, 3.0)
    running = gateway(**TABLES)
    (tmp_path / "operations.db").unlink()
    wait_for(lambda: running.gateway.operations.failing)
    assert running.gateway.settings.capacity.maximum == 3


@pytest.fixture
def ask(gateway, store):
    """Asks the API of a running gateway in a role."""
    running = gateway(**TABLES, account={"listen": "127.0.0.1:0"})

    def asking(role, method, path="", body=None, name="Large"):
        return answer_to(running, store, role, name, method, f"/api/v1/controls{path}", body)

    asking.running = running
    return asking


EMERGENCY = {"do": "emergency-capacity", "value": 3, "reason": "half is down", "confirmed": True}


def test_an_operator_puts_a_control_that_counts_when_the_answer_comes_and_ends_it(ask):
    status, told = ask("operator", "POST", body=EMERGENCY | {"confirmed": False})
    assert (status, told["confirmed"]) == (200, False)
    assert "every allocation is cut to 50.0%" in told["meaning"]
    assert ask.running.gateway.settings.capacity.maximum == 10
    status, told = ask("operator", "POST", body=EMERGENCY, name="alice")
    assert (status, told["control"]["by"]) == (201, "alice, token 2")
    assert ask.running.gateway.settings.capacity.maximum == 3
    number = told["control"]["control"]
    assert [one["control"] for one in ask("viewer", "GET")[1]["in_force"]] == [number]
    assert ask("operator", "POST", f"/{number}/end", {"reason": "over"})[0] == 200
    assert ask.running.gateway.settings.capacity.maximum == 10
    assert ask("operator", "POST", f"/{number}/end", {"reason": "over"})[0] == 404


@pytest.mark.parametrize("role", ["approver", "viewer", "user"])
def test_nobody_but_an_operator_puts_a_control_and_no_user_sees_them(ask, role):
    assert ask(role, "POST", body=EMERGENCY)[0] == 403
    assert ask(role, "GET")[0] == (403 if role == "user" else 200)
    assert ask.running.gateway.settings.capacity.maximum == 10


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"do": "observe", "confirmed": True}, "say why"),
        ({"do": "observe", "reason": "x" * 501}, "reason"),
        ({"do": "observe", "what": 1}, "what"),
        ({"do": "emergency-capacity", "value": "3"}, "value"),
        ([], "body"),
        ({"do": "observe", "reason": "x" * 9000}, "octets"),
    ],
)
def test_what_is_no_control_is_refused_with_what_is_wrong(ask, body, said):
    status, told = ask("operator", "POST", body=body)
    assert status in (413, 422)
    assert said in told["detail"]
