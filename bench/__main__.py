"""`python -m bench`: measures the gateway beside its peers and prints the tables."""

from __future__ import annotations

import argparse
import datetime
import resource
import shlex
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench import certificates, decision, machine, report
from bench.figures import Sample, spread
from bench.loader import compiled
from bench.peers import CASES, CONTENDERS, Site, require, upstream
from bench.processes import BenchError, end_on_signals, free_port
from bench.rounds import Plan, all_rounds
from bench.targets import decision_verdicts, verdicts

OPEN_FILES = 4096
QUIET_CORES = 0.1
"""What others may use on average during a measurement before the reader is warned."""


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    keys = [contender.key for contender in CONTENDERS]
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of 3 s windows: to see that it works")
    parser.add_argument("--rounds", type=int, help="rounds of all contenders (default 5)")
    parser.add_argument("--seconds", type=float, help="length of each window, s (default 4)")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="only this; may repeat")
    parser.add_argument("--only", action="append", choices=keys, help="only this contender; may repeat")
    parser.add_argument("--without", action="append", choices=keys, default=[], help="leave it out; may repeat")
    parser.add_argument("--no-decision", action="store_true", help="leave the bare decision out")
    parser.add_argument("--gateway", default=".venv/bin/sluicegate", help="our command, before `serve`")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the result files")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(words)


def plan_of(chosen: argparse.Namespace) -> Plan:
    """What the command line asks for.

    Raises BenchError where that is nothing, or out of bounds.
    """
    rounds, seconds = chosen.rounds or (1 if chosen.quick else 5), chosen.seconds or (3 if chosen.quick else 4)
    if not (1 <= rounds <= 100 and 0.5 <= seconds <= 600):
        raise BenchError("--rounds is 1 to 100, --seconds 0.5 to 600")
    cases = [case for case in CASES if not chosen.case or case.name in chosen.case]
    contenders = [
        each for each in CONTENDERS if (not chosen.only or each.key in chosen.only) and each.key not in chosen.without
    ]
    if not contenders:
        raise BenchError("no contender is left: see --only and --without")
    return Plan(rounds, seconds, 1.0, cases, contenders)


def run(chosen: argparse.Namespace, console: Console) -> bool:
    """Measure, show, save. True if every target was reached. What was measured before an interruption is shown too.

    Raises BenchError if something is missing, does not start or answers wrongly.
    """
    plan, command = plan_of(chosen), tuple(shlex.split(chosen.gateway))
    require({contender.key for contender in plan.contenders}, command)
    console.print(f"About {plan.minutes:.0f} minutes. Ctrl-C leaves nothing running.")
    samples: list[Sample] = []
    try:
        outcome = measure(chosen, console, plan, command, samples)
    except (KeyboardInterrupt, BenchError):
        if samples:
            publish(chosen, console, plan, samples, None, whole=False)
        raise
    return publish(chosen, console, plan, samples, outcome)


def measure(
    chosen: argparse.Namespace, console: Console, plan: Plan, command: tuple[str, ...], samples: list[Sample]
) -> decision.Outcome | None:
    """Add every sample of the plan to `samples`, then measure the bare decision."""
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        work = Path(folder)
        work.chmod(0o755)  # nginx's workers, which are nobody, must reach their own folders below
        site = Site(work, free_port(), certificates.issue(work), command)
        program = compiled(work)
        with upstream(site), console.status("starting") as status:
            samples.extend(all_rounds(site, program, plan, lambda line: status.update(line)))
    if chosen.no_decision:
        return None
    console.print("The bare decision ...")
    return decision.measure(*((2, 1_000_000) if chosen.quick else (max(plan.rounds, 2), 10_000_000)))


def publish(
    chosen: argparse.Namespace,
    console: Console,
    plan: Plan,
    samples: list[Sample],
    outcome: decision.Outcome | None,
    *,
    whole: bool = True,
) -> bool:
    """Tables to the terminal, both files to the folder."""
    found = verdicts(samples) + (decision_verdicts(outcome) if outcome else [])
    grids = report.grids(samples, plan.cases, plan.contenders)
    if outcome:
        grids.append(report.decision_grid(outcome))
    if found:
        grids.append(report.verdict_grid(found))
    report.show(console, grids)
    others = spread(sample.bystander_cores for sample in samples)
    if others.most > QUIET_CORES:
        console.print(
            f"Other processes used up to {others.most:.2f} cores meanwhile: repeat on a quiet machine.", style="yellow"
        )
    date = datetime.datetime.now(datetime.UTC)
    facts, line = machine.facts(), " ".join(["python -m bench", *sys.argv[1:]])
    method = "" if whole else "INTERRUPTED, so not all of it, "
    method += f"median (least to most) of {plan.rounds} rounds, windows of {plan.seconds:g} s, 32 connections, "
    method += f"other processes on {others.median:.2f} (at most {others.most:.2f}) cores"
    page = report.markdown(grids, facts, line, f"{date:%Y-%m-%d}", method)
    document: dict[str, object] = {"date": date.isoformat(timespec="seconds"), "command": line, "machine": facts}
    document |= {"method": method, **report.plain(samples, found, outcome)}
    for path in report.save(chosen.out, f"bench-{date:%Y-%m-%d}" + ("" if whole else "-partial"), document, page):
        console.print(f"written: {path}")
    return all(verdict.met for verdict in found)


def main(words: list[str]) -> int:
    """Exit code: 0 measured, 1 a target missed under --strict, 2 could not measure, 130 interrupted."""
    end_on_signals()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard) if hard > 0 else OPEN_FILES, hard))
    console, chosen = report.wide_console(), arguments(words)
    try:
        met = run(chosen, console)
    except BenchError as error:
        Console(stderr=True).print(f"bench: {error}", style="red", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return 130
    return 1 if chosen.strict and not met else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
