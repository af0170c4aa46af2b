"""`active` begins with the first throttled request, and ends when for calm_seconds the offered bank was out of debt
and nothing was throttled. (The state machine compares it with a model of its own; here are the corners.)
"""

import random

import pytest
from throttle_model import merged, poisson, steady

from sluicegate.throttle import EXCESS, THROTTLED, Limits, Throttle


def throttle_of(calm=30.0):
    return Throttle(Limits(100, 50, 0.5, calm), {"A": 10.0, "B": 20.0})


def test_it_is_normal_until_somebody_is_throttled():
    throttle = throttle_of()
    user = throttle.account("A")
    outcomes = [throttle.decide(user, 1.0, 5.0) for _ in range(30)]
    first = outcomes.index(THROTTLED)
    assert outcomes[first - 1] == EXCESS
    state = throttle.state(5.0)
    assert (state.active, state.since) == (True, 5.0)
    assert not throttle_of().state(5.0).active


def test_it_ends_calm_seconds_after_the_debt_is_paid():
    throttle = throttle_of()
    user = throttle.account("A")
    while throttle.decide(user, 1.0, 0.0) != THROTTLED:
        pass
    debt = 1.0  # SR: one request more than the offered bank held; 0.02 s at the threshold
    paid = debt / 50
    assert throttle.state(paid + 29.99).active
    state = throttle.state(paid + 30.01)
    assert not state.active
    assert state.since == pytest.approx(paid + 30)


def test_a_throttled_request_or_debt_in_the_mean_time_keeps_it_active():
    throttle = throttle_of(calm=10.0)
    user = throttle.account("A")
    for begin in (0.0, 9.0, 18.0, 27.0):
        while throttle.decide(user, 1.0, begin) != THROTTLED:
            pass
    assert throttle.state(36.0).since == 0.0
    assert throttle.state(36.0).active
    assert not throttle.state(37.1).active


def test_traffic_below_the_threshold_does_not_keep_it_active():
    throttle = throttle_of(calm=10.0)
    user = throttle.account("A")
    while throttle.decide(user, 1.0, 0.0) != THROTTLED:
        pass
    for now, name, weight in steady("B", 30, 20, start=1.0):
        throttle.decide(throttle.account(name), weight, now)
    assert not throttle.state(20.0).active


def test_it_begins_anew_where_nobody_looked_in_between():
    throttle = throttle_of(calm=10.0)
    user = throttle.account("A")
    for begin in (0.0, 100.0):
        while throttle.decide(user, 1.0, begin) != THROTTLED:
            pass
    assert throttle.state(100.0).since == 100.0


@pytest.mark.parametrize("sharing", ["fair", "first-come"])
def test_looking_at_any_time_changes_no_later_decision(sharing):
    def run(looks):
        rng, at = random.Random(2), random.Random(3)
        throttle = Throttle(Limits(100, 80, 0.5, 2.0, sharing=sharing), {"A": 20.0, "B": 40.0})
        outcomes = []
        for now, name, weight in merged(poisson("A", 120, 20, rng), poisson("B", 60, 20, rng)):
            if looks:
                throttle.state(now + at.choice([-5.0, 0.0, 3.0, 1e6]))
                throttle.account(name).level_at(now + at.random())
            outcomes.append(throttle.decide(throttle.account(name), weight, now))
        return outcomes

    assert run(looks=True) == run(looks=False)
