"""What is wrong with a table of devices: where, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_NAMED = 20
"""Problems that are told one by one; of all others it is told how many they are."""


@dataclass(frozen=True, slots=True)
class RouteProblem:
    """One thing that is wrong. `line` is that of the file, or the number of the row that the query gave, from 1."""

    source: str
    line: int | None
    field: str
    reason: str

    def __str__(self) -> str:
        line = f":{self.line}" if self.line is not None else ""
        field = f"{self.field}: " if self.field else ""
        return f"{self.source}{line}: {field}{self.reason}"


class RoutesError(ValueError):
    """A table of devices that cannot be used. `problems` are the first of them, `total` is how many there are."""

    def __init__(self, problems: Iterable[RouteProblem], total: int | None = None) -> None:
        self.problems = tuple(problems)[:MOST_NAMED]
        self.total = max(total or 0, len(self.problems))
        super().__init__(self.problems, self.total)

    def __reduce__(self) -> tuple[type[RoutesError], tuple[tuple[RouteProblem, ...], int]]:
        return RoutesError, (self.problems, self.total)

    def __str__(self) -> str:
        more = self.total - len(self.problems)
        said = [str(problem) for problem in self.problems]
        return "\n".join([*said, f"and {more:,} more problems"] if more else said)
