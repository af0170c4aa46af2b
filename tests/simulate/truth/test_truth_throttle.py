"""The throttle's throughput for each class against the fluid approximation of a multiclass input-regulation throttle.

Berger and Whitt, A multiclass input-regulation throttle, 29th IEEE Conference on Decision and Control (1990), pages
2106 to 2111: a token bank for each class and one that they share. In the fluid, class i gets from its own bank what it
asks for, up to its rate; what all ask for beyond theirs is served at the rate that is left. They find the fluid good
but where a class arrives at just the rate of its own bank, so no class here does. Who shares the rest: in proportion to
what each asks for beyond its own (first come), or weighted max-min (fair; Bertsekas and Gallager, Data Networks, 2nd
edition, section 6.5).
"""

from dataclasses import replace

import numpy as np
import pytest
import queues
from runs import simulate, world_of
from throttle_model import max_min

from sluicegate.simulate.world import Retry, User
from sluicegate.throttle import Limits

THRESHOLD = 100.0
LIMITS = Limits(THRESHOLD, THRESHOLD, 2.0)
ALLOCATIONS = {"A": 40.3, "B": 19.7, "C": 10.9, "D": 0.0}
"""No two are to each other as small whole numbers: else the banks fall into step, and a run keeps its phase."""
USERS = tuple(User(name, "IS", allocation, retry=Retry("none")) for name, allocation in ALLOCATIONS.items())
RUNS = 10
WARM_UP = 6.0
SECONDS = 40.0
CROWD_SECONDS = 20.0

MIXES = {
    "one burst": (300.0, 10.0, 5.0, 0.0),
    "two above, one far below": (10.0, 120.0, 100.0, 0.0),
    "one wants little more than its allocation": (150.0, 24.0, 60.0, 0.0),
    "everybody, also who has no allocation": (120.0, 80.0, 60.0, 40.0),
    "below the threshold nobody is limited": (10.0, 5.0, 60.0, 5.0),
}
CROWDS = {
    "everybody, also who has no allocation": (600.0, 400.0, 300.0, 200.0),
    "two far above, one far below": (10.0, 900.0, 500.0, 0.0),
}
"""For first come: ten times what can be served. At about twice as much the fluid is off: a class with a small bank, or
none, gets up to 30% more than it says, and the largest 5% less."""


def fluid(asked, share):
    """SR/s for each class."""
    within = {name: min(rate, ALLOCATIONS[name]) for name, rate in asked.items()}
    wanted = {name: asked[name] - within[name] for name in asked}
    spare = THRESHOLD - sum(within.values())
    got = wanted if sum(wanted.values()) <= spare else share(wanted, spare)
    return {name: within[name] + got[name] for name in asked}


def fair(wanted, spare):
    weights = {name: max(allocation, 1 / LIMITS.burst_seconds) for name, allocation in ALLOCATIONS.items()}
    return max_min(wanted, weights, spare)


def first_come(wanted, spare):
    return {name: spare * want / sum(wanted.values()) for name, want in wanted.items()}


def admitted(policy, rates, seconds):
    """SR/s for each class over so many seconds, by replication: an array of replications and classes."""
    of = replace(world_of(WARM_UP + seconds, users=USERS, limits=LIMITS), drain=1.0)
    found = []
    for seed in range(RUNS):
        result = simulate(of, rates, seed, policy)
        kept = result.joined("delivered", "born") >= WARM_UP
        counts = np.bincount(result.joined("delivered", "flow")[kept], minlength=len(USERS))
        found.append(counts / seconds)
    return np.array(found)


def agree(found, theory, grain):
    """By class. The fluid leaves out that requests are whole: one in the time looked at, and `grain` of the value."""
    for number, (name, rate) in enumerate(theory.items()):
        if not rate:
            assert not found[:, number].any()
            continue
        low, high = queues.interval(found[:, number]) if np.ptp(found[:, number]) else found[:2, number]
        assert high - low < 0.25 * rate + 1.5, f"too wide to tell: {low:.3f} to {high:.3f} for {name}"
        assert low * (1 - grain) <= rate + 1 / SECONDS, f"{name}: {rate:.3f} is not within {low:.3f} to {high:.3f}"
        assert high * (1 + grain) >= rate - 1 / SECONDS, f"{name}: {rate:.3f} is not within {low:.3f} to {high:.3f}"


@pytest.mark.parametrize("mix", MIXES)
def test_fair_each_class_gets_what_the_fluid_says(mix):
    asked = dict(zip(ALLOCATIONS, MIXES[mix], strict=True))
    agree(admitted("allocation", MIXES[mix], SECONDS), fluid(asked, fair), grain=0.002)


@pytest.mark.parametrize("mix", CROWDS)
def test_first_come_each_class_gets_what_the_fluid_says_in_a_crowd(mix):
    asked = dict(zip(ALLOCATIONS, CROWDS[mix], strict=True))
    agree(admitted("allocation-first-come", CROWDS[mix], CROWD_SECONDS), fluid(asked, first_come), grain=0.02)
