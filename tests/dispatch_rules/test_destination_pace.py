"""How fast a destination is delivered to."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.dispatch.pace import BANK_SECONDS, FIRST_PART, Pace
from thorough import examples


def greedy(pace: Pace, start: float, seconds: float, step: float, holds: float = 0.0) -> list[float]:
    """Begin whatever may begin, each attempt lasting for `holds` seconds. Returns when they began."""
    began: list[float] = []
    ends: list[float] = []
    for tick in range(int(seconds / step)):
        now = start + tick * step
        while ends and ends[0] <= now:
            ends.pop(0)
            pace.ended(now)
        while pace.may(now):
            pace.began(now)
            began.append(now)
            if holds:
                ends.append(now + holds)
            else:
                pace.ended(now)
    return began


def test_no_more_than_the_concurrency_are_in_flight():
    pace = Pace(3, 1000.0, 0)
    for _ in range(3):
        assert pace.may(0.0)
        pace.began(0.0)
    assert not pace.may(0.0)
    assert pace.wait(0.0) == math.inf
    pace.ended(0.1)
    assert pace.in_flight == 2
    assert pace.may(0.1)


@settings(max_examples=examples(60), deadline=None)
@given(st.floats(0.1, 500), st.floats(0.001, 0.3), st.floats(0, 1e6))
def test_in_any_window_no_more_begin_than_the_rate_and_one_bank(rate, step, start):
    began = greedy(Pace(10**6, rate, 0), start, min(400 * step, 2000 / rate), step)
    bank = max(1.0, rate * BANK_SECONDS)
    for first in range(0, len(began), 7):
        for last in range(first, len(began), 5):
            assert last - first + 1 <= bank + rate * (began[last] - began[first]) + 0.01


def test_the_whole_rate_is_reached_where_the_caller_asks_often_enough():
    assert len(greedy(Pace(10**6, 200.0, 0), 0.0, 10.0, 0.01)) == pytest.approx(2000, rel=0.02)


def test_a_recovery_begins_with_a_tenth_and_grows_to_the_whole_evenly():
    pace = Pace(10**6, 100.0, 30.0)
    pace.recovered(0.0)
    began = greedy(pace, 0.0, 40.0, 0.01)
    counts = [sum(second <= at < second + 1 for at in began) for second in range(40)]
    assert counts[0] <= 11 + 1
    for second in range(5, 30):
        assert counts[second] == pytest.approx(100 * (second + 0.5) / 30, abs=3)
    assert counts[35] == pytest.approx(100, abs=2)


def test_in_a_recovery_concurrency_grows_from_a_tenth_too():
    for now, allowed in ((0.0, 6), (15.0, 32), (30.0, 64), (99.0, 64)):
        pace = Pace(64, 1e6, 30.0)
        pace.recovered(0.0)
        while pace.may(now):
            pace.began(now)
        assert pace.in_flight == allowed


@given(st.integers(1, 9), st.floats(0.001, 10), st.integers(1, 100))
def test_at_least_one_may_always_be_in_flight(concurrency, rate, parts):
    pace = Pace(concurrency, rate, 30.0)
    pace.share(parts)
    pace.recovered(0.0)
    now = pace.wait(0.0)
    assert now < math.inf
    assert pace.may(now + 1e-6)


def test_a_recovery_takes_back_what_the_bank_held():
    pace = Pace(1000, 1000.0, 10.0)
    pace.recovered(0.0)
    count = 0
    while pace.may(0.0):
        pace.began(0.0)
        count += 1
    assert count == 1000 * FIRST_PART * BANK_SECONDS


def test_without_slow_start_a_recovery_changes_nothing():
    pace = Pace(5, 1000.0, 0)
    pace.recovered(0.0)
    assert len(greedy(pace, 0.0, 0.001, 0.001, holds=9)) == 5


@given(st.integers(1, 100), st.floats(0.1, 1000), st.integers(1, 8))
def test_dispatchers_who_share_have_together_no_more_than_one_alone_or_one_each(concurrency, rate, parts):
    began = in_flight = 0
    for _ in range(parts):
        pace = Pace(concurrency, rate, 0)
        pace.share(parts)
        while pace.may(0.0):
            pace.began(0.0)
        in_flight += pace.in_flight
        for _ in range(pace.in_flight):
            pace.ended(0.0)
        began += pace.in_flight + len(greedy(pace, 0.01, 1.0, 0.01))
    assert in_flight <= max(concurrency, parts)
    assert began <= rate * 1.02 + max(parts, rate * BANK_SECONDS) + 1


def test_sharing_again_with_the_same_number_changes_nothing():
    pace = Pace(10, 10.0, 0)
    pace.share(2)
    first = pace.wait(0.0), pace.may(0.0)
    pace.share(2)
    assert (pace.wait(0.0), pace.may(0.0)) == first
    pace.share(0)  # nobody else: as one alone
    assert pace.may(0.0)


@settings(deadline=None)
@given(st.floats(0.01, 100), st.integers(1, 20), st.floats(0, 20), st.lists(st.floats(-50, 5), min_size=1, max_size=60))
def test_a_clock_that_jumps_back_mints_nothing(rate, concurrency, slow, steps):
    pace, now, latest, began = Pace(10**6, rate, slow), 1000.0, 1000.0, 0
    first = now
    assert pace.may(now)
    for step in steps:
        now += step
        latest = max(latest, now)
        while pace.may(now):
            pace.began(now)
            began += 1
    assert began <= max(1.0, rate * BANK_SECONDS) + rate * (latest - first) + 0.01


@settings(deadline=None)
@given(
    st.floats(0.01, 100),
    st.integers(1, 20),
    st.floats(0, 20),
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["begin", "end", "recover", "pass"]), st.floats(0, 5)), max_size=60),
)
def test_after_the_wait_one_more_may_begin_and_not_much_sooner(rate, concurrency, slow, parts, steps):
    pace, now = Pace(concurrency, rate, slow), 0.0
    pace.share(parts)
    for what, seconds in steps:
        now += seconds
        if what == "begin" and pace.may(now):
            pace.began(now)
        elif what == "end":
            pace.ended(now)
        elif what == "recover":
            pace.recovered(now)
        wait = pace.wait(now)
        assert (wait == 0) == pace.may(now)
        assert pace.in_flight <= max(1, concurrency)
    wait = pace.wait(now)
    if wait < math.inf:
        assert pace.may(now + wait + 1e-6)
    else:
        assert not pace.may(now + 1e6)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ((0, 1.0, 0), "concurrency is 1 or more, and this is 0"),
        ((1, 0.0, 0), "rate is more than 0 a second, and this is 0"),
        ((1, math.inf, 0), "rate"),
        ((1, math.nan, 0), "rate"),
        ((1, 1.0, -1), "slow_start_seconds is 0 or more, and this is -1"),
    ],
)
def test_what_cannot_be_is_refused_and_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        Pace(*wrong)
