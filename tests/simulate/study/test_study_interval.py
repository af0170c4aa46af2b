"""Means and their intervals of confidence."""

import numpy as np
import pytest

from sluicegate.simulate.study.interval import interval


def test_the_interval_is_students():
    # Student: t(0.975, 9) = 2.262157; of 1 ... 10 the mean is 5.5 and the standard error 3.02765 / sqrt(10).
    mean, low, high = interval(list(range(1, 11)))
    assert mean == 5.5
    assert high - mean == pytest.approx(2.262157 * 3.0276504 / 10**0.5, rel=1e-6)
    assert mean - low == pytest.approx(high - mean)


def test_one_run_has_a_mean_and_no_interval_and_none_has_nothing():
    assert interval([3.0]) == (3.0, None, None)
    assert interval([]) == (None, None, None)
    assert interval([2.0, 2.0]) == (2.0, 2.0, 2.0)


def test_ninety_five_of_a_hundred_intervals_hold_the_mean():
    draw = np.random.default_rng(1)
    ends = [interval(draw.normal(7, 2, 6).tolist())[1:] for _ in range(2000)]
    held = sum(low <= 7 <= high for low, high in ends) / len(ends)
    assert held == pytest.approx(0.95, abs=0.02)  # four standard errors
