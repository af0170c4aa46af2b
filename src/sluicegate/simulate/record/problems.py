"""What is wrong with a record: a file that cannot be read ends the reading, a bad row is passed over and told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MOST_TOLD = 1_000
"""So many problems are kept; of more, only how many there are."""

LONGEST_SHOWN = 40


class RecordError(ValueError):
    """A record that cannot be used. `str()` is one sentence: which file, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One row that was passed over, or one part of a file that was not read.

    Attributes:
        file: which file.
        line: in a CSV the line of the file, in Parquet and in an open file the number of the row; both from 1. None
            for what is no row.
        field: the column, empty where it is the whole line.
        reason: why.
    """

    file: Path
    line: int | None
    field: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else str(self.file)
        return f"{place}: {self.field}: {self.reason}" if self.field else f"{place}: {self.reason}"


@dataclass(slots=True)
class Problems:
    """What was found so far: a Parquet file is looked at while it is read, so this is whole once all of it was.

    Attributes:
        strict: whether the first one ends the reading.
        count: how many there are.
        first: the first `MOST_TOLD` of them, in the order of reading.
    """

    strict: bool = False
    count: int = 0
    first: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Take one down.

        Raises:
            RecordError: it is the first one, and `strict`.
        """
        self.count += 1
        if len(self.first) < MOST_TOLD:
            self.first.append(problem)
        if self.strict:
            raise RecordError(str(problem))


def shown(value: object) -> str:
    """A value for a message: short, and nothing in it that could not be printed."""
    text = str(value)
    return ascii(text[:LONGEST_SHOWN] + "..." if len(text) > LONGEST_SHOWN else text)
