import itertools
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.sender import Phase, fixed_times, poisson_times

phases = st.lists(st.builds(Phase, st.floats(0, 5), st.one_of(st.just(0.0), st.floats(0, 50))), max_size=5)


@given(phases, st.integers())
def test_times_rise_and_stay_inside_the_phases_that_have_a_rate(phases, seed):
    for times in (fixed_times(phases), poisson_times(phases, seed)):
        assert times == sorted(times)
        ends, start = [], 0.0
        for phase in phases:
            ends.append((start, start + phase.seconds, phase.rate))
            start += phase.seconds
        for time in times:
            assert any(low - 1e-9 <= time <= high + 1e-9 and rate > 0 for low, high, rate in ends)


@given(phases)
def test_a_fixed_schedule_has_rate_times_seconds_requests(phases):
    expected = sum(phase.rate * phase.seconds for phase in phases)
    assert abs(len(fixed_times(phases)) - expected) <= 0.5 + 1e-6


def test_a_fixed_schedule_is_evenly_spaced_within_a_phase():
    times = fixed_times([Phase(2, 10)])
    assert times == pytest.approx([0.05 + 0.1 * n for n in range(20)])


@given(phases, st.integers())
def test_the_same_seed_gives_the_same_times(phases, seed):
    assert poisson_times(phases, seed) == poisson_times(phases, seed)


def test_different_seeds_give_different_times():
    assert poisson_times([Phase(5, 20)], 1) != poisson_times([Phase(5, 20)], 2)


def test_poisson_gaps_have_the_mean_and_the_spread_of_the_exponential():
    times = poisson_times([Phase(100, 100)], 5)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert statistics.mean(gaps) == pytest.approx(0.01, rel=0.05)
    assert statistics.stdev(gaps) == pytest.approx(0.01, rel=0.05)


def test_a_poisson_schedule_follows_its_rate_from_phase_to_phase():
    times = poisson_times([Phase(50, 20), Phase(50, 200)], 3)
    early = sum(time < 50 for time in times)
    assert early == pytest.approx(1000, abs=4 * math.sqrt(1000))
    assert len(times) - early == pytest.approx(10_000, abs=4 * math.sqrt(10_000))


@pytest.mark.parametrize(("seconds", "rate"), [(-1, 1), (1, -1), (math.inf, 1), (1, math.inf), (math.nan, 1)])
def test_an_impossible_phase_is_refused(seconds, rate):
    with pytest.raises(ValueError, match="phase"):
        Phase(seconds, rate)
