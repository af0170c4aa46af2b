"""Both sides of the business case."""

from dataclasses import replace

import pytest

from sluicegate.simulate.policy import parse
from sluicegate.simulate.study import study
from sluicegate.simulate.study.costs import must_change
from sluicegate.simulate.world import Prices, Retry, User

PRICES = Prices(100.0, 50.0, 2.0, 1.0, 3.0, days_like_this=10.0)


@pytest.fixture(scope="module")
def priced(tiny):
    scenario = replace(tiny, world=replace(tiny.world, prices=PRICES))
    done = study(scenario, [parse(name) for name in ("none", "capacity:2", "allocation")], 1, equivalent=False)
    return scenario.world, {one["name"]: one for one in done.summary["policies"]}


def test_the_system_pays_for_capacity_by_the_year_and_for_outages_by_the_minute(priced):
    world, entries = priced
    none, double = entries["none"]["costs"], entries["capacity:2"]["costs"]
    assert none["capacity"] == 100 * world.dsp.capacity
    assert double["capacity"] == 2 * none["capacity"]
    assert none["outages"] == pytest.approx(50 * entries["none"]["dsp"]["outage_minutes"] * 10, abs=0.01)
    assert none["outages"] > 0


def test_requests_are_priced_once_as_late_or_as_undelivered(priced):
    _, entries = priced
    for one in entries.values():
        total, urgent = one["total"], one["urgent"]
        assert one["costs"]["undelivered"] == 10 * (total["offered"] - total["delivered"])
        assert one["costs"]["late"] == 2 * 10 * (urgent["delivered"] - urgent["in_time"])


def test_users_costs_add_up_to_those_of_all_and_the_year_is_the_sum_of_its_parts(priced):
    _, entries = priced
    for one in entries.values():
        costs = one["costs"]
        for name in ("late", "undelivered", "delay", "change"):
            assert sum(user[name] for user in costs["users"].values()) == pytest.approx(costs[name])
        parts = ("capacity", "outages", "late", "undelivered", "delay", "change")
        assert sum(costs[name] for name in parts) == pytest.approx(costs["total_year"])


def test_without_prices_there_are_no_costs(tiny):
    scenario = replace(tiny, world=replace(tiny.world, prices=None))
    assert study(scenario, [parse("none")], 1).summary["policies"][0]["costs"] is None


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        ("none", False),
        ("capacity:2", False),
        ("adt", False),
        ("allocation", True),
        ("allocation-first-come", True),
        ("imposed-priority", True),
        ("adaptive", True),
        ("allocation+own-priority", False),
    ],
)
def test_systems_must_change_where_the_gate_throttles_and_they_neither_wait_as_told_nor_have_an_order(policy, changes):
    assert must_change(parse(policy), User("A", "IS", 1.0, retry=Retry("fixed"))) == changes
    assert not must_change(parse(policy), User("A", "IS", 1.0, retry=Retry("honour")))
    assert not must_change(parse(policy), User("A", "IS", 1.0, retry=Retry("fixed", order="priority")))
