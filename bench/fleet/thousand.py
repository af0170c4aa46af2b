"""Where the design stops scaling: a thousand workers in simulated time, over the real code of worker and ledger.

`python -m bench.fleet.thousand`: what is admitted beside what one process would admit of the same requests, how fairly,
with how many draws, and what the ledger is busy with; then the ledger is lost for a while, and comes back.

The network takes 0.2 to 2 ms each way. The ledger takes time too: what a draw costs a real one (`bench.fleet.draws`),
one draw after the other; with `--free` draws take it no time at all. With `--parts` the ledger is in parts; the workers
are spread over them evenly. Then one of the parts is lost, or so many as `--lost-parts` says.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import time
from datetime import UTC, datetime

from bench.fleet.crowd import Crowd, crowd
from bench.fleet.measured import BUCKET, Measured
from bench.fleet.parted import PartedFleet
from sluicegate.ledger.face import ASK
from sluicegate.throttle import THROTTLED, Throttle


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet.thousand", description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1_000_000.0, help="requests/s in all")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--threshold", type=float, default=0.8, help="of what is sent; above 1 nothing is short")
    parser.add_argument(
        "--warm", type=float, default=1.0, help="seconds before what is measured: banks are empty at first"
    )
    parser.add_argument("--idle", type=float, default=0.0, help="seconds before that, in which nobody sends")
    parser.add_argument("--seconds", type=float, default=1.0, help="simulated, in which nothing fails")
    parser.add_argument("--lost", type=float, default=2.0, help="seconds without the ledger")
    parser.add_argument("--back", type=float, default=1.0, help="seconds after that")
    parser.add_argument("--draws", type=float, default=50.0, help="a worker and second, at most")
    parser.add_argument("--wait", type=float, default=0.05, help="seconds that a request waits at most")
    parser.add_argument("--hold", type=float, default=0.5, help="seconds that tokens in hand are good")
    parser.add_argument("--base", type=float, default=120.0, help="us of the ledger for a draw")
    parser.add_argument("--each", type=float, default=25.0, help="us of the ledger for each User of a draw")
    parser.add_argument("--parts", type=int, default=1, help="of the ledger")
    parser.add_argument("--lost-parts", type=int, default=1, help="of them, that are lost")
    parser.add_argument("--killed", action="store_true", help="what is lost refuses connections, and comes back empty")
    parser.add_argument("--free", action="store_true", help="draws cost the ledger no time")
    parser.add_argument("--spread", type=int, default=0, help="workers that a User's requests come to; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(words)


def run(asked: argparse.Namespace, of: Crowd) -> Measured:
    """The whole simulation."""
    named = dict(zip(of.names, of.allocations.tolist(), strict=True))
    base, each = asked.base * 1e-6, asked.each * 1e-6
    options = {"draws_per_second": asked.draws, "wait": asked.wait, "hold": asked.hold}
    options |= {"base": base, "each": each, "free": asked.free, "killed": asked.killed}
    fleet = PartedFleet(of.limits, named, asked.workers, asked.seed, asked.parts, asked.lost_parts, **options)
    one = Throttle(of.limits, named)
    one.empty(0.0)
    accounts = [one.account(name) for name in of.names]
    lengths = {"starting": asked.warm, "well": asked.seconds, "lost": asked.lost, "back": asked.back}
    measured = Measured(of, fleet, lengths, asked.idle)
    fleet.run(asked.idle)
    phases = measured.each()
    phase = next(phases)
    for after, who, where in of.ticks(measured.ends, asked.workers, asked.seed, asked.spread):
        end = asked.idle + after
        if after > phase.ends + 1e-9:
            phase = next(phases)
            fleet.lose(phase.name == "lost")
        fleet.run(end)
        _hand_over(fleet, of, one, accounts, phase, end, who, where)
    fleet.run(asked.idle + measured.ends + 2 * asked.wait)
    next(phases, None)
    return measured


def _hand_over(fleet, of, one, accounts, phase, now, who, where) -> None:
    """The requests of one tick, to the workers and to the one process."""
    workers, names, admitted, ideal = fleet.workers, of.names, phase.admitted, phase.ideal
    sent, bucket, passed = phase.sent, int(now / BUCKET), 0
    for user, number in zip(who, where, strict=True):
        sent[user] += 1
        lost = fleet.is_lost(number)
        if one.decide(accounts[user], 1.0, now) != THROTTLED:
            ideal[user] += 1
            phase.at_lost[2] += lost
        worker = workers[number]
        hand = worker.account(names[user])
        outcome = worker.decide(hand, 1.0, now)
        phase.at_lost[0] += lost
        if outcome == ASK:
            phase.waited += 1
            worker.waiting(phase.told_later(fleet.of(number), user, now, lost), hand, 1.0, now)
        elif outcome != THROTTLED:
            admitted[user] += 1
            phase.at_lost[1] += lost
            passed += 1
    phase.buckets[bucket] += passed


def main(words: list[str]) -> int:
    """Print the tables. Exit code 0."""
    asked = arguments(words)
    of = crowd(asked.users, asked.rate, asked.threshold * asked.rate, asked.seed)
    began = time.monotonic()
    gc.freeze()
    gc.disable()  # what is made here stays, or goes without it
    measured = run(asked, of)
    used = resource.getrusage(resource.RUSAGE_SELF)
    command = " ".join(["python -m bench.fleet.thousand", *words])
    print(f"{datetime.now(UTC):%Y-%m-%d}, `{command}`:\n")
    print("\n".join(measured.table()))
    print(f"\n{time.monotonic() - began:.0f} s, {used.ru_utime:.0f} CPU-s, {used.ru_maxrss / 1e6:.1f} GB.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
