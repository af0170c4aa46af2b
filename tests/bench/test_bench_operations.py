"""The interval of what operations cost."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("bench.operations")

from bench.loader import Sent
from bench.operations import Spent, interval


def test_pairs_that_agree_leave_no_interval():
    assert interval([1.04] * 8) == pytest.approx((1.04, 1.04, 1.04))


def test_the_interval_has_the_true_ratio_in_it_and_narrows_with_more_pairs():
    chance = random.Random(2)
    ratios = [1.03 * chance.lognormvariate(0, 0.05) for _ in range(64)]
    few, many = interval(ratios[:8]), interval(ratios)
    assert many[1] < 1.03 < many[2]
    assert many[2] - many[1] < few[2] - few[1]


def test_a_gateway_is_told_by_all_its_slices():
    spent = Spent()
    for cpu, completed in ((0.1, 1000), (0.3, 3000)):
        spent.add(Sent(1.0, completed, 2, 0, 0, {}, {}, 0.0, cpu))
    assert (spent.each, spent.per_second, spent.unexpected) == (pytest.approx(100.0), 2000.0, 4)
