"""Protection: a User whose traffic conforms to its bank is never throttled, whoever else does what."""

import random
from fractions import Fraction

import pytest
from throttle_model import Bank, drive, merged, poisson, steady

from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits, Throttle, allocation_depth

SHARINGS = ["fair", "first-come"]


@pytest.mark.parametrize(("allocation", "sharing"), [(33.3, "fair"), (0.7, "first-come")])
def test_exact_spacing_at_the_allocation_is_within_for_100_000_requests(allocation, sharing):
    """The bank is emptied first, so that nothing but the exact spacing keeps the User within."""
    throttle = Throttle(Limits(100, 80, sharing=sharing), {"exact": allocation, "greedy": 50.0})
    exact, greedy = throttle.account("exact"), throttle.account("greedy")
    while throttle.decide(exact, 1.0, 0.0) == WITHIN:
        pass
    bank = Bank(Fraction(allocation), Fraction(allocation_depth(allocation, 0.5, 1.0)))
    bank.level = Fraction(exact.level_at(0.0))
    asked = 0
    for i in range(1, 100_001):
        now = i / allocation
        throttle.decide(greedy, 1.0, now)
        bank.fill(Fraction(now))
        if bank.level >= 1 - Fraction(1, 1_000_000):  # the rule's own tolerance
            asked += 1
            bank.take(1)
            assert throttle.decide(exact, 1.0, now) == WITHIN
    assert asked > 99_990


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("others", ["bursts", "tiny", "heavy", "still"])
def test_a_conforming_user_is_never_throttled_whoever_else_does_what(sharing, others):
    """The User sends whatever its bank, kept here in exact fractions, holds: at random times, in bursts of any size."""
    rng = random.Random(f"{sharing} {others}")
    tiny = {f"tiny {i}": 0.02 for i in range(999)} if others == "tiny" else {}
    allocations = {"good": 40.0, "none": 0.0, "greedy": 30.0, **tiny}
    throttle = Throttle(Limits(100, 60, 0.5, 30, 5.0, sharing), allocations)
    names = [name for name in allocations if name != "good"]
    bank = Bank(Fraction(40), Fraction(20))
    now, within, refused = 0.0, 0, 0
    for _ in range(4_000):
        now += 0.0 if others == "still" and rng.random() < 0.95 else rng.expovariate(30.0)
        for _ in range(rng.choice([0, 1, 40]) if others == "bursts" else rng.randrange(12)):
            weight = 5.0 if others == "heavy" else rng.choice([1.0, 1.0, 5.0])
            refused += throttle.decide(throttle.account(rng.choice(names)), weight, now) == THROTTLED
        for _ in range(rng.choice([0, 1, 2, 30])):
            weight = rng.choice([1.0, 0.25, 5.0])
            if bank.fill(Fraction(now)) >= Fraction(weight):
                assert throttle.decide(throttle.account("good"), weight, now) == WITHIN
                bank.take(Fraction(weight))
                within += 1
    assert within > 500
    assert refused > 500


@pytest.mark.parametrize("sharing", SHARINGS)
def test_within_their_allocations_users_may_be_above_the_threshold_and_that_is_not_active(sharing):
    """T < sum(a): all are within, together above T. Legal; nobody is throttled; traffic management stays normal."""
    allocations = {"A": 50.0, "B": 30.0, "C": 19.0}
    throttle = Throttle(Limits(100, 40, sharing=sharing), allocations)
    requests = merged(*(steady(name, a, 60.0) for name, a in allocations.items()))
    assert set(drive(throttle, requests)) == {WITHIN}
    assert not throttle.state(60.0).active


@pytest.mark.parametrize("sharing", SHARINGS)
def test_below_the_threshold_nobody_is_limited_whatever_the_allocation(sharing):
    rng = random.Random(5)
    throttle = Throttle(Limits(1000, 800, 0.5, sharing=sharing), {"A": 1.0, "B": 0.0, "C": 500.0})
    outcomes = drive(throttle, merged(poisson("A", 300, 30, rng), steady("B", 100, 30), steady("C", 100, 30)))
    assert THROTTLED not in outcomes
    assert EXCESS in outcomes


def test_a_user_without_an_allocation_lives_on_the_spare():
    throttle = Throttle(Limits(100, 80), {"A": 0.0})
    assert set(drive(throttle, steady("A", 200, 10))) == {EXCESS, THROTTLED}
