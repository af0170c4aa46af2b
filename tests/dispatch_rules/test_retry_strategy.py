"""The retry strategy: when again, and when no more."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.http.strategy import RetryStrategy

DRAWS = st.floats(0, 1, exclude_max=True)


@st.composite
def strategies(draw: st.DrawFn) -> RetryStrategy:
    first = draw(st.floats(0.01, 100))
    return RetryStrategy(
        first, draw(st.floats(1, 100)), draw(st.floats(0, 1)), first + draw(st.floats(0, 1e4)), draw(st.integers(1, 50))
    )


def test_delays_double_up_to_the_ceiling():
    strategy = RetryStrategy(jitter=0)
    assert [strategy.delay(n, 0.5) for n in (1, 2, 3, 8, 9, 10)] == [2, 4, 8, 256, 300, 300]


def test_the_jitter_spreads_both_ways_at_the_ceiling_too():
    strategy = RetryStrategy(first=10, jitter=0.2, ceiling=10)
    assert strategy.delay(5, 0.0) == pytest.approx(8)
    assert strategy.delay(5, 0.5) == pytest.approx(10)
    assert strategy.delay(5, 0.9999999) == pytest.approx(12)


@given(strategies(), st.integers(1, 10**30), DRAWS)
def test_every_delay_lies_between_the_first_and_the_ceiling_but_for_the_jitter(strategy, attempts, draw):
    delay = strategy.delay(attempts, draw)
    assert strategy.first * (1 - strategy.jitter) <= delay * (1 + 1e-9)
    assert delay <= strategy.ceiling * (1 + strategy.jitter) * (1 + 1e-9)


@given(strategies(), st.integers(1, 10**6), DRAWS)
def test_no_delay_is_shorter_than_the_one_before_it_where_the_draw_is_the_same(strategy, attempts, draw):
    assert strategy.delay(attempts, draw) <= strategy.delay(attempts + 1, draw)


@pytest.mark.parametrize("attempts", [10**3, 10**18, 10**400])
@pytest.mark.parametrize("factor", [1.0, 1.0000001, 2.0, 1e308])
def test_no_number_of_attempts_overflows(factor, attempts):
    delay = RetryStrategy(factor=factor, jitter=0).delay(attempts, 0.0)
    assert 2.0 <= delay <= 300.0
    if factor == 1:
        assert delay == 2.0


@given(strategies(), st.integers(1, 60), st.floats(0, 1e9), st.floats(0, 1e5), DRAWS)
def test_the_next_attempt_is_before_the_deadline_or_there_is_none(strategy, attempts, at, left, draw):
    due = strategy.next_attempt(attempts, at, at + left, draw)
    if attempts >= strategy.attempts:
        assert due is None
    elif due is None:
        assert at + strategy.delay(attempts, draw) >= at + left
    else:
        assert at <= due < at + left


def test_an_attempt_at_the_deadline_itself_is_too_late():
    strategy = RetryStrategy(jitter=0)
    assert strategy.next_attempt(1, 100.0, 102.0, 0.0) is None
    assert strategy.next_attempt(1, 100.0, 102.1, 0.0) == 102.0


def test_the_last_attempt_is_followed_by_none():
    strategy = RetryStrategy(attempts=3)
    assert strategy.next_attempt(2, 0.0, 1e9, 0.0) is not None
    assert strategy.next_attempt(3, 0.0, 1e9, 0.0) is None
    assert RetryStrategy(attempts=1).next_attempt(1, 0.0, 1e9, 0.0) is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"first": 0}, "first is more than 0 seconds, and this is 0"),
        ({"first": math.inf}, "first"),
        ({"factor": 0.5}, "factor is 1 or more, and this is 0.5"),
        ({"factor": math.nan}, "factor"),
        ({"jitter": 1.1}, "jitter is between 0 and 1, and this is 1.1"),
        ({"jitter": math.nan}, "jitter"),
        ({"ceiling": 1.0}, "ceiling is at least first, 2.0 seconds, and this is 1.0"),
        ({"ceiling": math.inf}, "ceiling"),
        ({"attempts": 0}, "attempts is 1 or more, and this is 0"),
    ],
)
def test_what_cannot_be_is_refused_and_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        RetryStrategy(**wrong)


def test_there_is_no_delay_before_an_attempt_has_failed():
    with pytest.raises(ValueError, match="there were 0"):
        RetryStrategy().delay(0, 0.5)
