"""The bare decision: our throttle beside `limits`, in one process, in turn; its cost by Users; its memory.

Run it alone with `python -m bench.decision [--quick]`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from bench.figures import Spread, spread
from sluicegate.allocation import PriorityClass, Profile
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Account, Limits, Throttle

THRESHOLD = 1000.0  # SR/s
OVERLOAD = 2.0  # offered, as a multiple of the threshold
HEAVY, HEAVY_PART = 5.0, 0.05  # weight of some requests, and their part
USERS, MANY, FEW = 60, 10_000, 10
BLOCK = 100_000  # decisions in one timed stretch of ours
LIMITS_BLOCK = 20_000
SRVS = ("2.2", "4.1.1", "4.8.1", "1.1.1", "8.2", "6.23")
PROFILED = "Sluicegate, each User with a profile"
SETTLING = 12  # stretches (600 simulated seconds) until ten thousand full banks are drained and the load is steady

Request = tuple[Account, float]


@dataclass(frozen=True)
class Load:
    """A throttle under twice its threshold, fair sharing and weights on, and the requests that it is asked about."""

    throttle: Throttle
    requests: list[Request]
    step: float
    """Simulated seconds between two requests."""
    profile: Profile | None = None
    """Every User has it; the messages of the requests are then `messages`, in their order."""
    messages: Sequence[tuple[str, int, str]] = ()


def overload(users: int, requests: int = BLOCK, profile: Profile | None = None) -> Load:
    """`users` of unequal allocations (a third within theirs, the rest well above), mixed at random."""
    chance = random.Random(users)
    weights = [1.0 + number % 7 for number in range(users)]
    share = 0.8 * THRESHOLD / sum(weights)
    allocations = {f"User {number}": weight * share for number, weight in enumerate(weights)}
    reserves = dict.fromkeys(allocations, profile.reserve) if profile is not None else {}
    throttle = Throttle(Limits(2 * THRESHOLD, THRESHOLD, heaviest=HEAVY), allocations, 0.0, reserves)
    demand = [weight * (0.5 if number % 3 == 0 else 3.0) for number, weight in enumerate(weights)]
    accounts = [throttle.account(name) for name in allocations]
    pairs = [((account, 1.0), (account, HEAVY)) for account in accounts]
    chosen = chance.choices(pairs, demand, k=requests)
    asked = [pair[chance.random() < HEAVY_PART] for pair in chosen]
    sent = [(srv, 1, "00-DB-12-34-56-78-90-A0") for srv in chance.choices(SRVS, k=requests)] if profile else []
    return Load(throttle, asked, 1 / (OVERLOAD * THRESHOLD), profile, sent)


def decide_all(load: Load, now: float) -> float:
    """Decide on every request of the load, from `now` on the simulated clock; returns where the clock stands then."""
    decide, step = load.throttle.decide, load.step
    if load.profile is not None:
        known, place = load.profile.known, load.profile.place
        for (account, weight), (srv, variant, target) in zip(load.requests, load.messages, strict=True):
            now += step
            _rank, reserve = known[srv, variant] or place(srv, variant, target)
            decide(account, weight, now, reserve)
        return now
    for account, weight in load.requests:
        now += step
        decide(account, weight, now)
    return now


def settled(load: Load) -> float:
    """Run the load until what is decided is steady; returns where the simulated clock stands then."""
    now = 0.0
    for _ in range(SETTLING):
        now = decide_all(load, now)
    return now


def timed(work: Callable[[], object], count: int) -> float:
    """Decisions per second of `work`, which makes `count` of them."""
    begin = time.perf_counter()
    work()
    return count / (time.perf_counter() - begin)


def limiters() -> dict[str, Callable[[], None]]:
    """One stretch of hits on each strategy of `limits` in memory: one limit a User, the same requests and weights."""
    from limits import RateLimitItemPerSecond, strategies
    from limits.storage import MemoryStorage

    item = RateLimitItemPerSecond(int(THRESHOLD / USERS))
    hits = [(account.name, int(weight)) for account, weight in overload(USERS, LIMITS_BLOCK).requests]
    known = {
        "limits, fixed window": strategies.FixedWindowRateLimiter,
        "limits, sliding window counter": strategies.SlidingWindowCounterRateLimiter,
        "limits, moving window": strategies.MovingWindowRateLimiter,
    }

    def stretch(hit: Callable[..., bool]) -> Callable[[], None]:
        def run() -> None:
            for name, weight in hits:
                hit(item, name, cost=weight)

        return run

    return {label: stretch(strategy(MemoryStorage()).hit) for label, strategy in known.items()}


@dataclass(frozen=True)
class Outcome:
    """Decisions per second of each, ours over the fixed window, the slowdown from few Users to many, what a profile
    costs (the decision's time with one over that without), and memory."""

    rates: dict[str, Spread]
    over_fixed_window: Spread
    slowdown: Spread
    profiled: Spread
    grown_octets: int
    memory_decisions: int
    mix: dict[str, dict[str, int]]


def measure(rounds: int, memory_decisions: int) -> Outcome:
    """Measure in turn, `rounds` times over; then look at the memory of `memory_decisions` decisions."""
    loads: dict[int | str, Load] = {USERS: overload(USERS), FEW: overload(FEW), MANY: overload(MANY)}
    clocks = {users: settled(load) for users, load in loads.items()}
    rates: dict[str, list[float]] = {}
    peers = limiters()

    classes = (PriorityClass("supply", ("2.*", "7.1"), reserve=6.0), PriorityClass("reads", ("4.*",), reserve=2.0))
    loads[PROFILED] = overload(USERS, profile=Profile(classes))
    clocks[PROFILED] = settled(loads[PROFILED])

    def ours(users: int | str) -> None:
        def stretch() -> None:
            clocks[users] = decide_all(loads[users], clocks[users])

        label = users if isinstance(users, str) else f"Sluicegate, fair, weights, {users:,} Users"
        rates.setdefault(label, []).append(timed(stretch, BLOCK))

    for _ in range(rounds):
        for users in loads:
            ours(users)
        for label, stretch in peers.items():
            rates.setdefault(label, []).append(timed(stretch, LIMITS_BLOCK))
    usual, few, many = (rates[f"Sluicegate, fair, weights, {users:,} Users"] for users in (USERS, FEW, MANY))
    return Outcome(
        rates={label: spread(values) for label, values in rates.items()},
        over_fixed_window=spread(a / b for a, b in zip(usual, rates["limits, fixed window"], strict=True)),
        slowdown=spread(a / b for a, b in zip(few, many, strict=True)),
        profiled=spread(a / b for a, b in zip(usual, rates[PROFILED], strict=True)),
        grown_octets=growth(overload(USERS), memory_decisions),
        memory_decisions=memory_decisions,
        mix={f"{users:,} Users": outcomes(overload(users)) for users in (USERS, FEW, MANY)},
    )


def growth(load: Load, decisions: int) -> int:
    """Octets (tracemalloc) by which memory grew over `decisions`, after a first stretch that may fill caches."""
    tracemalloc.start()
    try:
        now = settled(load)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(max(1, decisions // len(load.requests))):
            now = decide_all(load, now)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


OUTCOMES = {WITHIN: "within", EXCESS: "excess", THROTTLED: "throttled"}


def outcomes(load: Load) -> dict[str, int]:
    """How many of a load's requests had which outcome: to see that the load is what it says."""
    counts = dict.fromkeys(OUTCOMES.values(), 0)
    now = settled(load)
    for account, weight in load.requests:
        now += load.step
        counts[OUTCOMES[load.throttle.decide(account, weight, now)]] += 1
    return counts


def main(words: Sequence[str]) -> int:
    """Print the outcome as JSON."""
    parser = argparse.ArgumentParser(prog="bench.decision", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 rounds, a million decisions for the memory")
    chosen = parser.parse_args(words)
    outcome = measure(2, 1_000_000) if chosen.quick else measure(5, 10_000_000)
    print(json.dumps(asdict(outcome), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
