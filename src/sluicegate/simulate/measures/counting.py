"""Counting into a table, at a cost that depends on what is counted and not on how large the table is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_DENSE = 2  # a whole new table is cheaper than single steps, while it is not larger than this times what is counted


def tally(table: NDArray[Any], index: NDArray[np.int64]) -> None:
    """Add 1 to `table` at each `index`, as often as it occurs."""
    if len(table) <= _DENSE * len(index):
        table += np.bincount(index, minlength=len(table)).astype(table.dtype, copy=False)
    else:
        np.add.at(table, index, table.dtype.type(1))


def grouped(table: NDArray[Any], group: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """Sums of the rows of `table` by `group`: [groups, columns]. A negative group is left out."""
    sums = np.zeros((groups, table.shape[1]), np.int64)
    order = np.argsort(group, kind="stable")
    order = order[np.searchsorted(group[order], 0) :]
    found, starts = np.unique(group[order], return_index=True)
    if len(found):
        sums[found] = np.add.reduceat(table[order], starts, axis=0, dtype=np.int64)
    return sums
