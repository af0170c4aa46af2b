"""The files of a record as they grow: an open one for the present hour, Parquet for those that are over.

Everything here is done by the record's thread, and times come from the caller.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sluicegate.log import logger
from sluicegate.operations.record.folder import FILE_MODE, Folder, whole_name, write_all
from sluicegate.operations.record.rows import HOUR, hours_of
from sluicegate.simulate.record.columns import SCHEMA
from sluicegate.simulate.record.part import HEAD, PartPiece
from sluicegate.simulate.record.problems import Problems, RecordError


class OpenHour:
    """The open file of one hour: an Arrow IPC stream of which only whole batches are ever left behind.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: Folder, hour: int) -> None:
        self.hour = hour
        self.path = folder.fresh_part(hour)
        self._size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, FILE_MODE)
        try:
            self._append(HEAD)
            folder.sync()
        except OSError:
            self.close()
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise

    def append(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Add batches, so that they survive a crash once this returns.

        Raises:
            OSError: the disk is full, the file has vanished, ...; nothing of them is in the file then.
        """
        if os.stat(self.path).st_ino != os.fstat(self._descriptor).st_ino:
            raise FileNotFoundError(2, "another file has taken its place", str(self.path))
        self._append(b"".join(memoryview(batch.serialize()) for batch in batches))

    def _append(self, octets: bytes) -> None:
        try:
            write_all(self._descriptor, octets)
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._size += len(octets)

    def close(self) -> None:
        """Leave it as it is."""
        os.close(self._descriptor)


class Hours:
    """All files of a record. Rows go to the file of their own hour while it is open, and to the present one after it.

    Attributes:
        key: of the hashes.
        written: rows that are in the files, and on the disk.

    Raises:
        CannotRecord, OSError: the folder cannot be used.
    """

    def __init__(self, path: Path, keep_days: int, places: int = 1) -> None:
        self._folder = Folder(path, places)
        self._keep_days = keep_days
        self._open: OpenHour | None = None
        try:
            self._waiting = self._folder.parts()
        except BaseException:
            self._folder.close()
            raise
        self.key = self._folder.key
        self.written = 0
        self._expired = -1

    def write(self, batches: Sequence[pa.RecordBatch], now: float) -> None:
        """Add rows, at `now` seconds since 1970, and begin another file where the hour is another one.

        Raises:
            OSError: not all of them were written; `written` says how many.
        """
        hour = int(now // HOUR)
        if self._open is not None and self._open.hour != hour:
            batches = self._last_of_the_hour(self._open, batches)
            self.finish()
        if batches:
            if self._open is None:
                self._open = OpenHour(self._folder, hour)
            self._add(self._open, batches)
        if self._expired != hour:
            self._expired = hour
            self._folder.expire(now, self._keep_days)

    def _last_of_the_hour(self, before: OpenHour, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Write the rows that still belong to the hour before; the others."""
        own, others = [], []
        for batch in batches:
            belongs = hours_of(batch) == before.hour
            own.append(batch.filter(pa.array(belongs)))
            others.append(batch.filter(pa.array(~belongs)))
        own = [batch for batch in own if batch.num_rows]
        if own:
            self._add(before, own)
        return [batch for batch in others if batch.num_rows]

    def _add(self, to: OpenHour, batches: Sequence[pa.RecordBatch]) -> None:
        to.append(batches)
        self.written += sum(batch.num_rows for batch in batches)

    def finish(self) -> None:
        """End the open file: it waits for `settle` then."""
        if self._open is not None:
            self._open.close()
            self._waiting.append(self._open.path)
            self._open = None

    def settle(self) -> Generator[bool, None, None]:
        """Make Parquet files of the open files of hours that are over, a row group at a step; then remove those.

        Yields True after each step, so that rows can be written in between.

        Raises:
            OSError: the disk is full, ...; the open file is still there.
        """
        while self._waiting:
            part = self._waiting[0]
            try:
                yield from self._settle(part)
            except RecordError as error:
                part.rename(part.with_name(part.name + ".unreadable"))
                logger().error("traffic record: a file was set aside", why=str(error))
            self._waiting.pop(0)

    def _settle(self, part: Path) -> Iterator[bool]:
        whole, problems = whole_name(part), Problems()
        if not whole.exists():  # or the process ended before it had removed the open file
            piece = PartPiece(part, problems)
            if piece.groups:
                yield from _write_whole(piece, whole)
                self._folder.sync()
        part.unlink(missing_ok=True)
        if problems.count:
            logger().warning("traffic record: a file was not whole", what=[str(each) for each in problems.first[:3]])

    def close(self) -> None:
        """Leave everything as it is, and the folder to another process."""
        if self._open is not None:
            self._open.close()
            self._open = None
        self._folder.close()


def _write_whole(piece: PartPiece, whole: Path) -> Iterator[bool]:
    """Write the Parquet file under another name, and give it its own once it is whole and on the disk."""
    unfinished = whole.with_name(whole.name + ".tmp")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            writer = pq.ParquetWriter(file, SCHEMA, compression="zstd", write_page_checksum=True)
            try:
                for index in range(len(piece.groups)):
                    writer.write_table(piece.read(index).sort_by("time"))
                    yield True
            except BaseException:
                with contextlib.suppress(OSError, pa.ArrowException):
                    writer.close()
                raise
            writer.close()
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(whole)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
