"""What a run shows: tables for the terminal, the same in Markdown, and everything in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.decision import Outcome
from bench.figures import METRICS, Sample, Spread, figure, ratio
from bench.peers import OURS, Case, Contender
from bench.targets import Verdict

DIGITS = {"requests/s": 0, "CPU-s/1000": 3, "p50 ms": 2, "p99 ms": 2, "p99 added ms": 2}


@dataclass(frozen=True)
class Grid:
    """A table of text: a title, its columns, its rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


RANGED = {"requests/s"}
"""Columns that show the least and the most too; the JSON file has them all."""


def cell(spread: Spread | None, digits: int, *, ranged: bool = True) -> str:
    """A median, perhaps with its smallest and largest; or a dash."""
    if spread is None:
        return "-"
    middle, least, most = (f"{value:,.{digits}f}" for value in (spread.median, spread.least, spread.most))
    return middle if least == most or not ranged else f"{middle} ({least}-{most})"


def grids(samples: Sequence[Sample], cases: Iterable[Case], contenders: Sequence[Contender]) -> list[Grid]:
    """One table a case."""
    found = []
    for case in cases:
        rows = []
        for contender in contenders:
            if figure(samples, case.name, contender.key, "requests/s") is None:
                continue
            cells = [
                cell(figure(samples, case.name, contender.key, name), DIGITS[name], ranged=name in RANGED)
                for name in METRICS
            ]
            ours = "1" if contender.key == OURS else cell(ratio(samples, case.name, OURS, contender.key), 2)
            rows.append((contender.label, ours, *cells))
        if rows:
            title = case.name[0].upper() + case.name[1:]
            found.append(Grid(title, ("", "ours / this", *METRICS), tuple(rows)))
    return found


def decision_grid(outcome: Outcome) -> Grid:
    """Decisions per second."""
    rows = tuple((label, cell(values, 0)) for label, values in outcome.rates.items())
    return Grid("The bare decision, one process, no forwarding", ("", "decisions/s"), rows)


def verdict_grid(verdicts: Sequence[Verdict]) -> Grid:
    """The targets and what became of them."""
    rows = tuple((v.what, v.wanted, cell(v.measured, 2), "yes" if v.met else "NO") for v in verdicts)
    return Grid("Targets", ("", "wanted", "measured", "reached"), rows)


def markdown(grids: Iterable[Grid], facts: dict[str, str], command: str, date: str, method: str) -> str:
    """The page that the README takes its table from."""
    lines = [f"Measured on {date} with `{command}`: {method}.", ""]
    lines += [", ".join(f"{name} {value}" for name, value in facts.items()) + ".", ""]
    for grid in grids:
        lines += [f"**{grid.title}**", "", "| " + " | ".join(grid.columns) + " |"]
        lines.append("|---" * len(grid.columns) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in grid.rows] + [""]
    return "\n".join(lines)


def show(console: Console, grids: Iterable[Grid]) -> None:
    """Print the tables."""
    for grid in grids:
        table = Table(title=grid.title, title_justify="left")
        for number, column in enumerate(grid.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in grid.rows:
            table.add_row(*row)
        console.print(table)


def wide_console() -> Console:
    """The terminal; where there is none, wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


def save(folder: Path, stem: str, document: dict[str, object], page: str) -> tuple[Path, Path]:
    """Write both files; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data, text = folder / f"{stem}.json", folder / f"{stem}.md"
    data.write_text(json.dumps(document, indent=1) + "\n")
    text.write_text(page)
    return data, text


def plain(samples: Sequence[Sample], verdicts: Sequence[Verdict], outcome: Outcome | None) -> dict[str, object]:
    """Samples, verdicts and the bare decision as JSON can hold them."""
    return {
        "samples": [asdict(sample) for sample in samples],
        "decision": asdict(outcome) if outcome else None,
        "targets": [asdict(verdict) for verdict in verdicts],
    }
