"""The shipped scenarios load, are what they say, and keep the rules that the gateway's configuration keeps."""

import math

import numpy as np
import pytest

from sluicegate.duis import CATALOGUE
from sluicegate.simulate.scenario import load, shipped
from sluicegate.simulate.scenario.shelf import FILES
from sluicegate.simulate.traffic import STEP, steps_of
from sluicegate.simulate.world import NO_CSP

NAMES = [name for name, _ in shipped()]
DAY = 86_400


def offered(scenario):
    """SR/s at scale 1 that reach the gateway, at each step of the run."""
    world, rates = scenario.world, scenario.rates
    outside = ~np.array([world.kinds[flow.kind].internal for flow in world.flows])
    return np.array([rates.at(step)[outside].sum() for step in range(steps_of(world.seconds))]) / world.scale


def test_ten_scenarios_are_shipped_and_no_file_is_forgotten():
    assert len(NAMES) == 10
    assert {path.stem for path in FILES.glob("*.toml")} == {*NAMES, "great-britain"}


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_is_whole(name):
    scenario = load(name)
    world = scenario.world
    assert (scenario.name, world.name, scenario.seed) == (name, name, 1)
    assert len(world.users) >= 60
    assert {user.role for user in world.users} == {"IS", "GS", "ES", "ED", "GT", "OU", "RSA"}
    assert {user.retry.habit for user in world.users} == {"none", "immediate", "fixed", "exponential", "honour"}
    assert {user.retry.order for user in world.users} == {"each", "fifo", "priority"}
    assert world.description
    assert world.assumptions
    assert world.prices is not None
    assert world.adt is not None
    assert world.adaptive is not None
    assert scenario.policies[0] == "none"


@pytest.mark.parametrize("name", NAMES)
def test_its_allocations_fit_under_the_maximum(name):
    world = load(name).world
    assert math.fsum(user.allocation for user in world.users) <= world.limits.maximum
    assert all(user.allocation > 0 for user in world.users)
    assert world.limits.threshold <= world.limits.maximum < world.dsp.capacity


@pytest.mark.parametrize("name", NAMES)
def test_its_kinds_are_of_the_catalogue_and_sent_by_who_may(name):
    world = load(name).world
    for flow in world.flows:
        kind = world.kinds[flow.kind]
        entry = CATALOGUE[kind.srv]
        assert world.users[flow.user].role in entry.roles
        assert (flow.csp == NO_CSP) == (entry.non_device or kind.command_variant == 4)
        assert not kind.internal or entry.future_dated_at_dsp or entry.dcc_scheduled
        assert not entry.critical or kind.command_variant in (4, 5)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gb-day"])
def test_one_policy_runs_some_hundred_thousand_requests(name):
    assert 100_000 <= load(name).source(1).expected <= 700_000


def test_the_day_of_great_britain_has_86_million_requests_at_the_gateway():
    scenario = load("gb-day")
    world, totals = scenario.world, scenario.rates.totals
    outside = ~np.array([world.kinds[flow.kind].internal for flow in world.flows])
    assert (world.scale, world.seconds, len(world.users)) == (1, DAY, 60)
    assert totals[outside].sum() == pytest.approx(86e6, rel=0.01)
    assert totals[~outside].sum() > 5e6


def test_an_ordinary_day_stays_below_the_threshold_and_has_a_thousand_requests_a_second():
    scenario = load("ordinary-day", scale=1)
    rates = offered(scenario)
    assert rates.mean() == pytest.approx(1000, rel=0.01)
    assert rates.max() < 0.85 * scenario.world.limits.threshold


@pytest.mark.parametrize(
    "name",
    ["cold-snap", "tariff-change", "firmware-campaign", "change-of-supplier", "runaway-loop", "many-small-users"],
)
def test_a_surge_is_more_than_the_dsp_bears_for_longer_than_it_can_wait(name):
    scenario = load(name)
    world = scenario.world
    over = (offered(scenario) > world.dsp.capacity / world.scale).sum() * STEP
    assert over > world.dsp.outage_after + world.dsp.buffer / world.dsp.capacity


def test_the_tariff_change_reaches_each_meter_of_the_large_suppliers_once():
    scenario = load("tariff-change")
    world, totals = scenario.world, scenario.rates.totals
    large = {user for user, entry in enumerate(world.users) if entry.name.startswith("Large")}
    tariff = next(index for index, kind in enumerate(world.kinds) if kind.name == "Update tariff")
    sent = sum(totals[n] for n, flow in enumerate(world.flows) if flow.user in large and flow.kind == tariff)
    meters = sum(world.users[user].meters for user in large)
    assert sent / world.scale == pytest.approx(meters, rel=0.01)


def test_the_north_is_down_for_two_hours_and_the_dsp_is_halved():
    north = load("csp-outage").world.csps[0]
    assert (north.name, north.outages) == ("North", ((3600, 3 * 3600),))
    scenario = load("half-capacity")
    assert scenario.world.dsp.changes == ((3600, 0.5), (5400 + 3600, 1.0))
    assert offered(scenario).max() > 0.5 * scenario.world.dsp.capacity / scenario.world.scale


def test_the_small_users_send_nearly_what_they_hold():
    scenario = load("many-small-users")
    world, rates = scenario.world, scenario.rates
    sent = np.bincount(rates.users, rates.at(3), minlength=len(world.users))
    small = [index for index, user in enumerate(world.users) if user.name.startswith("Small User")]
    assert len(small) == 300
    for index in small:
        assert sent[index] == pytest.approx(0.9 * world.users[index].allocation)
