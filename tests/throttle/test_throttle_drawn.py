"""A drawn throttle: deposits in place of time, and else the same decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, DrawnThrottle, Limits

LIMITS = Limits(100.0, 80.0, 0.5, 30.0, 1.0)


@pytest.fixture
def drawn():
    return DrawnThrottle(LIMITS, {"u": 8.0, "v": 8.0}, 10.0)


def test_it_begins_with_nothing_and_time_brings_nothing(drawn):
    user = drawn.account("u")
    assert [drawn.decide(user, 1.0, now, 0.0) for now in (10.0, 20.0, 1e6)] == [THROTTLED] * 3


def test_a_deposit_of_the_users_bank_is_spent_within_its_allocation(drawn):
    user = drawn.account("u")
    drawn.deposit(user, 2.0, 0.0)
    assert [drawn.decide(user, 1.0, 11.0, 0.0) for _ in range(3)] == [WITHIN, WITHIN, THROTTLED]
    assert drawn.decide(drawn.account("v"), 1.0, 11.0, 0.0) == THROTTLED


def test_a_deposit_of_credit_is_spent_as_excess_by_its_user_alone(drawn):
    user = drawn.account("u")
    drawn.deposit(user, 0.0, 2.0)
    assert drawn.decide(drawn.account("v"), 1.0, 11.0, 0.0) == THROTTLED
    assert [drawn.decide(user, 1.0, 11.0, 0.0) for _ in range(3)] == [EXCESS, EXCESS, THROTTLED]


def test_offered_tokens_let_anybody_pass(drawn):
    drawn.deposit_offered(2.0)
    assert drawn.offered == 2.0
    assert drawn.decide(drawn.account("u"), 1.0, 11.0, 0.0) == EXCESS
    assert drawn.decide(drawn.account("v"), 1.0, 11.0, 0.0) == EXCESS
    assert drawn.offered == 0.0


def test_a_deposit_of_offered_tokens_is_whole_whatever_was_throttled_before(drawn):
    for _ in range(100):
        drawn.decide(drawn.account("u"), 1.0, 11.0, 0.0)
    drawn.deposit_offered(1.0)
    assert drawn.decide(drawn.account("u"), 1.0, 11.0, 0.0) == EXCESS


def test_what_is_taken_out_again_is_gone_and_never_more_than_there_is(drawn):
    user = drawn.account("u")
    drawn.deposit(user, 2.0, 2.0)
    drawn.deposit_offered(2.0)
    drawn.deposit(user, -5.0, -5.0)
    drawn.deposit_offered(-5.0)
    assert (user.level, drawn.offered) == (0.0, 0.0)
    assert drawn.decide(user, 1.0, 11.0, 0.0) == THROTTLED


@pytest.mark.parametrize(("within", "excess", "outcome"), [(1.0, 0.0, WITHIN), (0.0, 1.0, EXCESS)])
def test_what_is_given_back_is_in_hand_again(drawn, within, excess, outcome):
    user = drawn.account("u")
    drawn.decide(user, 1.0, 11.0, 0.0)
    drawn.deposit(user, within, excess)
    assert drawn.decide(user, 1.0, 11.0, 0.0) == outcome
    drawn.give_back(user, 1.0, outcome, 11.0)
    assert drawn.decide(user, 1.0, 12.0, 0.0) == outcome
    assert drawn.decide(user, 1.0, 12.0, 0.0) == THROTTLED


def test_the_state_is_what_was_heard(drawn):
    drawn.heard(True, 4.0, 0.5, 11.0)
    assert drawn.state(12.0).active
    assert drawn.state(12.0).since == 4.0
    drawn.heard(False, 11.0, 0.5, 13.0)
    assert not drawn.state(13.0).active


def test_a_user_that_comes_here_in_part_has_that_part_of_its_line(drawn):
    user, other = drawn.account("u"), drawn.account("v")
    other.here = 0.25
    drawn.heard(True, 11.0, 0.0, 11.0)
    told = [sum(drawn.retry_after(each, 1.0, 11.0) for _ in range(200)) for each in (user, other)]
    assert told[1] / told[0] == pytest.approx(4.0, rel=0.1)


def test_a_reload_keeps_what_users_have_in_hand(drawn):
    user = drawn.account("u")
    drawn.deposit(user, 2.0, 1.0)
    drawn.reconfigure(LIMITS, {"u": 8.0, "w": 8.0}, 12.0)
    assert [drawn.decide(user, 1.0, 13.0, 0.0) for _ in range(4)] == [WITHIN, WITHIN, EXCESS, THROTTLED]
    assert drawn.decide(drawn.account("w"), 1.0, 13.0, 0.0) == THROTTLED
    drawn.set_profile(user, 3.0, 14.0)
    assert drawn.decide(user, 1.0, 100.0, 0.0) == THROTTLED


steps = st.lists(
    st.tuples(st.sampled_from("uvo"), st.integers(0, 5), st.integers(0, 5), st.sampled_from([0.0, 0.5, 60.0])),
    max_size=60,
)


@given(steps)
def test_never_more_passes_than_was_deposited(given_steps):
    drawn = DrawnThrottle(LIMITS, {"u": 80.0, "v": 0.0}, 0.0)
    deposited = passed = now = 0.0
    for who, tokens, requests, gap in given_steps:
        now += gap
        if who == "o":
            drawn.deposit_offered(tokens)
        else:
            drawn.deposit(drawn.account(who), float(tokens % 3), float(tokens // 3))
        deposited += tokens if who == "o" else tokens % 3 + tokens // 3
        for _ in range(requests):
            passed += drawn.decide(drawn.account("v" if who == "v" else "u"), 1.0, now, 0.0) != THROTTLED
        assert passed <= deposited
