"""Fault campaigns for the dispatcher: real processes are killed, starved and cut off under load, and at the end every
Service Request is accounted for.

Everything acknowledged must be in the store and come to one end, DELIVERED or RETURNED; see docs/reliability.md. The
same --seed gives the same faults in the same order; the machine's own timing differs from run to run.

    python -m bench.faults                                       all scenarios, less than half an hour
    python -m bench.faults kill-sqlite --rounds 20 --seed 7      one of them
"""

from __future__ import annotations

import argparse
import datetime
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import report
from bench.faults import table
from bench.faults.campaign import Order, Outcome
from bench.faults.scenarios import SCENARIOS, run
from bench.processes import BenchError, end_on_signals


def main(words: Sequence[str]) -> int:
    """Exit code: 0 every rule kept, 1 not, 2 could not run, 130 interrupted."""
    parser = _parser()
    chosen = parser.parse_args(words)
    names = chosen.scenario or list(SCENARIOS)
    if unknown := sorted(set(names) - SCENARIOS.keys()):
        parser.error(f"unknown: {', '.join(unknown)}. There are {', '.join(SCENARIOS)}")
    end_on_signals()
    console, outcomes = report.wide_console(), list[Outcome]()
    try:
        with _progress(console) as progress:
            for name in names:
                outcomes.append(_run(name, chosen, progress))
    except BenchError as error:
        Console(stderr=True).print(f"faults: {error}", style="red", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return 130
    return _publish(chosen, console, outcomes)


def _parser() -> argparse.ArgumentParser:
    about = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="bench.faults", description=__doc__, formatter_class=about)
    parser.add_argument("scenario", nargs="*", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, help="faults of each scenario; each has its own number")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same faults (default 1)")
    parser.add_argument("--rate", type=float, help="SR/s that the Users send")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the result file (default out)")
    parser.add_argument(
        "--page", type=Path, help="a page that gets the table when all was run, such as docs/reliability.md"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folders of campaigns that broke a rule")
    return parser


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[words]}"),
    )
    return Progress(*columns, console=console)


def _run(name: str, chosen: argparse.Namespace, progress: Progress) -> Outcome:
    scenario = SCENARIOS[name]
    order = Order(
        name,
        chosen.rounds if chosen.rounds and scenario.rounds > 1 else scenario.rounds,
        chosen.seed,
        chosen.rate or scenario.rate,
    )
    task = progress.add_task(name, total=order.rounds, words="starts")

    def tell(done: int, words: str) -> None:
        progress.update(task, completed=done, words=words)

    folder = Path(tempfile.mkdtemp(prefix="sluicegate-faults-"))
    folder.chmod(0o755)
    keep = True
    try:
        outcome = run(name, folder, order, tell)
        keep = chosen.keep and not outcome.kept
    except KeyboardInterrupt:
        keep = False
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            progress.console.print(f"kept: {folder}")
    words = outcome.not_run or f"{outcome.counts.get('acknowledged', 0):,} acknowledged"
    progress.update(task, completed=order.rounds, words=words + ("" if outcome.kept else ": RULES BROKEN"))
    return outcome


def _publish(chosen: argparse.Namespace, console: Console, outcomes: Sequence[Outcome]) -> int:
    date, command = (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        " ".join(["python -m bench.faults", *sys.argv[1:]]),
    )
    report.show(console, [table.grid(outcomes)])
    for complaint in table.complaints(outcomes):
        console.print(complaint, style="red", markup=False, highlight=False, soft_wrap=True)
    facts = table.facts()
    path = table.append(chosen.out, f"faults-{date}", outcomes, {"command": command, "machine": facts})
    console.print(f"written: {path}")
    if chosen.page is not None and (chosen.scenario or chosen.rounds):
        console.print(f"{chosen.page} stays as it is: this was not all of it")
    elif chosen.page is not None:
        table.write_into(chosen.page, outcomes, facts, command, date)
        console.print(f"written: {chosen.page}")
    kept = all(one.kept for one in outcomes)
    console.print("every rule was kept" if kept else "RULES WERE BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
