"""The clock, memory, determinism, and what a decision costs by the number of Users."""

import gc
import random
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from throttle_model import depths, drive, merged, poisson, worst_burst

from sluicegate.throttle import THROTTLED, Limits, Throttle

SHARINGS = ["fair", "first-come"]
ALLOCATIONS = {"A": 30.0, "B": 10.0, "C": 0.0}


@pytest.mark.parametrize("sharing", SHARINGS)
@given(
    times=st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.sampled_from(list(ALLOCATIONS)), st.sampled_from([1.0, 5.0, 0.5])),
        max_size=60,
    )
)
def test_a_clock_that_jumps_back_is_a_clock_that_stands_still(sharing, times):
    """The throttle's time is the largest that it has seen: no token comes of a time that it has seen already."""
    limits = Limits(60, 50, 0.5, heaviest=5.0, sharing=sharing)
    latest, forward = -2e6, []
    for now, name, weight in times:
        latest = max(latest, now)
        forward.append((latest, name, weight))
    assert drive(Throttle(limits, ALLOCATIONS, -2e6), times) == drive(Throttle(limits, ALLOCATIONS, -2e6), forward)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("backwards", [0.0, 0.001, 100.0])
def test_a_clock_that_does_not_go_on_mints_nothing(sharing, backwards):
    limits = Limits(60, 50, 0.5, heaviest=5.0, sharing=sharing)
    throttle = Throttle(limits, ALLOCATIONS)
    rng = random.Random(1)
    admitted = 0.0
    for i in range(3_000):
        weight = rng.choice([1.0, 5.0])
        user = throttle.account(rng.choice(list(ALLOCATIONS)))
        if throttle.decide(user, weight, 1_000.0 - i * backwards) != THROTTLED:
            admitted += weight
    assert admitted <= worst_burst(limits, ALLOCATIONS) + 1e-3
    assert admitted >= depths(limits, ALLOCATIONS)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_same_times_and_order_give_the_same_outcomes_and_advice(sharing):
    def run():
        rng = random.Random(11)
        throttle = Throttle(Limits(300, 200, 0.5, heaviest=5.0, sharing=sharing), {"A": 90.0, "B": 60.0, "C": 0.0})
        answers = []
        for now, name, weight in merged(*(poisson(name, 200, 5, rng, weights=(1.0, 5.0)) for name in "ABC")):
            outcome = throttle.decide(throttle.account(name), weight, now)
            wait = throttle.retry_after(throttle.account(name), weight, now) if outcome == THROTTLED else 0
            answers.append((outcome, wait))
        return answers

    assert run() == run()


def deciding(sharing):
    """A way to make many decisions and to give much advice, to sixty Users in an overload."""
    rng = random.Random(3)
    throttle = Throttle(Limits(1000, 800, 0.5, heaviest=5.0, sharing=sharing), {f"U{i}": 10.0 for i in range(60)})
    asks = [(throttle.account(f"U{rng.randrange(60)}"), rng.choice([1.0, 5.0])) for _ in range(5_000)]
    clock = [0.0]

    def decide(rounds):
        now = clock[0]
        for _ in range(rounds):
            for user, weight in asks:
                now += 0.0004
                if throttle.decide(user, weight, now) == THROTTLED:
                    throttle.retry_after(user, weight, now)
        clock[0] = now

    return decide


@pytest.mark.parametrize("sharing", SHARINGS)
def test_memory_does_not_grow_with_decisions(sharing):
    """Not by one object, over 100,000 of them."""
    decide = deciding(sharing)
    decide(3)
    gc.collect()
    before = sys.getallocatedblocks()
    decide(20)
    gc.collect()
    assert sys.getallocatedblocks() - before < 100


@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_is_kept_does_not_grow_in_octets_either(sharing):
    decide = deciding(sharing)
    tracemalloc.start()
    try:
        decide(2)
        before = tracemalloc.get_traced_memory()[0]
        decide(2)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < 2_000


def most_steps(users, sharing):
    """The most steps of the interpreter that one decision took, in an overload that everybody takes part in."""
    throttle = Throttle(Limits(3e3, 2e3, 0.05, sharing=sharing), {f"U{i}": 1e3 / users for i in range(users)})
    accounts = list(map(throttle.account, (f"U{i}" for i in range(users))))
    now = 0.0
    for i in range(20_000 + 3 * users):  # until the banks are spent
        now += 5e-7
        throttle.decide(accounts[i % users], 1.0, now)
    steps = [0]

    def trace(frame, event, _argument):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            steps[-1] += 1
        return trace

    outcomes = set()
    before = sys.gettrace()
    for i in range(400):
        now += 2e-6 if i % 100 else 0.03  # also where a round ends, and where several have passed
        sys.settrace(trace)
        try:
            outcomes.add(throttle.decide(accounts[i % users], 1.0, now))
        finally:
            sys.settrace(before)
        steps.append(0)
    assert THROTTLED in outcomes
    return max(steps), sorted(steps)[len(steps) // 2]


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_decision_takes_no_more_steps_with_10_000_users_than_with_10(sharing):
    """Counted, not timed: no loop over Users is on the way of a request, in no round."""
    few_most, few_median = most_steps(10, sharing)
    many_most, many_median = most_steps(10_000, sharing)
    assert many_most <= 1.3 * few_most
    assert many_median <= 2.0 * few_median
    assert many_most < 1_500
