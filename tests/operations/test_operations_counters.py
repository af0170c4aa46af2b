"""Counters, rates and histograms."""

from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sluicegate.operations.status import SOONEST, Above, Excess, Rates
from sluicegate.operations.tally import DECISION_BOUNDS, MOST_VERSIONS, UPSTREAM_BOUNDS, Histogram, Tally, Totals


def counted(within: int = 0, excess: int = 0, throttled: int = 0, rejected: int = 0) -> Tally:
    tally = Tally()
    tally.within, tally.excess, tally.throttled, tally.rejected = within, excess, throttled, rejected
    return tally


def test_rates_are_the_difference_of_two_looks() -> None:
    rates, tally = Rates(0.0), counted()
    rates.look({"a": tally}, 1.0)
    tally.within, tally.excess, tally.throttled, tally.rejected = 10, 20, 30, 40
    tally.refused_by_csp = {"north": 40, "south": 10}
    rates.look({"a": tally}, 3.0)
    told = {"offered": 30, "within": 5, "excess": 10, "throttled": 15, "rejected": 20, "csp-backlog": 25}
    assert rates.of("a") == told, "what was refused undecided was not offered to the rule"
    assert rates.offered("a") == (30, 25), "25 of them above its allocation"
    rates.look({"a": tally}, 4.0)
    assert set(rates.of("a").values()) == {0}
    assert rates.offered("a") == (0, 0)


def test_the_first_second_counts_too() -> None:
    rates = Rates(10.0)
    rates.look({"a": counted(within=5)}, 10.5)
    assert rates.of("a")["within"] == 10
    assert rates.offered("a") == (10, 0)


def test_a_user_that_is_new_has_its_rate_at_once_and_a_stranger_has_none() -> None:
    rates = Rates(0.0)
    rates.look({"a": counted(7)}, 1.0)
    rates.look({"a": counted(7), "b": counted(3)}, 2.0)
    assert rates.of("b")["within"] == 3
    assert rates.of("c")["offered"] == rates.offered("c")[0] == 0


def test_a_look_too_soon_after_the_last_one_is_none() -> None:
    """Of so short a time no rate can be told: one request in a millisecond is not a thousand a second."""
    rates = Rates(0.0)
    rates.look({"a": counted(5)}, 1.0)
    rates.look({"a": counted(6)}, 1.0 + SOONEST / 2)
    assert rates.of("a")["within"] == 5


def test_two_looks_at_the_same_moment_divide_by_nothing() -> None:
    rates = Rates(1.0)
    rates.look({"a": counted(7)}, 1.0)
    assert rates.of("a")["offered"] == 0


@given(st.lists(st.tuples(st.floats(SOONEST + 0.001, 5), st.integers(0, 1000)), min_size=1, max_size=20))
def test_rates_times_their_seconds_add_up_to_what_was_counted(steps) -> None:
    now, tally, rates, added = 0.0, counted(), Rates(0.0), 0.0
    for seconds, count in steps:
        now += seconds
        tally.within += count
        rates.look({"a": tally}, now)
        added += rates.offered("a")[0] * seconds
    assert added == pytest.approx(tally.within)


def test_who_was_above_is_told_with_the_most_that_it_offered_worst_first() -> None:
    above = Above()
    above.take([Excess("a", 10.0, 5.0), Excess("b", 100.0, 5.0)])
    above.take([Excess("a", 300.123456, 5.0), Excess("b", 50.0, 5.0)])
    above.take([])
    assert above.most() == [
        {"user": "a", "offered": 300.123, "allocation": 5.0},
        {"user": "b", "offered": 100.0, "allocation": 5.0},
    ]


def test_a_line_of_the_log_names_so_many_and_no_more() -> None:
    above = Above()
    above.take([Excess(str(number), float(number), 0.0) for number in range(1000)])
    assert [one["user"] for one in above.most()] == [str(number) for number in range(999, 979, -1)]


def test_a_tally_tells_a_bounded_number_of_versions_apart() -> None:
    tally = Tally()
    for number in range(1000):
        tally.saw_version(Decimal(number % 100))
    assert len(tally.versions) == MOST_VERSIONS
    assert tally.versions[Decimal(0)] == 10


@pytest.mark.parametrize("bounds", [DECISION_BOUNDS, UPSTREAM_BOUNDS])
@given(values=st.lists(st.floats(0, 100), max_size=50))
def test_a_histogram_counts_every_observation_in_its_bucket(bounds, values) -> None:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    assert sum(histogram.counts) == len(values)
    assert histogram.total == pytest.approx(sum(values))
    for index, bound in enumerate(bounds):
        assert sum(histogram.counts[: index + 1]) == sum(value <= bound for value in values), "le: less or equal"


def test_refusals_are_counted_by_problem() -> None:
    totals = Totals()
    for problem in ("a", "b", "a"):
        totals.refuse(problem)
    assert totals.refused == {"a": 2, "b": 1}
