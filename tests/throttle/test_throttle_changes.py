"""Giving back what was charged, and taking other limits and allocations while requests are under way."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from throttle_model import Excursion, merged, overload, poisson, steady, worst_burst

from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits, Throttle

SHARINGS = ["fair", "first-come"]


def count_at_once(throttle, name, now, most=1000):
    """How many requests of 1 SR pass at one instant."""
    user = throttle.account(name)
    return sum(throttle.decide(user, 1.0, now) != THROTTLED for _ in range(most))


@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_is_given_back_can_be_taken_again(sharing):
    throttle = Throttle(Limits(100, 50, 0.5, sharing=sharing), {"A": 20.0})
    user = throttle.account("A")
    assert throttle.decide(user, 1.0, 0.0) == WITHIN
    throttle.give_back(user, 1.0, WITHIN, 0.0)
    assert user.level_at(0.0) == 10
    while (outcome := throttle.decide(user, 1.0, 0.0)) != THROTTLED:
        last = outcome
    assert last == EXCESS
    throttle.give_back(user, 1.0, EXCESS, 0.0)
    assert throttle.decide(user, 1.0, 0.0) == EXCESS
    assert throttle.decide(user, 1.0, 0.0) == THROTTLED


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("outcome", [WITHIN, EXCESS])
def test_nothing_is_given_back_beyond_a_depth(sharing, outcome):
    """Not before an overload, and not in one."""
    throttle = Throttle(Limits(100, 50, 0.5, sharing=sharing), {"A": 20.0, "B": 20.0})
    user = throttle.account("A")
    for now in (0.0, 100.0):
        for _ in range(100):
            throttle.give_back(user, 5.0, outcome, now)
        assert user.level_at(now) <= 10
        assert count_at_once(throttle, "A", now) <= 10 + 25


def test_giving_back_what_was_throttled_gives_nothing():
    throttle = Throttle(Limits(100, 50, 0.5), {"A": 20.0})
    count_at_once(throttle, "A", 0.0)
    throttle.give_back(throttle.account("A"), 10.0, THROTTLED, 0.0)
    assert count_at_once(throttle, "A", 0.0) == 0


def test_giving_back_by_a_clock_that_is_ahead_costs_the_user_nothing():
    """What is within stays within, also where the requests' clock is behind that of the giving back."""
    throttle = Throttle(Limits(100, 50, 0.5), {"A": 20.0})
    user = throttle.account("A")
    throttle.decide(user, 1.0, 0.0)
    throttle.give_back(user, 1.0, WITHIN, 10.0)
    assert [throttle.decide(user, 1.0, 5.0) for _ in range(10)] == [WITHIN] * 10


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("seed", range(4))
def test_the_capacity_holds_for_what_was_not_given_back(sharing, seed):
    """A tenth of all that is admitted is given back at once, as where no connection could be made."""
    rng = random.Random(seed)
    allocations = {"A": 50.0, "B": 30.0, "C": 0.0, **{f"tiny {i}": 0.2 for i in range(50)}}
    limits = Limits(100, rng.choice([100, 60]), 0.2, heaviest=5.0, sharing=sharing)
    throttle = Throttle(limits, allocations)
    excursion = Excursion(limits.maximum)
    names, now = list(allocations), 0.0
    for _ in range(20_000):
        now += rng.choice([0.0, 0.0, 0.002, 0.01])
        user, weight = throttle.account(rng.choice(names)), rng.choice([1.0, 5.0])
        outcome = throttle.decide(user, weight, now)
        if outcome != THROTTLED:
            if rng.random() < 0.1:
                throttle.give_back(user, weight, outcome, now)
            else:
                excursion.add(now, weight)
    assert excursion.most <= worst_burst(limits, allocations) + 1e-3


@pytest.mark.parametrize("sharing", SHARINGS)
def test_users_who_stay_keep_what_their_banks_hold(sharing):
    limits = Limits(100, 50, 0.5, sharing=sharing)
    throttle = Throttle(limits, {"A": 20.0, "B": 20.0})
    a = throttle.account("A")
    for _ in range(7):
        throttle.decide(a, 1.0, 0.0)
    throttle.reconfigure(limits, {"A": 40.0, "C": 20.0}, 0.0)
    assert throttle.account("A") is a
    assert a.level_at(0.0) == pytest.approx(3)  # kept; it fills at the new rate
    assert a.level_at(0.1) == pytest.approx(7)
    assert throttle.account("C").level_at(0.0) == 10
    with pytest.raises(KeyError):
        throttle.account("B")
    throttle.reconfigure(limits, {"A": 4.0, "C": 2.0}, 0.0)
    assert throttle.account("C").level_at(0.0) == 1  # clipped to the new depth


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_change_does_not_fill_the_system_bank(sharing):
    """SIGHUP in an overload is no gift."""
    limits = Limits(100, 50, 0.5, sharing=sharing)
    throttle = Throttle(limits, {"A": 20.0, "B": 20.0})
    count_at_once(throttle, "A", 0.0)
    count_at_once(throttle, "B", 0.0)
    for _ in range(20):
        throttle.reconfigure(limits, {"A": 20.0, "B": 20.0}, 0.0)
        assert count_at_once(throttle, "A", 0.0) == 0
    assert throttle.state(0.0).active


@pytest.mark.parametrize("after", SHARINGS)
@pytest.mark.parametrize("before", SHARINGS)
def test_the_parts_are_right_after_a_change_in_an_overload(before, after):
    """Where Users stood in the sharing before means nothing after it."""
    allocations = {"A": 60.0, "B": 30.0, "C": 10.0}
    throttle = Throttle(Limits(400, 400, 0.5, sharing=before), allocations)
    for now, name, weight in merged(*(steady(name, 1500, 20) for name in allocations)):
        throttle.decide(throttle.account(name), weight, now)
    changed = {"A": 20.0, "B": 60.0, "C": 20.0}
    throttle.reconfigure(Limits(400, 400, 0.5, sharing=after), changed, 20.0)
    rng = random.Random(3)
    requests = merged(*(poisson(name, 1500, 60, rng, start=20.0) for name in changed))
    measured = overload(throttle, changed, requests, 20.0)
    assert measured.utilisation > 0.99
    if after == "fair":
        for name, user in measured.users.items():
            assert user.excess == pytest.approx(measured.spare * changed[name] / 100, rel=0.05)


@pytest.mark.parametrize(
    ("allocations", "words"),
    [
        ({"A": 60.0, "B": 60.0}, "120 SR/s, more than the maximum capacity of 100"),
        ({"A": -1.0}, "allocation of A"),
        ({"A": float("nan")}, "allocation of A"),
        ({"A": float("inf")}, "allocation of A"),
    ],
)
def test_an_invalid_change_says_what_is_wrong_and_changes_nothing(allocations, words):
    limits = Limits(100, 50, 0.5)
    throttle = Throttle(limits, {"A": 20.0})
    throttle.decide(throttle.account("A"), 1.0, 0.0)
    with pytest.raises(ValueError, match=words):
        throttle.reconfigure(Limits(100, 10, 5.0), allocations, 0.0)
    assert throttle.limits is limits
    assert throttle.account("A").level_at(0.0) == 9
    assert count_at_once(throttle, "A", 0.0) == 9 + 15


@pytest.mark.parametrize(
    "wrong",
    [
        {"maximum": 0.0},
        {"threshold": -1.0},
        {"threshold": 101.0},
        {"burst_seconds": float("inf")},
        {"calm_seconds": float("nan")},
        {"heaviest": 0.0},
        {"sharing": "unfair"},
    ],
)
def test_limits_that_cannot_be_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)) if wrong.get("threshold") != 101.0 else "above"):
        Limits(**({"maximum": 100.0, "threshold": 50.0} | wrong))


@pytest.mark.parametrize("sharing", SHARINGS)
def test_requests_under_way_of_a_user_who_was_removed_do_no_harm(sharing):
    limits = Limits(100, 50, 0.5, sharing=sharing)
    throttle = Throttle(limits, {"A": 20.0, "gone": 20.0})
    gone = throttle.account("gone")
    for _ in range(50):
        last = throttle.decide(gone, 1.0, 0.0)
    throttle.reconfigure(limits, {"A": 20.0}, 1.0)
    for outcome in (WITHIN, EXCESS, THROTTLED, last):
        throttle.give_back(gone, 1.0, outcome, 1.0)
    throttle.decide(gone, 1.0, 1.0)
    throttle.retry_after(gone, 1.0, 1.0)
    rng = random.Random(1)
    measured = overload(throttle, ["A"], poisson("A", 200, 30, rng, start=1.0), 20.0)
    assert measured.utilisation > 0.99
    assert measured.users["A"].within == pytest.approx(20, rel=0.02)


@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from([20.0, 60.0, 100.0]),
            st.sampled_from([0.1, 0.5, 2.0]),
            st.sampled_from(SHARINGS),
            st.sampled_from([0.0, 0.01, 1.0, 50.0]),
            st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4, unique=True),
            st.integers(0, 80),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_after_any_change_no_more_passes_at_once_than_the_new_banks_hold(changes):
    throttle = Throttle(Limits(100, 50), {"A": 25.0})
    now = 0.0
    for threshold, burst, sharing, wait, names, asks in changes:
        now += wait
        limits = Limits(100, threshold, burst, sharing=sharing)
        allocations = dict.fromkeys(names, 25.0)
        throttle.reconfigure(limits, allocations, now)
        passed = sum(
            throttle.decide(throttle.account(names[i % len(names)]), 1.0, now) != THROTTLED for i in range(asks)
        )
        assert passed <= worst_burst(limits, allocations)
