"""What was found, beside what was wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.figures import Spread, spread
from bench.report import Grid, cell

LABELS = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


@dataclass(frozen=True)
class Finding:
    """One figure of one store: the median of its repetitions with the least and the most."""

    store: str
    name: str
    """Of the measurement."""
    what: str
    """With its unit."""
    value: Spread
    digits: int = 0
    at_least: float | None = None
    at_most: float | None = None

    @property
    def wanted(self) -> str:
        """In words; empty where nothing was asked."""
        if self.at_least is not None:
            return f">= {self.at_least:,g}"
        return f"<= {self.at_most:,g}" if self.at_most is not None else ""

    @property
    def met(self) -> bool | None:
        """Whether the median is what was wanted; None where nothing was."""
        if self.at_least is not None:
            return self.value.median >= self.at_least
        return self.value.median <= self.at_most if self.at_most is not None else None

    def shown(self) -> str:
        """The figure for a table, with NO beside one that misses."""
        return cell(self.value, self.digits) + (" **NO**" if self.met is False else "")


def finding(
    store: str,
    name: str,
    what: str,
    values: float | Iterable[float],
    digits: int = 0,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Finding:
    """A figure from one value or from those of several repetitions. Raises ValueError where there is none."""
    kept = [values] if isinstance(values, int | float) else list(values)
    return Finding(store, name, what, spread(float(value) for value in kept), digits, at_least, at_most)


def grids(findings: Sequence[Finding]) -> list[Grid]:
    """One table for each measurement, a column for each store."""
    stores = [store for store in LABELS if any(one.store == store for one in findings)]
    found = []
    for name in dict.fromkeys(one.name for one in findings):
        of_name = [one for one in findings if one.name == name]
        rows = []
        for what in dict.fromkeys(one.what for one in of_name):
            by_store = {one.store: one for one in of_name if one.what == what}
            wanted = next(iter(by_store.values())).wanted
            shown = (by_store[store].shown() if store in by_store else "-" for store in stores)
            rows.append((what, wanted, *shown))
        found.append(Grid(name[0].upper() + name[1:], ("", "wanted", *(LABELS[s] for s in stores)), tuple(rows)))
    return found


def missed(findings: Iterable[Finding]) -> list[str]:
    """A line for each target that was missed."""
    return [
        f"{LABELS[one.store]}: {one.what} is {cell(one.value, one.digits)}, and {one.wanted} was wanted"
        for one in findings
        if one.met is False
    ]
