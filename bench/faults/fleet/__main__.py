"""Fault campaigns for a fleet: the Valkey is killed, frozen, slow, cut off, replaced; workers are killed and frozen.

Each scenario is many rounds under a load beyond the threshold; see docs/reliability.md.

    python -m bench.faults.fleet                             all scenarios, about a quarter of an hour
    python -m bench.faults.fleet valkey-killed --rounds 10   the control, and one of them
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bench import report
from bench.faults.fleet.campaign import run
from bench.faults.fleet.judge import Verdict, judged
from bench.faults.fleet.scenarios import SCENARIOS
from bench.faults.table import facts, write_between
from bench.processes import BenchError, end_on_signals
from bench.report import Grid, markdown

COLUMNS = (
    "scenario", "rounds", "sent", "admitted", "beyond C*w, SR (bound)", "answers: median, 99 %, longest, ms",
    "longer than allowed", "back after, s", "most in 0.2 s after it, of C*0.2",
    "within: steady, fault, return, % passed", "violations",
)  # fmt: skip
BEGIN, END = "<!-- fleet table -->", "<!-- end of fleet table -->"


def main(words: Sequence[str]) -> int:
    """Exit code: 0 every rule kept, 1 not, 2 could not run, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="bench.faults.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", nargs="*", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, help="faults of each scenario")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same faults (default 1)")
    parser.add_argument("--hold", type=float, default=1.0, help="[ledger] hold of the workers, in seconds (default 1)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the result file (default out)")
    parser.add_argument("--page", type=Path, help="a page that gets the table when all was run")
    chosen = parser.parse_args(words)
    names = ["control", *(name for name in chosen.scenario or SCENARIOS if name != "control")]
    if unknown := sorted(set(names) - SCENARIOS.keys()):
        parser.error(f"unknown: {', '.join(unknown)}. There are {', '.join(SCENARIOS)}")
    end_on_signals()
    console, verdicts = report.wide_console(), list[Verdict]()
    not_run = False
    try:
        for name in names:
            try:
                verdicts.append(_run(name, chosen, verdicts, console))
            except BenchError as error:  # what the others have shown is not lost
                not_run = True
                Console(stderr=True).print(f"faults: {name}: {error}", style="red", markup=False, highlight=False)
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return 130
    return max(_publish(chosen, console, verdicts), 2 * not_run)


def _run(name: str, chosen: argparse.Namespace, before: Sequence[Verdict], console: Console) -> Verdict:
    rounds = chosen.rounds or SCENARIOS[name].rounds
    folder = Path(tempfile.mkdtemp(prefix="sluicegate-faults-"))

    def tell(done: int) -> None:
        if done % 10 == 0 or done == rounds:
            console.print(f"{name}: {done} of {rounds}", highlight=False)

    try:
        seen = asyncio.run(run(name, folder, rounds, chosen.seed, chosen.hold, tell))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return judged(seen, before[0].waits[2] if before else 0.0)


def _publish(chosen: argparse.Namespace, console: Console, verdicts: Sequence[Verdict]) -> int:
    date = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    command = " ".join(["python -m bench.faults.fleet", *sys.argv[1:]])
    grid = Grid("What a fleet admits while its ledger or its workers fail", COLUMNS, tuple(map(_row, verdicts)))
    report.show(console, [grid])
    for one in verdicts:
        for rule, cases in one.examples.items():
            words = f"{one.name}: {rule}: {one.violations[rule]} times, such as {'; '.join(cases)}"
            console.print(words, style="red", markup=False, highlight=False, soft_wrap=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / f"faults-fleet-{date}.json"
    path.write_text(json.dumps([asdict(one) for one in verdicts], indent=1) + "\n")
    console.print(f"written: {path}")
    if chosen.page is not None and chosen.scenario:
        console.print(f"{chosen.page} stays as it is: this was not all of it")
    elif chosen.page is not None:
        method = f"seed {chosen.seed}, {sum(one.seconds for one in verdicts) / 60:.0f} minutes"
        known = {name: value for name, value in facts().items() if name in ("cores", "cpu", "kernel", "python")}
        write_between(chosen.page, BEGIN, END, markdown([grid], known, command, date, method))
        console.print(f"written: {chosen.page}")
    kept = not any(one.violations for one in verdicts)
    console.print("every rule was kept" if kept else "RULES WERE BROKEN")
    return 0 if kept else 1


def _row(one: Verdict) -> tuple[str, ...]:
    late = f"{one.late} ({one.unexplained} unexplained)" if one.name != "control" else "-"
    return (
        f"{one.name}: {SCENARIOS[one.name].says}",
        f"{one.rounds}",
        f"{one.sent:,}",
        f"{one.arrived:,}",
        f"{one.beyond:.0f} ({one.bound:.0f})",
        ", ".join(f"{1000 * wait:.0f}" for wait in one.waits),
        late,
        f"{one.back[0]:.2f} (at most {one.back[1]:.2f})",
        f"{one.herd:.2f}",
        ", ".join(f"{100 * part:.2f}" for part in one.passed),
        f"{sum(one.violations.values())}",
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
