"""`make bench-simulate`: a day of Great Britain through one policy. Seconds, memory, and whether cost is linear.

Runs the command itself, in the environment in which this module runs, and reads what the kernel says of it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.machine import facts

SCALES = (0.01, 0.1, 1.0)
GROUPS = {
    "Large Supplier": 6,
    "Large Gas Supplier": 5,
    "Mid Supplier": 10,
    "Mid Gas Supplier": 4,
    "Prepayment Supplier": 2,
    "Small Supplier": 10,
    "Export Supplier": 3,
    "Network Operator": 6,
    "Gas Network": 4,
    "Other User": 8,
    "Supplier Agent": 2,
}
"""Users in each group of the population: 60 in all."""


def users(count: int) -> list[str]:
    """Options that give the population about so many Users, and the same number of requests."""
    groups = [f"--set=group.{name}.count={round(own * count / 60)}" for name, own in GROUPS.items()]
    loop = "Mid Supplier A" if count == 60 else "Mid Supplier 167"
    return [*groups, f'--set=surge.Five minutes\' loop.users=["{loop}"]']


@dataclass(frozen=True)
class Cost:
    """What a run took. `cpu` and `wall` in seconds, `peak` in MiB."""

    requests: int
    wall: float
    cpu: float
    peak: float

    @property
    def each(self) -> float:
        """CPU time of one SR, in nanoseconds."""
        return self.cpu / self.requests * 1e9


def run(scenario: str, *options: str) -> Cost:
    """One policy over a scenario, all outputs, on one core. Raises SystemExit where the command fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sluicegate", "simulate", scenario, "--policy=allocation", "--no-equivalent"]
        command += ["--quiet", "--jobs=1", f"--out={folder}", *options]
        start = time.perf_counter()
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status:
            raise SystemExit(f"failed: {' '.join(command)}")
        summary = json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))
        requests = summary["scenario"]["requests"] + summary["scenario"]["background"]
    return Cost(requests, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to a tenth of the day")
    scales = SCALES[:2] if parser.parse_args().quick else SCALES
    print(", ".join(f"{name} {value}" for name, value in facts().items()), "\n", flush=True)
    print("| gb-day at scale | SRs | wall, s | CPU, s | ns an SR | peak, MiB |\n|---|---|---|---|---|---|", flush=True)
    for scale in scales:
        row(f"{scale:g}", run("gb-day", "--scale", f"{scale:g}"))
    few, many = (run("gb-day", f"--scale={scales[-1]:g}", *users(count)) for count in (60, 1000))
    print("\n| Users | SRs | wall, s | CPU, s | ns an SR | peak, MiB |\n|---|---|---|---|---|---|", flush=True)
    row("60", few)
    row("1,000", many)
    print(f"\nslower with 1,000 Users: {100 * (many.each / few.each - 1):+.0f}% (at most +20%)")


def row(name: str, cost: Cost) -> None:
    """A row of a table."""
    figures = f"{cost.requests:,} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.each:.0f} | {cost.peak:.0f}"
    print(f"| {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
