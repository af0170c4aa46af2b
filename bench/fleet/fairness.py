"""The throttle's battery of random overloads over a fleet: `python -m bench.fleet.fairness 0 140 --workers 8`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.fleet.simulated import Recorded

BARS = (0.01, 0.02, 0.05, 0.10)


def main(words: list[str]) -> int:
    """Exit code 0 where 98 of 100 scenarios are within 5% and none is worse than 10%, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet.fairness", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--most", type=int, default=40_000, help="requests of a scenario; larger ones are left out")
    chosen = parser.parse_args(words)
    sys.path.append(str(Path(__file__).parents[2] / "tests" / "throttle"))  # it is the tests' own measure
    from throttle_model import battery

    verdicts = []
    for seed in range(chosen.first, chosen.last):
        verdict = battery(seed, chosen.most, made=lambda *given: Recorded(*given, chosen.workers))
        if verdict is None:
            continue
        verdicts.append(verdict)
        print(f"seed {seed}: {verdict.error:.3f}, used {verdict.utilisation:.3f}: {verdict.description}", flush=True)
    worse = [sum(verdict.error > bar for verdict in verdicts) for bar in BARS]
    judged = sum(verdict.judged for verdict in verdicts)
    print(
        f"{chosen.workers} workers: {len(verdicts)} scenarios, {judged} Users judged; worse than 1, 2, 5, 10%: {worse}"
    )
    for verdict in sorted(verdicts, key=lambda verdict: -verdict.error)[:5]:
        print(f"{verdict.error:.3f} seed {verdict.seed}: {verdict.description}; {verdict.worst}")
    return 0 if worse[2] <= 0.02 * len(verdicts) and not worse[3] else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
