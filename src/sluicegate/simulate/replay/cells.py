"""Counts by User and minute, kept only where there are any."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.replay.rows import Ints

MINUTE: Final = 60
_COLUMNS: Final = 8
_USERS: Final = 1 << 24
_MOST_LOOSE: Final = 1 << 20


class Cells:
    """Up to 8 counts for each minute and User. Memory goes with the cells that are not empty."""

    def __init__(self) -> None:
        self._codes: list[Ints] = []
        self._counts: list[Ints] = []
        self._loose = 0

    def add(self, column: int | Ints, users: Ints, minutes: Ints) -> None:
        """Count 1 in `column` for each User and minute."""
        codes, counts = np.unique((minutes * _USERS + users) * _COLUMNS + column, return_counts=True)
        self._codes.append(codes)
        self._counts.append(counts)
        self._loose += len(codes)
        if self._loose > _MOST_LOOSE:
            self._settle()
            self._loose = 0

    def _settle(self) -> tuple[Ints, Ints]:
        """Each code once, in order."""
        empty = np.empty(0, np.int64)
        codes, place = np.unique(np.concatenate([empty, *self._codes]), return_inverse=True)
        counts = np.zeros(len(codes), np.int64)
        np.add.at(counts, place, np.concatenate([empty, *self._counts]))
        self._codes, self._counts = [codes], [counts]
        return codes, counts

    def table(self) -> tuple[Ints, Ints, NDArray[np.int64]]:
        """Minutes, Users and counts [cells, 8], in order of minute and User."""
        codes, counts = self._settle()
        cells, place = np.unique(codes // _COLUMNS, return_inverse=True)
        found = np.zeros((len(cells), _COLUMNS), np.int64)
        found[place, codes % _COLUMNS] = counts
        return cells // _USERS, cells % _USERS, found


def minutes_of(seconds: NDArray[np.float64]) -> Ints:
    """The minute of each time, from 0."""
    found: Ints = (seconds / MINUTE).astype(np.int64)
    return found
