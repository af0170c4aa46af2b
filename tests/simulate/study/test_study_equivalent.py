"""The search for the capacity that, bought instead, delivers as much."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.study.equivalent import MOST, STEPS, Search, absent, factor, target_of


def found(share, target):
    """The result of a search over a function, and how often that was asked."""
    search, asked = Search(target), 0
    while (k := search.wanted) is not None:
        search.tell(k, share(k))
        asked += 1
    return search.result(), asked


@given(st.floats(1.0, MOST))
def test_the_smallest_capacity_that_suffices_is_found_to_a_hundredth(threshold):
    result, asked = found(lambda k: float(k >= threshold), 1.0)
    assert result["reached"]
    assert threshold - 1e-4 <= result["k"] <= threshold * 1.01
    assert asked <= 11


@given(st.floats(0.01, 0.99))
def test_the_k_of_a_share_that_rises_smoothly_is_found_to_a_hundredth(target):
    result, _ = found(lambda k: 1 - 1 / k, target)
    exact = 1 / (1 - target)
    if exact <= MOST:
        assert exact * (1 - 1e-4) <= result["k"] <= exact * 1.01
    else:
        assert result == {**result, "k": None, "reached": False}


def test_what_is_reached_already_needs_one_run():
    result, asked = found(lambda k: 0.9, 0.9)
    assert (result["k"], result["reached"], asked) == (1.0, True, 1)
    assert result["tried"] == [[1.0, 0.9]]


def test_what_is_never_reached_is_said_after_two_runs():
    result, asked = found(lambda k: 0.5, 0.9)
    assert (result["k"], result["reached"], asked) == (None, False, 2)
    assert "16 times the capacity does not reach it" in result["why"]


def test_where_the_share_does_not_rise_steadily_the_k_found_reaches_it_and_the_next_tried_below_does_not():
    def share(k):
        return 0.5 + 0.03 * k + 0.1 * math.sin(9 * k)

    result, asked = found(share, 0.8)
    tried = dict(result["tried"])
    assert len(tried) == asked
    assert tried[result["k"]] >= 0.8
    below = max(k for k in tried if k < result["k"])
    assert tried[below] < 0.8
    assert result["k"] / below <= 1.01


def test_a_search_that_was_stopped_says_so_and_keeps_what_was_tried():
    search = Search(0.9)
    assert "stopped" in search.result()["why"]
    search.tell(1.0, 0.1)
    search.tell(MOST, 1.0)
    result = search.result()
    assert (result["k"], result["reached"]) == (None, False)
    assert result["tried"] == [[1.0, 0.1], [MOST, 1.0]]


def test_searches_meet_at_the_same_places():
    assert factor(0) == 1
    assert factor(STEPS) == MOST
    assert all(1 < factor(n + 1) / factor(n) <= 1.01 for n in range(STEPS))


def test_the_same_share_is_one_standard_error_below_it():
    assert target_of(0.5, 100) == pytest.approx(0.45)
    assert target_of(1.0, 100) == 1
    assert target_of(0.0, 0) == 0


def test_absence_has_a_reason():
    assert absent("because") == {"k": None, "reached": False, "why": "because", "tried": []}
