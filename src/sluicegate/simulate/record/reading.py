"""`open_record`: a file, a folder or a pattern to a `Record`."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from sluicegate.simulate.record.columns import (
    EARLIEST,
    LATEST,
    PART_SUFFIX,
    WHOLE_SUFFIX,
    microseconds,
    moment,
)
from sluicegate.simulate.record.merge import merged
from sluicegate.simulate.record.parquet import ParquetPiece
from sluicegate.simulate.record.part import PartPiece
from sluicegate.simulate.record.piece import Piece
from sluicegate.simulate.record.problems import Problems, RecordError
from sluicegate.simulate.record.text import CsvPiece

MOST_FILES = 100_000
_SUFFIXES = (WHOLE_SUFFIX, ".csv", PART_SUFFIX)


class Span(NamedTuple):
    """The time of the first and of the last row, in UTC."""

    first: datetime
    last: datetime


class Record:
    """A traffic record, open for reading.

    Attributes:
        files: what it consists of, in the order of their names.
        rows: how many rows there are; in Parquet files bad ones are among them until they were read.
        span: the time of the first and the last row; None where there is none.
        problems: what was passed over. Whole once `batches` has come to its end.
    """

    def __init__(self, pieces: Sequence[Piece], problems: Problems, since: int, until: int) -> None:
        self._pieces = pieces
        self._since, self._until = since, until
        self.problems = problems
        self.files = tuple(piece.path for piece in pieces)
        self.rows = 0
        first, last = LATEST, EARLIEST
        for rows, low, high in self._counted():
            self.rows += rows
            first, last = min(first, low), max(last, high)
        self.span = Span(moment(first), moment(last)) if self.rows else None

    def _counted(self) -> Iterator[tuple[int, int, int]]:
        """Rows, first and last time of each group, as far as they are between `since` and `until`."""
        for piece in self._pieces:
            for index, group in enumerate(piece.groups):
                if not group.rows or group.last < self._since or group.first >= self._until:
                    continue
                if self._since <= group.first and group.last < self._until:
                    yield group
                    continue
                times = piece.read(index)["time"].cast(pa.int64()).to_numpy()
                times = times[(times >= self._since) & (times < self._until)]
                if len(times):
                    yield len(times), int(times.min()), int(times.max())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows as batches of `SCHEMA`, in order of time across files; the same each time.

        The dictionaries of the texts differ from batch to batch.

        Raises:
            RecordError: a file cannot be read any more, or its rows are in no order at all.
        """
        return merged(self._pieces, self._since, self._until)


def open_record(
    path: str | Path | Iterable[str | Path],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    strict: bool = False,
) -> Record:
    """Open a traffic record: Parquet, CSV, or what the gateway is still writing.

    Args:
        path: a file, a folder of them, a pattern (`record/traffic-2026-11-24*`), or several of these.
        since: rows from this time on; it has a time zone.
        until: rows before this time; it has a time zone.
        strict: whether the first problem is an error; it is passed over and told in `problems` otherwise.

    Raises:
        RecordError: there is no such file, or one that cannot be used; one sentence says why.
        ValueError: `since` or `until` has no time zone.
    """
    for name, bound in (("since", since), ("until", until)):
        if bound is not None and bound.tzinfo is None:
            raise ValueError(f"{name} must have a time zone")
    problems = Problems(strict)
    wanted = [path] if isinstance(path, (str, Path)) else list(path)
    files = dict.fromkeys(file for each in wanted for file in _files(each))
    if len(files) > MOST_FILES:
        raise RecordError(f"{len(files):,} files are too many: name at most {MOST_FILES:,}")
    pieces = [_piece(file, problems) for file in sorted(files) if not _twin(file).exists()]
    return Record(
        pieces,
        problems,
        EARLIEST if since is None else microseconds(since),
        LATEST if until is None else microseconds(until),
    )


def _files(path: str | Path) -> list[Path]:
    """The files that a path stands for."""
    one = Path(path)
    if one.is_dir():
        found = [file for file in one.iterdir() if file.name.endswith(_SUFFIXES)]
        if not found:
            raise RecordError(f"{one} holds no traffic record: no {', no '.join(_SUFFIXES)}")
        return found
    if one.exists():
        if not one.name.endswith(_SUFFIXES):
            raise RecordError(f"{one} is no traffic record by its name, which must end in {' or '.join(_SUFFIXES)}")
        return [one]
    if not glob.has_magic(str(path)):
        raise RecordError(f"{one} is not there")
    found = [Path(name) for name in glob.glob(str(path)) if name.endswith(_SUFFIXES)]
    if not found:
        raise RecordError(f"{path} stands for no Parquet or CSV file")
    return found


def _twin(file: Path) -> Path:
    """The Parquet file that is made of an open one, and that counts once it is there; nothing for another file."""
    if not file.name.endswith(PART_SUFFIX):
        return file / "none"
    return file.with_name(file.name.removesuffix(PART_SUFFIX) + WHOLE_SUFFIX)


def _piece(file: Path, problems: Problems) -> Piece:
    if file.name.endswith(PART_SUFFIX):
        try:
            return PartPiece(file, problems)
        except RecordError:
            if not _twin(file).exists():
                raise
            return ParquetPiece(_twin(file), problems)  # the hour ended just now
    if file.name.endswith(WHOLE_SUFFIX):
        return ParquetPiece(file, problems)
    return CsvPiece(file, problems)
