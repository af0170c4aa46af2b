"""Is a User within its allocation ever throttled because its tokens lie at another worker?

`python -m bench.fleet.within`: a fleet in simulated time, in an overload by greedy Users; Users of several sizes who
send what an exact bank of theirs holds, to workers at random. Told apart by size and by how they send.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.fleet.modelled import ModelledLedger
from bench.fleet.simulated import Fleet, LuaLedger
from sluicegate.throttle import THROTTLED, Limits, allocation_depth

SIZES = {0.05: 60, 1.0: 12, 10.0: 3, 100.0: 2}
"""SR/s, and how many Users of each size and kind there are."""
KINDS = ("spaced", "policed", "bursts")
BURST, GREEDY = 0.5, 2
GOAL = 0.9999
START = 25.0  # seconds until a bank of 0.05 SR/s, empty at first, holds a request

Request = tuple[float, str, float]


def conforming(name: str, rate: float, kind: str, until: float, rng: random.Random) -> Iterator[Request]:
    """What an exact bank holds: evenly as it fills, at random times where it holds a request, or all at once."""
    depth = allocation_depth(rate, BURST, 1.0)
    level, at = depth, 0.0
    now = rng.uniform(0.1, 1.0 + 1.0 / rate)
    while now < until:
        level, at = min(depth, level + (now - at) * rate), now
        if kind == "bursts":
            while level >= 1.0:
                level -= 1.0
                yield now, name, 1.0
            now += rng.uniform(0.3, 1.0) * max(depth, 1.0) / rate + (1.0 - level) / rate
        elif level >= 1.0:
            level -= 1.0
            yield now, name, 1.0
        if kind == "spaced":
            now += (1.0 - level) / rate + 1e-9 if level < 1.0 else 0.2 / rate
        elif kind == "policed":
            now += rng.expovariate(2.0 * rate)


def poisson(name: str, rate: float, until: float, rng: random.Random) -> Iterator[Request]:
    """Independent arrivals."""
    now = rng.expovariate(rate)
    while now < until:
        yield now, name, 1.0
        now += rng.expovariate(rate)


def later(requests: Iterator[Request]) -> Iterator[Request]:
    """The same, when the ledger's banks, empty at first, are full."""
    return ((START + when, name, weight) for when, name, weight in requests)


@dataclass
class Count:
    """What became of the requests of one size and kind."""

    sent: int = 0
    throttled: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def served(self) -> float:
        """The part that was not throttled."""
        return 1.0 - self.throttled / max(1, self.sent)


@dataclass
class Found:
    """The counts by size and kind; the fleet that was measured; the part of the threshold that was used."""

    counts: dict[tuple[float, str], Count]
    fleet: Fleet
    used: float
    draws: int


def measure(
    seconds: float, workers: int, seed: int, modelled: bool = False, sizes: dict[float, int] | None = None
) -> Found:
    """Run the fleet for so many simulated seconds."""
    sizes = sizes or SIZES
    rng = random.Random(seed)
    allocations: dict[str, float] = {}
    sources: list[Iterator[Request]] = []
    of: dict[str, tuple[float, str]] = {}
    for size, many in sizes.items():
        for kind in KINDS:
            for number in range(many):
                name = f"{size:g} {kind} {number}"
                allocations[name] = size
                of[name] = size, kind
                sources.append(conforming(name, size, kind, seconds, random.Random(rng.random())))
    total = sum(allocations.values())
    threshold = 1.25 * total
    for number in range(GREEDY):
        allocations[f"greedy {number}"] = 0.1 * total
        sources.append(poisson(f"greedy {number}", 0.4 * total, seconds, random.Random(rng.random())))
    limits = Limits(1.3 * total, threshold, BURST)
    ledger = ModelledLedger(limits, allocations) if modelled else LuaLedger()
    fleet = Fleet(limits, allocations, ledger, workers, seed=seed, settle=0.0)
    fleet.run(START)
    sources = [later(source) for source in sources]
    requests = sorted(request for source in sources for request in source)
    before = fleet.draws
    counts = {(size, kind): Count() for size in sizes for kind in KINDS}
    admitted = 0
    for (when, name, _weight), (told, outcome) in zip(requests, fleet.decide_all(requests), strict=True):
        admitted += outcome != THROTTLED
        if name in of:
            count = counts[of[name]]
            count.sent += 1
            count.throttled += outcome == THROTTLED
            count.waits.append(told - when)
    return Found(counts, fleet, admitted / (threshold * seconds), fleet.draws - before)


def main(words: list[str]) -> int:
    """Exit code 0 where every size reaches the goal, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet.within", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1000.0, help="simulated (default 1000)")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--modelled", action="store_true", help="over a ledger in Python instead of the real functions")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(words)
    found = measure(chosen.seconds, chosen.workers, chosen.seed, chosen.modelled)
    print(f"{chosen.workers} workers, {chosen.seconds:g} s simulated, seed {chosen.seed}")
    print("| SR/s | sends | requests | throttled | served | waited: median | p99 | longest |")
    print("|---|---|---|---|---|---|---|---|")
    met = True
    for (size, kind), count in found.counts.items():
        waits = sorted(count.waits) or [0.0]
        median, late = waits[len(waits) // 2], waits[int(0.99 * len(waits))]
        print(
            f"| {size:g} | {kind} | {count.sent} | {count.throttled} | {count.served:.4%} "
            f"| {median * 1e3:.1f} ms | {late * 1e3:.1f} ms | {waits[-1] * 1e3:.1f} ms |"
        )
    for size in dict.fromkeys(size for size, _kind in found.counts):
        mine = [count for (each, _kind), count in found.counts.items() if each == size]
        sent, throttled = sum(count.sent for count in mine), sum(count.throttled for count in mine)
        met = met and throttled <= (1.0 - GOAL) * sent
        print(f"{size:g} SR/s: {sent} requests, {1 - throttled / max(1, sent):.4%} not throttled")
    draws = found.draws / len(found.fleet.workers) / chosen.seconds
    print(f"of the threshold {found.used:.2%} was used; {draws:.1f} draws per worker and second")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
