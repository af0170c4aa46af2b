"""What the tests of the throttle measure it by. Nothing here looks inside it."""

import heapq
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits, Throttle, allocation_depth, system_depth

NO_RESERVES: Mapping[str, float] = {}

Request = tuple[float, str, float]  # when (s), who, weight (SR)
Made = Callable[[Limits, Mapping[str, float], Mapping[str, float], list[Request]], Any]


def max_min(wanted: Mapping[str, float], weights: Mapping[str, float], capacity: float) -> dict[str, float]:
    """Weighted max-min by progressive filling, in the textbook's words: nobody gets more than it wants,
    and those who want more than they get have got in proportion to their weights.
    """
    got = dict.fromkeys(wanted, 0.0)
    filling = {name for name in wanted if wanted[name] > 0}
    left = capacity
    while filling:
        level = left / sum(weights[name] for name in filling)
        satisfied = {name for name in filling if wanted[name] <= weights[name] * level}
        if not satisfied:
            return got | {name: weights[name] * level for name in filling}
        for name in satisfied:
            got[name] = wanted[name]
            left -= wanted[name]
        filling -= satisfied
    return got


class Bank:
    """A token bank as a textbook has it, on a clock that never goes back. Exact when it is fed fractions."""

    def __init__(self, rate, depth, floor=None, now=0):
        self.rate, self.depth, self.floor = rate, depth, floor
        self.level, self.at = depth, now

    def fill(self, now):
        if now > self.at:
            self.level = min(self.depth, self.level + (now - self.at) * self.rate)
            self.at = now
        return self.level

    def take(self, weight):
        self.level -= weight
        if self.floor is not None:
            self.level = max(self.level, self.floor)


def depths(limits: Limits, allocations: Mapping[str, float]) -> float:
    """Sum of the depths of the allocation banks, in SR."""
    return sum(allocation_depth(a, limits.burst_seconds, limits.heaviest) for a in allocations.values())


def worst_burst(limits: Limits, allocations: Mapping[str, float]) -> float:
    """What may be admitted beyond C*w in any window of w seconds, in SR."""
    return depths(limits, allocations) + system_depth(limits.threshold, limits.burst_seconds, limits.heaviest)


class Excursion:
    """The most that was admitted beyond `rate * w` in any window of w seconds, in one pass.

    With S the running sum of what was admitted, a window from i to j has S_j - S_(i-1) - rate * (t_j - t_i):
    the largest is found by keeping the least of S_(i-1) - rate * t_i so far.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.admitted = 0.0
        self.least = float("inf")
        self.most = 0.0

    def add(self, now: float, weight: float) -> None:
        self.least = min(self.least, self.admitted - self.rate * now)
        self.admitted += weight
        self.most = max(self.most, self.admitted - self.rate * now - self.least)


def drive(throttle: Throttle, requests: Iterable[Request]) -> list[int]:
    """The outcomes, in order."""
    decide, account = throttle.decide, throttle.account
    return [decide(account(name), weight, now) for now, name, weight in requests]


def steady(name: str, rate: float, until: float, start: float = 0.0, weight: float = 1.0) -> Iterator[Request]:
    """Evenly spaced: `rate` SR/s in requests of `weight`."""
    count = 0
    while (now := start + count * weight / rate) < until:
        yield now, name, weight
        count += 1


def poisson(
    name: str, rate: float, until: float, rng: random.Random, start: float = 0.0, weights: tuple[float, ...] = (1.0,)
) -> Iterator[Request]:
    """Independent arrivals of `rate` SR/s; each weighs one of `weights`."""
    per_second = rate * len(weights) / sum(weights)
    now = start + rng.expovariate(per_second)
    while now < until:
        yield now, name, rng.choice(weights)
        now += rng.expovariate(per_second)


def bursts(
    name: str,
    rate: float,
    until: float,
    period: float,
    rng: random.Random,
    start: float = 0.0,
    weights: tuple[float, ...] = (1.0,),
) -> Iterator[Request]:
    """`rate` SR/s in bursts every `period` seconds or, where that would be less than a request, as often as one."""
    per_second = rate * len(weights) / sum(weights)
    period = max(period, 1.0 / per_second)
    now = start + rng.random() * period
    owed = 0.0
    while now < until:
        owed += per_second * period
        while owed >= 1.0:
            owed -= 1.0
            yield now, name, rng.choice(weights)
        now += period


def merged(*sources: Iterable[Request]) -> Iterator[Request]:
    """All of them, in order of time."""
    return heapq.merge(*sources, key=lambda request: request[0])


@dataclass
class Tally:
    """What became of one User's requests within a window, in SR/s."""

    within: float = 0.0
    excess: float = 0.0
    throttled: float = 0.0

    @property
    def wanted(self) -> float:
        """Beyond its allocation."""
        return self.excess + self.throttled


@dataclass
class Measured:
    """A window of an overload. `spare`: what the threshold left beside what was within, in SR/s."""

    users: dict[str, Tally]
    seconds: float = 0.0
    spare: float = 0.0
    longest_gap: dict[str, float] = field(default_factory=dict)

    @property
    def utilisation(self) -> float:
        return sum(user.excess for user in self.users.values()) / self.spare


def overload(
    throttle: Throttle,
    names: Iterable[str],
    requests: Iterable[Request],
    seconds: float,
    warm: float = 2.0,
    reserves: Mapping[str, float] = NO_RESERVES,
) -> Measured | None:
    """Measure `seconds` of an overload, from `warm` seconds after the first throttled request.

    What is spare is reckoned from the rule, not from the throttle: a bank of the threshold's rate and the system
    bank's depth, charged with all that is admitted. What it loses by being full counts as spare that was wasted.
    None where no overload came about. Who has a reserve sends two of three requests with it.
    """
    limits = throttle.limits
    measured = Measured({name: Tally() for name in names})
    users, gaps = measured.users, measured.longest_gap
    bank = Bank(limits.threshold, system_depth(limits.threshold, limits.burst_seconds, limits.heaviest))
    decide, account = throttle.decide, throttle.account
    asked = dict.fromkeys(users, 0.0)
    start = end = float("inf")
    held = 0.0
    sent = dict.fromkeys(users, 0)
    for now, name, weight in requests:
        if now > end:
            break
        if now >= start and not measured.seconds:
            measured.seconds = seconds
            held = bank.fill(start)
            asked = dict.fromkeys(users, start)
            gaps.update(dict.fromkeys(users, 0.0))
        sent[name] += 1
        outcome = decide(account(name), weight, now, reserves.get(name, 0.0) if sent[name] % 3 else 0.0)
        bank.fill(now)
        if outcome != THROTTLED:
            bank.take(weight)
        elif start == float("inf"):
            start = now + warm
            end = start + seconds
        if measured.seconds:
            tally = users[name]
            if outcome == WITHIN:
                tally.within += weight / seconds
            else:
                if now - asked[name] > gaps[name]:
                    gaps[name] = now - asked[name]
                asked[name] = now
                if outcome == EXCESS:
                    tally.excess += weight / seconds
                else:
                    tally.throttled += weight / seconds
    if not measured.seconds:
        return None
    for name in users:
        gaps[name] = max(gaps[name], end - asked[name])
    within = sum(user.within for user in users.values())
    measured.spare = limits.threshold - within - (bank.fill(end) - held) / seconds
    return measured


def shares(limits: Limits, allocations: Mapping[str, float]) -> dict[str, float]:
    """Weights of the Users in the sharing of the spare: design of the rule, `max(a, 1/B)`."""
    return {name: max(a, 1.0 / limits.burst_seconds) for name, a in allocations.items()}


@dataclass
class Verdict:
    """How far the greedy Users of one scenario are from their parts."""

    seed: int
    error: float
    worst: str
    description: str
    utilisation: float
    judged: int  # Users who asked for four times their part, at least every B seconds


def battery(seed: int, most: int = 400_000, reserve: float = 0.0, made: Made | None = None) -> Verdict | None:
    """One random overload of the fairness rule; None where the draw is outside of what the rule speaks of.

    Greedy Users ask for 4 to 20 times their part; the others for 0 to 0.5 of their allocation. Arrivals are steady,
    Poisson, or bursts of a fifth of B to B; allocations have a heavy tail; some have none; some weigh 5. With a reserve
    everybody has that one. `made` makes what decides, of all requests in order, where that is not one throttle.
    """
    rng = random.Random(seed)
    burst = rng.choice([0.1, 0.25, 0.5, 0.5, 1, 2])
    threshold = max(15 / burst, 10 ** rng.uniform(1.2, 3.3))
    heaviest = rng.choice([1, 1, 1, 5])
    limits = Limits(threshold * rng.uniform(1, 1.5), threshold, burst, 30, heaviest)
    raw = [rng.paretovariate(0.8) for _ in range(rng.choice([2, 3, 5, 8, 15, 30, 60, 120, 200]))]
    scale = rng.uniform(0.3, 0.8) * threshold / sum(raw)
    allocations = {str(i): r * scale for i, r in enumerate(raw)}
    if rng.random() < 0.3:
        allocations[rng.choice(list(allocations))] = 0.0
    weighing = shares(limits, allocations)
    greedy = [name for name in allocations if rng.random() < 0.6] or ["0"]
    wide = sum(weighing[name] for name in greedy)
    seconds = max(12.0, 20 * burst)
    until = seconds + 10.0 + 4 * burst
    kinds = ["poisson", "poisson", "steady", "steady", "bursts", "bursts"]
    sources: list[Iterator[Request]] = []
    total = 0.0
    own: dict[str, float] = {}
    for name, allocation in allocations.items():
        weights = (1.0,)
        if heaviest > 1 and rng.random() < 0.5:
            weights = rng.choice([(1.0, 5.0), (5.0,), (1.0, 1.0, 1.0, 1.0, 5.0)])
        mean = sum(weights) / len(weights)
        own[name] = max(weights)
        if name in greedy:
            part = threshold * weighing[name] / wide
            rate = max(allocation + rng.uniform(4, 20) * part, allocation + 2 * mean / burst)
        else:
            rate = allocation * rng.uniform(0, 0.5)
        kind = rng.choice(kinds)
        seeded = random.Random(rng.random())
        total += rate / mean * until
        if rate <= 0:
            continue
        if kind == "poisson":
            sources.append(poisson(name, rate, until, seeded, weights=weights))
        else:
            period = 0.0 if kind == "steady" else burst * rng.uniform(0.2, 1)
            sources.append(bursts(name, rate, until, period, seeded, weights=weights))
    if total > most:
        return None
    reserves = dict.fromkeys(allocations, reserve)
    requests: Iterable[Request] = merged(*sources)
    if made is None:
        throttle = Throttle(limits, allocations, 0.0, reserves)
    else:
        requests = list(requests)
        throttle = made(limits, allocations, reserves, requests)
    measured = overload(throttle, allocations, requests, seconds, reserves=reserves)
    if measured is None or measured.spare < 0.2 * threshold:
        return None
    wanted = {name: user.wanted for name, user in measured.users.items()}
    part = max_min(wanted, weighing, measured.spare)
    error, worst, judged = 0.0, "", 0
    for name in greedy:
        if wanted[name] < 4 * part[name] or measured.longest_gap[name] > burst:
            continue
        judged += 1
        off = abs(measured.users[name].excess - part[name]) * seconds
        if (away := (off - own[name]) / (part[name] * seconds)) > error:
            error = away
            worst = f"{name}: {measured.users[name]}, part {part[name]:.2f} SR/s"
    described = f"B={burst} T={threshold:.1f} users={len(raw)} greedy={len(greedy)} h={heaviest} {len(sources)} sources"
    return Verdict(seed, error, worst, described, measured.utilisation, judged)


def main(first: int, last: int, reserve: int = 0, most: int = 200_000) -> None:
    """The battery at any length: `python tests/throttle/throttle_model.py 0 1310`, with a reserve `... 0 1310 15`."""
    verdicts = [verdict for seed in range(first, last) if (verdict := battery(seed, most, reserve))]
    verdicts.sort(key=lambda verdict: -verdict.error)
    worse = [sum(verdict.error > bar for verdict in verdicts) for bar in (0.01, 0.02, 0.05, 0.10)]
    judged = sum(verdict.judged for verdict in verdicts)
    empty = sum(verdict.judged == 0 for verdict in verdicts)
    print(f"{len(verdicts)} scenarios ({empty} judge nobody), {judged} Users judged")
    print(f"worse than 1%, 2%, 5%, 10%: {worse}")
    print(f"utilisation from {min(verdict.utilisation for verdict in verdicts):.3f}")
    for verdict in verdicts[:10]:
        print(f"{verdict.error:.3f} seed {verdict.seed}: {verdict.description}; {verdict.worst}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
