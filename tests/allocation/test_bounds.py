"""What a configuration lets through at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.allocation import Book, Holder, PriorityClass, Profile
from sluicegate.ledger.bounds import bounds, fitting_reserve, shut_out
from sluicegate.settings import Capacity
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits, Throttle


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


def seconds_without_excess(users, allocation, reserve, threshold, using):
    """All Users spend their banks at once; how long somebody without an allocation then asks in vain."""
    allocations = dict.fromkeys(map(str, range(users)), allocation) | {"spare": 0.0}
    throttle = Throttle(Limits(100.0, threshold), allocations, 0.0, dict.fromkeys(map(str, range(users)), reserve))
    accounts = [throttle.account(str(n)) for n in range(users)]
    spare = throttle.account("spare")
    while throttle.decide(spare, 1.0, 0.0) != THROTTLED:
        pass  # a lull is over: the banks are full
    for account in accounts:
        while throttle.decide(account, 1.0, 0.0) == WITHIN:
            pass
    sent = 0
    for step in range(1, 40_000):
        now = step / 100
        while using and sent < now * users * allocation:
            throttle.decide(accounts[sent % users], 1.0, now)
            sent += 1
        if throttle.decide(spare, 1.0, now) == EXCESS:
            return now
    raise AssertionError("never")


@pytest.mark.parametrize(("allocation", "threshold"), [(0.1, 100.0), (0.4, 100.0), (0.1, 40.0)])
def test_reserves_spent_at_once_shut_out_excess_for_as_long_as_is_said(allocation, threshold):
    """Two hundred tiny Users: minutes. What the banks do by themselves is not in it."""
    said = shut_out(capacity(100, threshold), book(*[allocation] * 200), 20.0)
    least, most = (
        seconds_without_excess(200, allocation, 20.0, threshold, using)
        - seconds_without_excess(200, allocation, 0.0, threshold, using)
        for using in (False, True)
    )
    assert least == pytest.approx(said.least, rel=0.01)
    assert 0.95 * said.most <= most <= said.most  # an empty bank is not used before it holds a request


def test_without_reserves_nothing_is_shut_out_and_where_the_allocations_take_all_it_is_for_ever():
    assert shut_out(capacity(1000, 350), book(300, 50)) == (0.0, 0.0)
    assert shut_out(capacity(1000, 350), book(300, 50), 35.0) == (0.2, float("inf"))


@given(st.lists(st.sampled_from([0.0, 0.4, 3.0]), max_size=60), st.integers(0, 40), st.booleans())
def test_no_larger_reserve_fits_than_the_one_that_is_proposed(rates, reserved, everybody):
    profile = Profile((PriorityClass("urgent", ("2.*",), reserve=float(reserved)),))
    held = [Holder(f"U{n}", "IS", rate, (), profile=None if n % 3 else profile) for n, rate in enumerate(rates)]
    terms, most = capacity(1000, 100), 30
    fits = fitting_reserve(terms, Book.of(held), most, everybody)
    assert 0 <= fits <= most
    if fits < most:
        assert shut_out(terms, Book.of(held), fits + 1.0, everybody).least > 2.0
    if fits > 0:
        assert shut_out(terms, Book.of(held), float(fits), everybody).least <= 2.0
