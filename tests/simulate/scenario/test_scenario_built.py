"""What a file says is what is simulated: sizes, shares, times, scale, overrides, and one file over another."""

import math

import numpy as np
import pytest

from sluicegate.simulate.scenario import ScenarioError, load
from sluicegate.simulate.world import NO_CSP


def rate(scenario, user, kind, csp=None, step=0):
    """SR/s of a User's flows of a kind (to a CSP, by name) in one step."""
    world = scenario.world
    rates = scenario.rates.at(step)
    return sum(
        rates[index]
        for index, flow in enumerate(world.flows)
        if world.users[flow.user].name == user
        and world.kinds[flow.kind].name == kind
        and (csp is None or world.csps[flow.csp].name == csp)
    )


def test_a_rate_is_what_the_meters_of_the_region_send(scenario_of, right):
    scenario = scenario_of(right)
    assert rate(scenario, "Alpha", "Top up", "North") == pytest.approx(100_000 * 0.5 * 0.5 * 0.25 / 86_400)
    assert rate(scenario, "Alpha", "Read inventory") == pytest.approx(100_000 * 0.2 / 86_400)
    assert {flow.csp for flow in scenario.world.flows if flow.kind == 1} == {NO_CSP}


def test_a_surge_multiplies_from_its_time_on(scenario_of, right):
    scenario = scenario_of(right)
    usual = rate(scenario, "Alpha", "Top up")
    assert rate(scenario, "Alpha", "Top up", step=59) == pytest.approx(usual)
    assert rate(scenario, "Alpha", "Top up", step=60) == pytest.approx(3 * usual)
    assert rate(scenario, "Alpha", "Top up", step=180) == pytest.approx(usual)


@pytest.mark.parametrize("user", ["Alpha", "Small A"])
def test_a_surge_per_meter_sends_so_many_to_each(scenario_of, changed, user):
    """The usual ones are `daily`; the surge, of an hour, with its ramp, brings one more for each meter."""
    text = changed(
        ('kinds = ["Top up"]\nfactor = 3', f'kinds = ["Read inventory"]\nusers = ["{user}"]\nper_meter = 1\nramp = 900')
    )
    scenario = scenario_of(text)
    plain = scenario_of(text, overrides={"surge.Evening.per_meter": 0})
    more = scenario.rates.totals.sum() - plain.rates.totals.sum()
    meters = next(entry.meters for entry in scenario.world.users if entry.name == user)
    assert more == pytest.approx(meters)


def test_a_surge_of_a_rate_is_shared_by_meters(scenario_of, changed):
    text = changed(('kinds = ["Top up"]\nfactor = 3', 'kinds = ["Read inventory"]\nroles = ["GS"]\nrate = 11'))
    scenario = scenario_of(text)
    more = {
        user.name: rate(scenario, user.name, "Read inventory", step=100) - rate(scenario, user.name, "Read inventory")
        for user in scenario.world.users
    }
    assert more == pytest.approx({"Alpha": 0, "Small A": 6, "Small B": 3, "Small C": 2}, rel=1e-3)


def test_a_group_has_its_meters_by_size(scenario_of, right):
    users = scenario_of(right).world.users
    assert [user.name for user in users] == ["Alpha", "Small A", "Small B", "Small C"]
    assert [user.meters for user in users[1:]] == [32_727, 16_364, 10_909]


def test_beyond_the_alphabet_a_group_is_numbered(scenario_of, changed):
    users = scenario_of(changed(("count = 3", "count = 30"))).world.users
    assert (users[1].name, users[30].name) == ("Small 01", "Small 30")


def test_regional_users_have_one_csp_by_turns(scenario_of, changed):
    world = scenario_of(changed(("zipf = 1", "zipf = 1\nregional = true\nprepayment = 1"))).world
    regions = [{flow.csp for flow in world.flows if flow.user == user and flow.csp >= 0} for user in range(4)]
    assert regions == [{0, 1}, {0}, {1}, {0}]


def test_a_user_may_have_some_csps_only(scenario_of, changed):
    scenario = scenario_of(changed(('role = "IS"', 'role = "IS"\ncsps = ["South"]')))
    assert rate(scenario, "Alpha", "Top up", "South") == rate(scenario, "Alpha", "Top up") > 0


def test_allocations_are_by_forecast_with_a_least_one_and_some_fixed(scenario_of, changed):
    users = scenario_of(changed(('role = "IS"', 'role = "IS"\nallocation = 40'))).world.users
    assert users[0].allocation == 40
    assert math.fsum(user.allocation for user in users) == pytest.approx(85)
    more = [user.allocation - 1 for user in users[1:]]
    assert more == pytest.approx([42 * meters / 60_000 for meters in (32_727, 16_364, 10_909)])


def test_a_shape_goes_through_its_points_and_keeps_the_mean(scenario_of, changed):
    hours = [1.0] * 17 + [5.0, 2.0] + [1.0] * 5
    shape = f'[[shape]]\nname = "peak"\nhours = {hours}\n[[kind]]\nname = "Read inventory"\nshape = "peak"'
    text = changed(('[[kind]]\nname = "Read inventory"', shape), ("hours = 2", "hours = 24"))
    scenario = scenario_of(text, overrides={"window.starts": "00:00"})
    mean = 100_000 * 0.2 / 86_400
    steps = [rate(scenario, "Alpha", "Read inventory", step=step) for step in range(2880)]
    assert np.mean(steps) == pytest.approx(mean)
    around_five = (steps[17 * 120 - 1] + steps[17 * 120]) / 2
    assert around_five == pytest.approx(mean * 5 / np.mean(hours), rel=0.01)
    assert (steps[17 * 120 + 59] + steps[17 * 120 + 60]) / 2 == pytest.approx(mean * 3.5 / np.mean(hours), rel=0.01)


def test_times_of_day_are_counted_from_the_start_of_the_run_over_midnight(scenario_of, changed):
    text = changed(
        ('starts = "17:00"', 'starts = "22:30"'),
        ('from = "17:30"\nuntil = "18:30"', 'from = "23:30"\nuntil = "00:15"'),
        ("servers = 20", 'servers = 20\noutage = [{ from = "00:00", until = "00:10" }]'),
    )
    scenario = scenario_of(text)
    world = scenario.world
    assert (scenario.rates.surges[0].start, scenario.rates.surges[0].end) == (3600, 6300)
    assert world.first_second == 22.5 * 3600
    assert world.csps[0].outages == ((5400, 6000),)


def test_scale_multiplies_every_rate_and_nothing_else(scenario_of, changed):
    text = changed(
        ("[dsp]", '[prices]\nundelivered = 3\n[adt]\nleast = 1\n[dsp]\nchange = [{ from = "18:00", part = 0.5 }]')
    )
    one, ten = scenario_of(text), scenario_of(text, scale=10)
    a, b = one.world, ten.world
    assert (a.scale, b.scale) == (1, 10)
    assert ten.source(1).expected == pytest.approx(10 * one.source(1).expected)
    assert ten.rates.base == pytest.approx(10 * one.rates.base)
    assert [user.allocation for user in b.users] == pytest.approx([10 * user.allocation for user in a.users])
    assert (b.limits.maximum, b.limits.threshold) == (10 * a.limits.maximum, 10 * a.limits.threshold)
    assert (b.dsp.capacity, b.dsp.buffer) == (10 * a.dsp.capacity, 10 * a.dsp.buffer)
    assert [csp.capacity for csp in b.csps] == [10 * csp.capacity for csp in a.csps]
    assert [csp.servers / csp.capacity for csp in b.csps] == [csp.servers / csp.capacity for csp in a.csps]
    key = (0, 1)
    assert b.adt.limits[key] == pytest.approx(10 * a.adt.limits[key], rel=0.01)
    assert b.prices.undelivered == a.prices.undelivered / 10
    assert [user.meters for user in b.users] == [user.meters for user in a.users]
    assert b.dsp.changes == a.dsp.changes


def test_the_policies_are_put_into_their_usual_names(scenario_of, right):
    scenario = scenario_of('policies = ["own-priority+allocation", "none"]\n' + right)
    assert scenario.policies == ("allocation+own-priority", "none")


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("capacity.operating_threshold", 0.8, lambda world: world.limits.threshold == 80),
        ("dsp.restart", 60.0, lambda world: world.dsp.restart == 60),
        ("dsp.retry.attempts", 3.0, lambda world: world.dsp.retry.attempts == 3),
        ("user.Alpha.allocation", 12, lambda world: world.users[0].allocation == 12),
        ("user.0.allocation", 12, lambda world: world.users[0].allocation == 12),
        ("csp.North.outage", [{"from": "18:00", "until": "18:10"}], lambda world: world.csps[0].outages),
        ("group.Small.count", 5, lambda world: len(world.users) == 6),
        ("adaptive.target", 0.5, lambda world: world.adaptive.target == 5),
        ("surge.Evening.factor", 1.5, lambda world: True),
        ("window.hours", 0.5, None),
    ],
)
def test_a_value_beside_the_file_counts_before_the_one_in_it(scenario_of, right, problems_of, path, value, found):
    if found is None:
        (problem,) = problems_of(right, overrides={path: value})
        assert 'surge[0] "Evening".from: is not within the 0.5 hours of the run, which starts at 17:00' in problem
    else:
        assert found(scenario_of(right, overrides={path: value}).world)


def test_a_name_with_dots_is_found_whole(scenario_of, changed):
    world = scenario_of(
        changed(('name = "Alpha"', 'name = "Alpha 1.2 Ltd."')), overrides={"user.Alpha 1.2 Ltd..allocation": 9}
    ).world
    assert world.users[0].allocation == 9


def test_one_file_changes_what_it_extends_and_adds_to_it(tmp_path, right):
    (tmp_path / "base.toml").write_text(right)
    (tmp_path / "mine.toml").write_text(
        'extends = "base.toml"\ntitle = "Mine"\n[dsp]\nrestart = 7\n[[csp]]\nname = "North"\nlatency = 5\n'
        '[[user]]\nname = "Beta"\nrole = "ED"\nmeters = 10\n'
    )
    world = load(str(tmp_path / "mine.toml")).world
    assert (world.name, world.title, world.dsp.restart, world.dsp.capacity) == ("mine", "Mine", 7, 120)
    assert [(csp.name, csp.latency, csp.capacity) for csp in world.csps] == [("North", 5, 40), ("South", 0, 90)]
    assert [user.name for user in world.users] == ["Alpha", "Beta", "Small A", "Small B", "Small C"]


def test_a_mistake_in_what_is_extended_names_that_file(tmp_path, changed):
    (tmp_path / "base.toml").write_text(changed(("share = 0.25", "share = 25")))
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[dsp]\nrestart = -1\n')
    with pytest.raises(ScenarioError) as caught:
        load(str(tmp_path / "mine.toml"))
    assert caught.value.problems == (
        f'{tmp_path}/base.toml:12: csp[0] "North".share: must be at most 1, and is 25',
        f"{tmp_path}/mine.toml:3: dsp.restart: must be at least 0, and is -1",
    )


def test_a_shipped_population_may_be_extended_from_anywhere(tmp_path):
    (tmp_path / "mine.toml").write_text('extends = "great-britain"\ntitle = "Mine"\n')
    assert len(load(str(tmp_path / "mine.toml")).world.users) == 60
