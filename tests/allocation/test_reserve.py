"""What a reserve serves, and what is proposed."""

import random

import pytest

from sluicegate.allocation.reserve import MOST, proposed_reserve, served_by


@pytest.mark.parametrize(("reserve", "part"), [(3.0, 0.5), (4.0, 0.5), (10.0, 0.8), (3.0, 0.9)])
def test_what_is_served_is_what_a_bank_serves_of_poisson_requests(reserve, part):
    rng = random.Random(11)
    level, served, count = reserve, 0, 150_000
    for _ in range(count):
        level = min(reserve, level + rng.expovariate(part))
        if level >= 1.0:
            level -= 1.0
            served += 1
    lost = 1 - served / count
    assert 1 - served_by(reserve, part) == pytest.approx(lost, rel=0.08, abs=2e-4)


def test_half_of_an_allocation_wants_six_and_eight_tenths_thirteen():
    assert [proposed_reserve(part) for part in (0.5, 0.8)] == [6, 13]


def test_the_more_urgent_a_load_is_the_more_is_proposed_and_what_does_not_fit_is_said():
    proposals = [proposed_reserve(part / 20) for part in range(1, 19)]
    assert proposals == sorted(proposals)
    assert proposed_reserve(1.0) is proposed_reserve(3.0) is proposed_reserve(0.999) is None
    assert all(one <= MOST for one in proposals)


def test_a_reserve_of_less_than_a_request_serves_nothing():
    assert served_by(0.0, 0.5) == served_by(0.9, 0.5) == 0.0


@pytest.mark.parametrize(("part", "served"), [(0.0, 0.9), (-1.0, 0.9), (float("nan"), 0.9), (0.5, 0.0), (0.5, 1.0)])
def test_what_cannot_be_is_refused(part, served):
    with pytest.raises(ValueError, match="above 0"):
        proposed_reserve(part, served)
