"""Rows in order of time, from files whose groups overlap a little, in bounded memory.

Groups are read in the order of their earliest times. What is earlier than the beginning of all groups that are still
unread can be handed out; the rest is held. So memory is what the groups overlap, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluicegate.simulate.record.columns import LATEST, SCHEMA
from sluicegate.simulate.record.piece import GROUP_ROWS, Piece
from sluicegate.simulate.record.problems import RecordError

MOST_HELD = 5_000_000
"""Rows that may be held: about 500 MB."""


def merged(pieces: Sequence[Piece], since: int, until: int) -> Iterator[pa.RecordBatch]:
    """All rows with `since <= time < until`, in order of time; those of one time in the order of files and rows.

    Raises:
        RecordError: a file cannot be read, or its rows are in no order at all.
    """
    order = sorted(
        (group.first, number, index)
        for number, piece in enumerate(pieces)
        for index, group in enumerate(piece.groups)
        if group.rows and group.last >= since and group.first < until
    )
    held = SCHEMA.empty_table()
    for at, (first, number, index) in enumerate(order):
        piece = pieces[number]
        rows = piece.read(index)
        times = _times(rows)
        if len(times) and int(times.min()) < first:
            raise RecordError(f"{piece.path}: its statistics say another time than its rows: write the file again")
        held = _in_order(pa.concat_tables([held, _between(rows, times, since, until)]))
        horizon = order[at + 1][0] if at + 1 < len(order) else LATEST
        ready = int(np.searchsorted(_times(held), horizon, side="left"))
        for start in range(0, ready, GROUP_ROWS):
            yield _batch(held.slice(start, min(GROUP_ROWS, ready - start)))
        held = held.slice(ready)
        if held.num_rows > MOST_HELD:
            raise RecordError(
                f"{piece.path}: more than {MOST_HELD:,} rows are out of their order in time: sort the files by time"
            )


def _times(rows: pa.Table) -> NDArray[np.int64]:
    found: NDArray[np.int64] = rows["time"].cast(pa.int64()).to_numpy()
    return found


def _between(rows: pa.Table, times: NDArray[np.int64], since: int, until: int) -> pa.Table:
    inside = (times >= since) & (times < until)
    return rows if inside.all() else rows.filter(pa.array(inside))


def _in_order(rows: pa.Table) -> pa.Table:
    """In order of time, with one dictionary for each text."""
    times = _times(rows)
    rows = rows.unify_dictionaries().combine_chunks()
    if (times[1:] >= times[:-1]).all():
        return rows
    return rows.take(pa.array(np.argsort(times, kind="stable")))


def _batch(rows: pa.Table) -> pa.RecordBatch:
    return rows.combine_chunks().to_batches()[0]
