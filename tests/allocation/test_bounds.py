"""What a configuration lets through at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.allocation import Book, Holder
from sluicegate.ledger.bounds import bounds
from sluicegate.settings import Capacity


def capacity(maximum, threshold, burst=0.5, **weights):
    return Capacity(maximum=maximum, operating_threshold=threshold, burst_seconds=burst, **weights)


def book(*allocations):
    return Book.of(Holder(f"U{n}", "IS", rate, ids=()) for n, rate in enumerate(allocations))


def test_the_worst_burst_is_what_all_full_banks_hold():
    # 800 * 0.5 for the system, 300 * 0.5 and 50 * 0.5 for the Users.
    assert bounds(capacity(1000, 800), book(300, 50)).worst_burst == 400 + 150 + 25


def test_a_user_that_lives_on_the_spare_adds_nothing_to_the_worst_burst():
    assert bounds(capacity(1000, 800), book(300, 0)).worst_burst == 400 + 150


def test_each_bank_holds_the_heaviest_request_and_the_systems_holds_two():
    heavy = capacity(10, 8, weights={"11.1": 5})
    assert bounds(heavy, book(1, 2)).worst_burst == 2 * 5 + 5 + 5


def test_the_sustained_rate_is_the_threshold_while_the_allocations_are_below_it():
    assert bounds(capacity(1000, 800), book(300, 50)).sustained == 800


def test_the_sustained_rate_is_the_sum_of_the_allocations_where_that_is_higher():
    assert bounds(capacity(1000, 300), book(300, 50)).sustained == 350


def test_where_capacity_is_cut_the_bounds_are_those_of_the_effective_allocations():
    cut = bounds(capacity(200, 100), book(300, 100))
    assert cut.sustained == 200
    assert cut.worst_burst == 50 + 75 + 25


@given(
    st.lists(st.floats(0.001, 1e4), max_size=30),
    st.floats(0.001, 1e5),
    st.floats(0.01, 1),
    st.floats(0.01, 60),
)
def test_the_sustained_rate_lies_between_threshold_and_maximum(rates, maximum, part, burst):
    threshold = max(0.001, maximum * part)
    found = bounds(capacity(max(maximum, threshold), threshold, burst), book(*rates))
    assert threshold <= found.sustained <= max(maximum, threshold)
    assert found.worst_burst >= threshold * burst


@pytest.mark.parametrize("worse", [{"burst": 1.0}, {"weights": {"11.1": 300}}])
def test_a_longer_burst_or_a_heavier_request_makes_the_worst_burst_worse(worse):
    assert (
        bounds(capacity(1000, 800, **worse), book(300)).worst_burst > bounds(capacity(1000, 800), book(300)).worst_burst
    )
