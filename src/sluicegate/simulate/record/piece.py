"""One file of a record, as the merge sees it: groups of rows whose times are known before they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa

from sluicegate.simulate.record.conform import conform
from sluicegate.simulate.record.problems import Problem, Problems

GROUP_ROWS = 65_536
"""About so many rows are read at once where the file does not say."""

MOST_GROUP_ROWS = 4_000_000
"""More than that in one row group would not fit into memory."""


class Group(NamedTuple):
    """Rows that are read together. `first` and `last` are their earliest and latest time, in microseconds."""

    rows: int
    first: int
    last: int


class Piece(Protocol):
    """A file of a record. Groups come in the file's order, and may overlap in time."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def groups(self) -> Sequence[Group]:
        """Its groups."""

    def read(self, index: int) -> pa.Table:
        """The good rows of one group, of the record's schema, in the file's order.

        Raises:
            RecordError: the file is damaged, or has changed since it was opened.
        """


class Looked:
    """Conforms tables of one file, and tells of each bad row once, however often its group is read."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self._told: set[int] = set()

    def take(self, table: pa.Table, index: int, number: Callable[[int], int]) -> pa.Table:
        """The good rows of group `index`; `number` gives the line (or number) of a row of the table."""
        rows, faults = conform(table)
        if index not in self._told:
            self._told.add(index)
            for fault in faults:
                self._problems.add(Problem(self._path, number(fault.row), fault.field, fault.reason))
        return rows

    def not_read(self, column: str) -> None:
        """A column that is none of a record's."""
        self._problems.add(Problem(self._path, None, column[:100], "is no column of a traffic record: it is not read"))
