import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.duis import CATALOGUE, read_header, web_service
from sluicegate.settings import load
from sluicegate.simulate.demo.scenario import USERS, Scenario, configuration
from sluicegate.simulate.messages import Letters


def written(enforce, scenario=None):
    return configuration(
        scenario or Scenario(),
        enforce=enforce,
        listen="127.0.0.1:1",
        admin="127.0.0.1:2",
        upstream="http://127.0.0.1:3",
    )


@pytest.mark.parametrize("enforce", [True, False])
def test_the_gateway_takes_the_configuration(enforce, tmp_path):
    file = tmp_path / "demo.toml"
    file.write_text(written(enforce), encoding="utf-8")
    settings = load(file)
    assert settings.capacity.enforce is enforce
    assert {user.name: user.allocation for user in settings.users} == {user.name: user.allocation for user in USERS}


def test_the_two_configurations_differ_in_enforce_only():
    on, off = tomllib.loads(written(True)), tomllib.loads(written(False))
    assert on["capacity"].pop("enforce")
    assert not off["capacity"].pop("enforce")
    assert on == off


def test_allocations_fit_the_threshold_and_the_usual_load_stays_below_each_of_them():
    scenario = Scenario()
    assert sum(user.allocation for user in USERS) <= scenario.threshold
    assert all(user.usual < 1 for user in USERS)
    assert scenario.threshold < scenario.plant.capacity


def test_there_are_six_users_of_different_sizes_and_roles():
    assert len({user.allocation for user in USERS}) == len({user.eui64 for user in USERS}) == 6
    assert len({user.role for user in USERS}) >= 5


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
def test_a_user_sends_what_its_role_may_send_to_the_service_that_takes_it(user):
    letters = Letters(user.eui64, user.version, user.srvs, seed="x")
    for counter in range(1, 40):
        path, message = letters.next()
        header = read_header(message, complete=True)
        assert header.originator == user.eui64
        assert header.counter == counter
        assert user.role in CATALOGUE[header.srv].roles
        assert path == f"/api/v1/service{web_service(header.command_variant)}"
        assert (header.command_variant == 8) is CATALOGUE[header.srv].non_device


@given(st.floats(8, 600))
def test_the_phases_fill_the_run_and_the_last_request_has_its_time(seconds):
    scenario = Scenario.of(seconds)
    assert 0 < scenario.burst_from < scenario.burst_until < scenario.sends_until < scenario.seconds
    assert scenario.sends_until <= max(0.7 * seconds, seconds - scenario.in_time)
    assert [scenario.phase(at) for at in (0, scenario.burst_from, scenario.burst_until)] == ["quiet", "burst", "calm"]


@pytest.mark.parametrize("seconds", [7.9, 601, float("nan"), float("inf"), -1])
def test_a_run_that_shows_nothing_is_refused(seconds):
    with pytest.raises(ValueError, match="8 to 600"):
        Scenario.of(seconds)


def test_only_the_burster_bursts():
    scenario = Scenario()
    for number, user in enumerate(USERS):
        times = scenario.times(number)
        length = scenario.burst_until - scenario.burst_from
        rate = sum(scenario.burst_from <= time < scenario.burst_until for time in times) / length
        if number == 0:
            assert rate == pytest.approx(9 * user.allocation, rel=0.1)
        else:
            assert rate < user.allocation
        assert times == scenario.times(number)
        assert max(times) <= scenario.sends_until
