"""Capacity: admitted in any window of w seconds <= C*w + sum of the D_i + D. All windows are looked at."""

import random

import pytest
from throttle_model import Bank, Excursion, depths, merged, poisson, steady, worst_burst

from sluicegate.throttle import THROTTLED, WITHIN, Limits, Throttle, allocation_depth, system_depth

SHARINGS = ["fair", "first-come"]


class Attack:
    """Users who try to get more through than the capacity bears."""

    def __init__(self, limits, allocations, throttle=None):
        self.limits, self.allocations = limits, allocations
        self.throttle = throttle or Throttle(limits, allocations)
        self.excursion = Excursion(limits.maximum)
        self.now = 0.0

    def ask(self, name, weight=1.0):
        outcome = self.throttle.decide(self.throttle.account(name), weight, self.now)
        if outcome != THROTTLED:
            self.excursion.add(self.now, weight)
        return outcome

    def spend(self, names, weight=1.0):
        """All send what their allocation banks hold."""
        for name in names:
            while self.ask(name, weight) == WITHIN:
                pass

    def greed(self, name, seconds, rate, weight=1.0):
        """One User asks at `rate` for a while."""
        end = self.now + seconds
        while self.now < end:
            self.now += weight / rate
            self.ask(name, weight)

    @property
    def over(self):
        """How far beyond the bound it got, in SR."""
        return self.excursion.most - worst_burst(self.limits, self.allocations)


class ForgivingFloor:
    """The same rule with a floor at the system bank's own depth: the mistake that these attacks are made to find."""

    def __init__(self, limits, allocations):
        self.banks = {
            name: Bank(a, allocation_depth(a, limits.burst_seconds, limits.heaviest)) for name, a in allocations.items()
        }
        depth = system_depth(limits.threshold, limits.burst_seconds, limits.heaviest)
        self.system = Bank(limits.threshold, depth, -depth)

    def account(self, name):
        return self.banks[name]

    def decide(self, bank, weight, now):
        self.system.fill(now)
        if bank.fill(now) >= weight and bank.depth > 0:
            bank.take(weight)
            self.system.take(weight)
            return WITHIN
        if self.system.level >= weight:
            self.system.take(weight)
            return 1
        return THROTTLED


def tiny_users_attack(limits, allocations, throttle, cycles=20):
    """999 Users spend their banks at once as often as they fill, and a greedy one takes all that is free between."""
    attack = Attack(limits, allocations, throttle)
    tiny = [name for name in allocations if name != "greedy"]
    for _ in range(cycles):
        attack.greed("greedy", 0.2, 4 * limits.threshold)
        attack.spend(tiny)
        attack.greed("greedy", 0.8, 4 * limits.threshold)
    return attack


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize(("burst", "threshold"), [(0.1, 1000), (0.5, 1000), (0.5, 600), (2.0, 800)])
def test_999_tiny_users_and_a_greedy_one_stay_within_the_capacity(sharing, burst, threshold):
    allocations = {f"tiny {i}": 0.99 for i in range(999)} | {"greedy": 1.0}
    limits = Limits(1000, threshold, burst, sharing=sharing)
    attack = tiny_users_attack(limits, allocations, Throttle(limits, allocations), cycles=8)
    assert attack.over <= 1e-3


def test_the_attack_of_the_tiny_users_breaks_a_floor_that_forgives():
    allocations = {f"tiny {i}": 0.99 for i in range(999)} | {"greedy": 1.0}
    limits = Limits(1000, 1000, 0.1)
    attack = tiny_users_attack(limits, allocations, ForgivingFloor(limits, allocations), cycles=8)
    assert attack.over > 2_000


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("seed", range(6))
def test_no_mix_of_bursts_greed_and_returns_breaks_the_capacity(sharing, seed):
    """Random attacks: dominant Users who return, weights, bursts within while credit is set aside, T below sum(a)."""
    rng = random.Random(seed)
    count = rng.choice([3, 30, 200])
    heaviest = rng.choice([1.0, 5.0])
    raw = [rng.paretovariate(0.7) for _ in range(count)]
    allocations = {f"U{i}": r * rng.uniform(0.5, 1.0) * 500 / sum(raw) for i, r in enumerate(raw)}
    maximum = sum(allocations.values()) * rng.choice([1.0, 1.0, 1.3])
    limits = Limits(maximum, maximum * rng.choice([1.0, 0.95, 0.4]), rng.choice([0.1, 0.5, 2]), 30, heaviest, sharing)
    attack = Attack(limits, allocations)
    names = list(allocations)
    dominant = max(allocations, key=allocations.get)
    for _ in range(40):
        move = rng.randrange(5)
        if move == 0:
            attack.spend(names, rng.choice([1.0, heaviest]))
        elif move == 1:
            attack.greed(
                rng.choice(names), rng.choice([0.1, 0.5, 1.0]), 3 * limits.threshold, rng.choice([1.0, heaviest])
            )
        elif move == 2:
            attack.spend([dominant])
        elif move == 3:
            attack.now += rng.choice([0.01, 0.3, 1.0, 5.0])
        else:
            for name in rng.choices(names, k=300):
                attack.now += 0.2 / limits.threshold
                attack.ask(name, rng.choice([1.0, heaviest]))
        assert attack.over <= 1e-3


@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_is_set_aside_for_excess_is_never_more_than_the_system_bank_holds(sharing):
    """All excess at one instant, after bursts within drove the bank into debt while credit was set aside."""
    allocations = {"A": 300.0, "B": 300.0, "greedy": 100.0, "none": 0.0}
    limits = Limits(1000, 800, 0.5, sharing=sharing)
    attack = Attack(limits, allocations)
    attack.greed("greedy", 5.0, 3000)
    for _ in range(20):
        attack.now += 0.5  # the whole bank is set aside now
        attack.ask("greedy")
        attack.spend(["A", "B"])
        attack.spend(["greedy", "none"])
        attack.greed("none", 0.3, 3000)
    assert attack.over <= 1e-3


@pytest.mark.parametrize("sharing", SHARINGS)
def test_in_the_long_run_excess_stays_under_the_threshold(sharing):
    """Beside the bound: with the allocations under T, what is admitted is T, not C."""
    rng = random.Random(3)
    allocations = {"A": 300.0, "B": 200.0, "C": 100.0}
    limits = Limits(1000, 800, 0.5, sharing=sharing)
    throttle = Throttle(limits, allocations)
    admitted = 0.0
    for now, name, weight in merged(poisson("A", 900, 60, rng), steady("B", 900, 60), steady("C", 900, 60)):
        if throttle.decide(throttle.account(name), weight, now) != THROTTLED:
            admitted += weight
    assert admitted <= 800 * 60 + 400 + depths(limits, allocations) + 1
    assert admitted >= 0.99 * 800 * 60
