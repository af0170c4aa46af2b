"""A User's own priorities at the gateway: its allocation goes to its most urgent requests first."""

import json

import pytest
from rig import LARGE, SMALL, Client, configuration, fetch, message, request

from sluicegate.allocation import PriorityClass, Profile, Team
from sluicegate.gateway.desk import Desk
from sluicegate.settings import parse

TOP_UP, READ = "2.2", "4.1.1"
KEEPING = ({"name": "top-ups", "srvs": ["2.*"], "reserve": 3}, {"name": "reads", "srvs": ["4.*"]})
LIMITS = {"maximum": 4, "operating_threshold": 0.1, "burst_seconds": 0.01, "calm_seconds": 60}


def users(large=(), teams=()):
    """Two Users who hardly gain anything while a test runs."""
    return (
        {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 0.01, "class": list(large), "team": list(teams)},
        {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 0.01},
    )


def pressed(client: Client) -> None:
    """Traffic management is active: somebody else has used up what was spare."""
    for counter in range(20):
        if client.send(request(message(SMALL, counter=counter))).answer().kind == "throttled":
            return
    raise AssertionError("nothing was throttled")


def sent(client: Client, srv: str, **more):
    return client.send(request(message(LARGE, srv=srv, **more))).answer()


def test_while_traffic_management_is_active_bulk_leaves_the_reserve_to_the_urgent(gateway) -> None:
    with Client(gateway(users=users(KEEPING), capacity=LIMITS).port) as client:
        pressed(client)
        assert [sent(client, READ).status for _ in range(3)] == [200, 503, 503]
        assert [sent(client, TOP_UP).status for _ in range(5)] == [200, 200, 200, 503, 503]


def test_without_a_profile_all_requests_of_a_user_are_alike(gateway) -> None:
    with Client(gateway(users=users(), capacity=LIMITS).port) as client:
        pressed(client)
        assert [sent(client, srv).status for srv in (READ, TOP_UP)] == [200, 503]


def test_below_the_threshold_a_profile_changes_nothing(gateway) -> None:
    running = gateway(users=users(KEEPING), capacity=LIMITS | {"maximum": 1000, "operating_threshold": 900})
    with Client(running.port) as client:
        assert {sent(client, READ).status for _ in range(9)} == {200}


def test_the_second_half_of_a_critical_request_is_not_below_its_first(gateway) -> None:
    classes = ({"name": "first halves", "srvs": ["1.*"], "command_variants": [4], "reserve": 3},)
    with Client(gateway(users=users(classes), capacity=LIMITS).port) as client:
        pressed(client)
        assert [sent(client, "1.1.1", command_variant=4).status for _ in range(2)] == [200, 200]
        assert sent(client, "1.1.1", command_variant=5).status == 200
        assert sent(client, READ).status == 503


def test_what_remains_is_told_for_the_class_of_the_request(gateway) -> None:
    with Client(gateway(users=users(KEEPING), capacity=LIMITS).port) as client:
        assert sent(client, READ).get("RateLimit").partition(";t=")[0] == '"allocation";r=0'
        assert sent(client, TOP_UP).get("RateLimit").partition(";t=")[0] == '"allocation";r=2'


def test_each_class_has_its_own_place_in_the_line(gateway) -> None:
    with Client(gateway(users=users(KEEPING), capacity=LIMITS | {"burst_seconds": 1}).port) as client:
        pressed(client)
        while sent(client, TOP_UP).status == 200:
            pass
        bulk = [int(sent(client, READ).get("Retry-After")) for _ in range(9)]
        urgent = int(sent(client, TOP_UP).get("Retry-After"))
        assert urgent <= bulk[-1]


def test_teams_have_fixed_parts(gateway) -> None:
    teams = ({"name": "prepayment", "srvs": ["2.*"], "part": 0.5}, {"name": "bulk", "srvs": ["4.*"], "part": 0.5})
    with Client(gateway(users=users((), teams), capacity=LIMITS).port) as client:
        pressed(client)
        assert [sent(client, READ).status for _ in range(3)] == [200, 200, 503]
        assert sent(client, TOP_UP).status == 200


def test_a_request_of_a_team_that_was_not_sent_is_given_back_to_it(gateway, upstream) -> None:
    upstream.stop()
    teams = ({"name": "prepayment", "srvs": ["2.*"], "part": 0.5}, {"name": "bulk", "srvs": ["4.*"], "part": 0.5})
    running = gateway(users=users((), teams), capacity=LIMITS)
    with Client(running.port) as client:
        assert sent(client, READ).status == 502
    account = running.gateway.ledger.account("Large")
    assert account.level == account.depth
    assert account.teams.kept_for_others(0, 0.0) == 1.0  # what the team of the reads has


def test_each_class_is_counted_and_told_in_status_and_metrics(gateway) -> None:
    running = gateway(users=users(KEEPING), capacity=LIMITS, admin={"listen": "127.0.0.1:0"})
    with Client(running.port) as client:
        pressed(client)
        for srv in (READ, READ, TOP_UP, "8.2"):
            sent(client, srv)
    told = json.loads(fetch(running.admin_port, "/api/v1/status").body)["users"]
    assert [(one["name"], one["reserve"], one["totals"]) for one in told[0]["classes"]] == [
        ("top-ups", 3, {"within": 1, "excess": 0, "throttled": 0}),
        ("reads", 0, {"within": 1, "excess": 0, "throttled": 1}),
        (None, 0, {"within": 0, "excess": 0, "throttled": 1}),
    ]
    assert told[1]["classes"] is None
    text = fetch(running.admin_port, "/metrics").body.decode()
    assert 'sluicegate_class_decisions_total{class="reads",outcome="throttled",user="Large"} 1.0' in text


KEPT = Profile((PriorityClass("top-ups", ("2.2",), reserve=3.0),))


def test_a_profile_that_a_user_sets_counts_at_once_on_open_connections_and_over_a_reload(gateway) -> None:
    running = gateway(users=users(), capacity=LIMITS)
    with Client(running.port) as client:
        running.call(lambda: running.gateway.set_profiles({"Large": KEPT}))
        assert running.gateway.ledger.account("Large").depth == 1 + 3
        pressed(client)
        assert sent(client, READ).status == 503  # the bank has what it had: one request, which is reserved
        running.reload(running.text)
        assert running.gateway.last_reload_error is None
        assert running.gateway.book.holders[0].profile == KEPT
        assert [sent(client, srv).status for srv in (READ, TOP_UP)] == [503, 200]
        running.call(lambda: running.gateway.set_profiles({"Large": None}))
        assert running.gateway.book.holders[0].profile is None
        assert running.gateway.ledger.account("Large").depth == 1


def test_a_profile_that_cannot_be_changes_nothing() -> None:
    desk = Desk(parse(configuration("http://127.0.0.1:9", users=users(KEEPING), capacity=LIMITS)))
    before = desk.users["Large"].profile
    with pytest.raises(ValueError, match="parts of the teams"):
        desk.set_profiles({"Large": Profile((), (Team("a", part=0.9), Team("b", part=0.2)))})
    assert desk.users["Large"].profile == desk.book.holders[0].profile == before
