"""What a decision costs in a worker with a token in hand, beside one process's: `python -m bench.fleet.decision`."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from sluicegate.ledger.fleet.worker import Worker
from sluicegate.throttle import Limits, Throttle

USERS, BLOCK = 60, 100_000
GOAL = 1.5


def stretch(decide: Callable[..., int], accounts: Sequence[object], start: float) -> float:
    """Seconds for a stretch of decisions in which nothing runs short."""
    now = start
    begin = time.perf_counter()
    for account in accounts:
        now += 0.0005
        decide(account, 1.0, now)
    return time.perf_counter() - begin


def short(decide: Callable[..., int], accounts: Sequence[object], now: float) -> float:
    """Seconds for a stretch in which all that is served has a token of its own."""
    begin = time.perf_counter()
    for account in accounts:
        decide(account, 1.0, now)
    return time.perf_counter() - begin


def main(words: list[str]) -> int:
    """Exit code 0 where the ratio is within the goal, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet.decision", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args(words)
    names = [f"User {number}" for number in range(USERS)]
    limits, allocations = Limits(4000, 3000), dict.fromkeys(names, 40.0)
    chance = random.Random(1)
    picked = chance.choices(names, k=BLOCK)
    throttle, worker = Throttle(limits, allocations), Worker("w", limits, allocations)
    worker.share.held = 1.0
    one, many = [throttle.account(name) for name in picked], [worker.account(name) for name in picked]
    ratios: dict[str, list[float]] = {"an offered token": [], "a token of its own": []}
    rates: dict[str, list[float]] = {"an offered token": [], "a token of its own": []}
    now = 1.0
    for _ in range(chosen.rounds):
        worker.offered, worker.expires = 2.0 * BLOCK, float("inf")
        base = stretch(throttle.decide, one, now)
        mine = stretch(worker.decide, many, now)
        ratios["an offered token"].append(mine / base)
        rates["an offered token"].append(BLOCK / mine)
        worker.offered = 0.0
        for name in names:
            hand = worker.account(name)
            hand.within, hand.level, hand.fills = 2.0 * BLOCK, hand.depth, hand.allocation
        now += 0.0005 * BLOCK
        mine = short(worker.decide, many, now)
        ratios["a token of its own"].append(mine / base)
        rates["a token of its own"].append(BLOCK / mine)
        now += 1.0
    met = True
    for kind, found in ratios.items():
        ratio = statistics.median(found)
        met = met and ratio <= GOAL
        print(
            f"{kind}: {max(rates[kind]) / 1e6:.2f} M decisions/s at best; "
            f"{ratio:.2f} times one process's time (median of {len(found)}, {min(found):.2f} to {max(found):.2f})"
        )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
