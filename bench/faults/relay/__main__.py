"""Fault campaigns for the relay: killed, starved, cut off under load; in the end every SR is accounted for.

What was taken must come to one end, acknowledged, refused or expired, and be told; see docs/reliability.md.

    python -m bench.faults.relay                                        all scenarios, about ten minutes
    python -m bench.faults.relay relay-kill-hold --rounds 20 --seed 7   one of them
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench import report
from bench.faults.campaign import NoProgressError, Order, Outcome
from bench.faults.disk import NotPermittedError
from bench.faults.relay.scenarios import SCENARIOS
from bench.faults.table import append, facts, write_between
from bench.processes import BenchError, end_on_signals
from bench.report import Grid, markdown

COLUMNS = (
    "scenario", "faults", "sent", "answered by the gateway, or 202", "had to wait, or taken", "of these acknowledged",
    "expired", "came again", "answers lost", "503", "back after, s", "lost", "violations",
)  # fmt: skip
BEGIN, END = "<!-- relay table -->", "<!-- end of relay table -->"


def main(words: Sequence[str]) -> int:
    """Exit code: 0 every rule kept, 1 not, 2 could not run, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="bench.faults.relay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", nargs="*", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, help="faults of each scenario")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same faults (default 1)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the result file (default out)")
    parser.add_argument("--page", type=Path, help="a page that gets the table when all was run")
    parser.add_argument("--keep", action="store_true", help="keep the folders of campaigns that broke a rule")
    chosen = parser.parse_args(words)
    names = chosen.scenario or list(SCENARIOS)
    if unknown := sorted(set(names) - SCENARIOS.keys()):
        parser.error(f"unknown: {', '.join(unknown)}. There are {', '.join(SCENARIOS)}")
    end_on_signals()
    console, outcomes = report.wide_console(), list[Outcome]()
    try:
        for name in names:
            outcomes.append(_run(name, chosen, console))
    except BenchError as error:
        Console(stderr=True).print(f"faults: {error}", style="red", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return 130
    return _publish(chosen, console, outcomes)


def _run(name: str, chosen: argparse.Namespace, console: Console) -> Outcome:
    scenario = SCENARIOS[name]
    order = Order(name, chosen.rounds or scenario.rounds, chosen.seed, scenario.rate)
    folder = Path(tempfile.mkdtemp(prefix="sluicegate-faults-"))
    folder.chmod(0o755)
    keep = False
    try:
        outcome = asyncio.run(scenario.run(folder, order))
        keep = chosen.keep and not outcome.kept
    except NotPermittedError as error:
        outcome = Outcome(name, "", order.rounds, order.seed, order.rate, not_run=str(error))
    except NoProgressError as error:
        rule = "it goes on by itself"
        outcome = Outcome(name, "", order.rounds, order.seed, order.rate, violations={rule: 1})
        outcome.examples = {rule: [str(error)]}
        keep = chosen.keep
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    kept = "" if outcome.kept else ": RULES BROKEN"
    console.print(f"{name}: {outcome.not_run or outcome.counts.get('sent', 0)} sent, {outcome.seconds:.0f} s{kept}")
    return outcome


def _publish(chosen: argparse.Namespace, console: Console, outcomes: Sequence[Outcome]) -> int:
    date = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    command = " ".join(["python -m bench.faults.relay", *sys.argv[1:]])
    grid = Grid("What became of everything that the relay took", COLUMNS, tuple(map(_row, outcomes)))
    report.show(console, [grid])
    for one in outcomes:
        for rule, examples in one.examples.items():
            shown = "\n    ".join(examples[:5])
            console.print(f"{one.scenario}: {rule}: {one.violations[rule]:,}\n    {shown}", markup=False)
    machine = {name: value for name, value in facts().items() if name != "postgresql"}
    path = append(chosen.out, f"faults-relay-{date}", outcomes, {"command": command, "machine": machine})
    console.print(f"written: {path}")
    if chosen.page is not None and not (chosen.scenario or chosen.rounds):
        method = f"seed {chosen.seed}, {sum(one.seconds for one in outcomes) / 60:.0f} minutes"
        write_between(chosen.page, BEGIN, END, markdown([grid], machine, command, date, method))
        console.print(f"written: {chosen.page}")
    kept = all(one.kept for one in outcomes)
    console.print("every rule was kept" if kept else "RULES WERE BROKEN")
    return 0 if kept else 1


def _row(one: Outcome) -> tuple[str, ...]:
    name = f"{one.scenario}: {SCENARIOS[one.scenario].says}"
    if one.not_run:
        return (name, f"not run: {one.not_run}", *("-" for _ in COLUMNS[2:]))
    faults = ", ".join(f"{count:,} {what}" for what, count in sorted(one.faults.items()))
    counts = one.counts
    keys = ("sent", "acknowledged", "stored", "delivered", "returned", "repetitions")
    return (
        name,
        faults,
        *(f"{counts.get(key, 0):,}" for key in keys),
        f"{one.answers.get('no answer', 0) + one.answers.get('no answer in time', 0):,}",
        f"{one.answers.get('503', 0):,}",
        f"{one.pauses[0]:.2f} (at most {one.pauses[1]:.2f})" if one.pauses else "-",
        f"{counts.get('lost', 0):,}",
        f"{sum(one.violations.values()):,}",
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
