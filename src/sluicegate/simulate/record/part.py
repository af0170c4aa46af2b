"""The file of an hour that is not over, or that a crash ended: an Arrow IPC stream, whole batch by batch."""

from __future__ import annotations

import io
import os
import weakref
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sluicegate.simulate.record.columns import EARLIEST, LATEST, PART_SCHEMA
from sluicegate.simulate.record.piece import GROUP_ROWS, Group, Looked
from sluicegate.simulate.record.problems import Problem, Problems, RecordError

HEAD = PART_SCHEMA.serialize().to_pybytes()
"""How such a file begins."""


class Stretch(io.RawIOBase):
    """The octets from `start` to `end` of an open file, perhaps with `HEAD` before them; never more than there are.

    Reads by place, so that others may use the same descriptor.
    """

    def __init__(self, descriptor: int, start: int, end: int, head: bytes = b"") -> None:
        self._descriptor = descriptor
        self._head = head
        self.at = start
        self._end = end

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` octets, whatever a damaged length in the file asks for."""
        if self._head:
            size = len(self._head) if size is None or size < 0 else size
            octets, self._head = self._head[:size], self._head[size:]
            return octets
        left = self._end - self.at
        octets = os.pread(self._descriptor, left if size is None or size < 0 else min(size, left), self.at)
        self.at += len(octets)
        return octets


class PartPiece:
    """Such a file, as far as it was whole when it was opened. What is added later is not read.

    It stays readable when the gateway makes a Parquet file of it and removes it.

    Attributes:
        tail: octets behind the last whole batch: one that is being written, or that a crash cut off.
    """

    def __init__(self, path: Path, problems: Problems) -> None:
        self.path = path
        self._looked = Looked(path, problems)
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise RecordError(f"{path} cannot be read: {error.strerror}") from None
        weakref.finalize(self, os.close, self._descriptor)
        self.groups: list[Group] = []
        self._places: list[tuple[int, int, int]] = []
        size = os.fstat(self._descriptor).st_size
        whole = self._survey(size)
        self.tail = size - whole
        if self.tail:
            problems.add(Problem(path, None, "", f"its last {self.tail:,} octets are no whole batch and are not read"))

    def _survey(self, size: int) -> int:
        """Find the groups; returns how many octets are whole batches."""
        stream = Stretch(self._descriptor, 0, size)
        try:
            reader = pa.ipc.open_stream(stream)
        except (pa.ArrowException, OSError, MemoryError):
            if size < len(HEAD):  # a crash right at its beginning
                return 0
            raise RecordError(f"{self.path} is not a file of the gateway's record, or it is damaged") from None
        if not reader.schema.equals(PART_SCHEMA):
            raise RecordError(f"{self.path} holds other columns than this version's record: replay it with its own")
        start = whole = stream.at
        rows, first, last, begins = 0, LATEST, EARLIEST, 1
        while (batch := _next(reader)) is not None:
            low, high = _stretch(batch)
            rows, first, last = rows + batch.num_rows, min(first, low), max(last, high)
            whole = stream.at
            if rows >= GROUP_ROWS:
                self._take(Group(rows, first, last), start, whole, begins)
                start, begins = whole, begins + rows
                rows, first, last = 0, LATEST, EARLIEST
        if rows:
            self._take(Group(rows, first, last), start, whole, begins)
        return whole

    def _take(self, group: Group, start: int, end: int, begins: int) -> None:
        self.groups.append(group if group.first <= group.last else Group(0, 0, 0))
        self._places.append((start, end, begins))

    def read(self, index: int) -> pa.Table:
        """The good rows of one group."""
        start, end, begins = self._places[index]
        stream = Stretch(self._descriptor, start, end, HEAD)
        reader = pa.ipc.open_stream(stream)
        batches = []
        while (batch := _next(reader)) is not None:
            batches.append(batch)
        if stream.at != end:
            raise RecordError(f"{self.path} has changed while it was read: read it again")
        return self._looked.take(pa.Table.from_batches(batches, PART_SCHEMA), index, lambda row: begins + row)


def _next(reader: pa.ipc.RecordBatchStreamReader) -> pa.RecordBatch | None:
    """The next whole batch; None at the end, and at the first thing that is none."""
    try:
        batch = reader.read_next_batch()
        batch.validate(full=True)
    except (StopIteration, pa.ArrowException, OSError, MemoryError):
        return None
    return batch


def _stretch(batch: pa.RecordBatch) -> tuple[int, int]:
    """The earliest and the latest good time of a batch, in microseconds; the wrong way round where there is none."""
    times = batch["time"].cast(pa.int64())
    good = times.filter(pc.and_(pc.greater_equal(times, EARLIEST), pc.less(times, LATEST)))
    found = pc.min_max(good).as_py()
    return (LATEST, EARLIEST) if found["min"] is None else (found["min"], found["max"])
