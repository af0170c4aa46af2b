"""Bursts last for minutes, leave the mean as it is, and are shared as far as is said."""

import itertools
import math

import numpy as np
import pytest

from sluicegate.simulate.traffic import Bursts, Surge

STEP = 30.0


def logs(bursts, users=40, steps=4000, seed=1):
    """The logarithm of the intensity, by step and User."""
    series = bursts.intensities(users, STEP, np.random.default_rng(seed))
    return np.log(np.array(list(itertools.islice(series, steps))))


def test_without_a_spread_everything_is_as_the_day_has_it():
    assert (np.exp(logs(Bursts(), steps=10)) == 1).all()


def test_the_mean_is_one_and_the_spread_is_as_asked():
    found = logs(Bursts(0.4, 3, 0.0), users=200)
    assert np.exp(found).mean() == pytest.approx(1, abs=0.01)
    assert found.std() == pytest.approx(0.4, rel=0.02)


def test_a_burst_lasts_for_minutes_and_not_for_hours():
    found = logs(Bursts(0.4, 3, 0.0), users=200) + 0.4**2 / 2

    def correlation(minutes):
        lag = round(minutes * 60 / STEP)
        return (found[lag:] * found[:-lag]).mean() / 0.4**2

    for minutes in (0.5, 1, 3, 6):
        assert correlation(minutes) == pytest.approx(math.exp(-minutes / 3), abs=0.02)
    assert abs(correlation(60)) < 0.02


@pytest.mark.parametrize("together", [0.0, 0.3, 1.0])
def test_users_burst_together_as_far_as_is_said(together):
    pairs = np.corrcoef(logs(Bursts(0.4, 1, together), steps=8000).T)
    assert pairs[np.triu_indices(40, 1)].mean() == pytest.approx(together, abs=0.04)


def test_a_surge_rises_and_falls_and_has_the_area_that_it_says():
    for ramp in (0.0, 60.0, 300.0, 400.0):
        surge = Surge(100, 700, np.array([0]), ramp=ramp)
        levels = [surge.level(at, at + 1) for at in range(800)]
        assert max(levels) <= 1
        assert levels[99] == levels[700] == 0
        assert sum(levels) == pytest.approx(surge.area, rel=1e-3)
        assert levels[100:400] == pytest.approx(levels[699:399:-1])


def test_a_surge_within_a_step_counts_for_its_part_of_it():
    assert Surge(10, 20, np.array([0])).level(0, 30) == pytest.approx(1 / 3)
