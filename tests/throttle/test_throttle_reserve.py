"""Reserves: what a User keeps in its own bank for its more urgent requests."""

import random
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from throttle_model import Bank

from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits, Throttle, allocation_depth

LIMITS = Limits(100.0, 80.0)


def pressed(reserves=None):
    """A throttle in an overload that another User causes, and the User's account."""
    throttle = Throttle(LIMITS, {"own": 10.0, "greedy": 40.0}, 0.0, reserves or {})
    greedy = throttle.account("greedy")
    while throttle.decide(greedy, 1.0, 0.0) != THROTTLED:
        pass
    return throttle, throttle.account("own")


def test_a_reserve_comes_on_top_of_the_burst():
    _, own = pressed({"own": 6.0})
    assert own.depth == allocation_depth(10.0, 0.5, 1.0) + 6.0 == 11.0


def test_under_pressure_a_request_is_served_from_the_bank_only_above_its_reserve():
    throttle, own = pressed({"own": 6.0})
    served = 0
    while throttle.decide(own, 1.0, 0.0, 6.0) == WITHIN:
        served += 1
    assert served == 5
    assert [throttle.decide(own, 1.0, 0.0) for _ in range(7)] == [WITHIN] * 6 + [THROTTLED]


def test_below_the_threshold_a_reserve_changes_nothing():
    throttle = Throttle(LIMITS, {"own": 1.0, "greedy": 40.0}, 0.0, {"own": 3.0})
    plain = Throttle(LIMITS, {"own": 1.0, "greedy": 40.0}, 0.0, {"own": 3.0})
    accounts = throttle.account("own"), plain.account("own")
    for n in range(200):  # well above its allocation, and well below the threshold
        at = n / 20
        assert throttle.decide(accounts[0], 1.0, at, 3.0) == plain.decide(accounts[1], 1.0, at) != THROTTLED


@given(seed=st.integers(0, 10_000), reserve=st.sampled_from([1.0, 5.0, 15.0]))
def test_urgent_requests_that_fit_the_reserve_are_never_throttled_behind_bulk(seed, reserve):
    """Urgent traffic that conforms to a bank of the allocation's rate and the reserve's depth is always served."""
    rng = random.Random(seed)
    throttle, own = pressed({"own": reserve})
    greedy = throttle.account("greedy")
    bank = Bank(Fraction(10), Fraction(reserve))
    now = 0.0
    for _ in range(400):
        now += rng.expovariate(60.0)
        bank.fill(Fraction(now))
        throttle.decide(greedy, 1.0, now)
        throttle.decide(own, 1.0, now, reserve)
        if rng.random() < 0.3 and bank.level >= 1:
            bank.take(1)
            assert throttle.decide(own, 1.0, now) != THROTTLED


@given(seed=st.integers(0, 10_000))
def test_a_reserve_takes_nothing_from_what_other_users_have_within_their_allocation(seed):
    """The same requests with and without the User's reserves: the other's within-allocation outcomes do not move."""
    rng = random.Random(seed)
    asks = []
    now = 0.0
    for _ in range(600):
        now += rng.expovariate(150.0)
        asks.append((now, rng.choice(["own", "own", "greedy", "other"])))
    outcomes = []
    for reserve in (0.0, 6.0):
        throttle = Throttle(LIMITS, {"own": 10.0, "greedy": 40.0, "other": 30.0}, 0.0, {"own": 6.0})
        given_to_other = [
            throttle.decide(throttle.account(name), 1.0, at, reserve if name == "own" else 0.0) == WITHIN
            for at, name in asks
            if name in ("own", "other", "greedy")
        ]
        outcomes.append([w for w, (_, name) in zip(given_to_other, asks, strict=True) if name == "other"])
    assert outcomes[0] == outcomes[1]


def test_without_an_allocation_a_reserve_keeps_nothing_back():
    throttle = Throttle(LIMITS, {"own": 0.0, "greedy": 40.0}, 0.0, {"own": 6.0})
    assert throttle.account("own").depth == 0.0
    assert throttle.decide(throttle.account("own"), 1.0, 0.0, 6.0) == EXCESS
