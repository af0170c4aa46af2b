"""A Parquet file of a record: the gateway's own, or anybody's with the same columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sluicegate.simulate.record.columns import EARLIEST, LATEST, SCHEMA
from sluicegate.simulate.record.conform import check_columns
from sluicegate.simulate.record.piece import MOST_GROUP_ROWS, Group, Looked
from sluicegate.simulate.record.problems import Problems, RecordError

MOST_GROUP_OCTETS = 2**30
_PER_MICROSECOND = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}


class ParquetPiece:
    """A Parquet file. Its row groups are the groups; their times come from its statistics where it has any."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self.path = path
        self._looked = Looked(path, problems)
        with self._open() as file:
            self._metadata = file.metadata
            extra = check_columns(file.schema_arrow, path)
            self._columns = [name for name in SCHEMA.names if name in file.schema_arrow.names]
            self._unit = file.schema_arrow.field("time").type.unit
            self._starts, self.groups = self._survey(file)
        for column in extra:
            self._looked.not_read(column)

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path, page_checksum_verification=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise RecordError(_unreadable(self.path, error)) from None

    def _survey(self, file: pq.ParquetFile) -> tuple[list[int], list[Group]]:
        """The number of the first row of each group, and the groups. A group without a good time has no rows."""
        starts, groups, start = [], [], 0
        for index in range(file.num_row_groups):
            told = file.metadata.row_group(index)
            if told.num_rows > MOST_GROUP_ROWS or told.total_byte_size > MOST_GROUP_OCTETS:
                raise RecordError(
                    f"{self.path}: a row group of {told.num_rows:,} rows is too large to be read: "
                    f"write the file with at most {MOST_GROUP_ROWS:,} rows in each"
                )
            stretch = self._stated(told) or self._looked_up(file, index)
            starts.append(start)
            groups.append(Group(told.num_rows, *stretch) if stretch else Group(0, 0, 0))
            start += told.num_rows
        return starts, groups

    def _stated(self, group: pq.RowGroupMetaData) -> tuple[int, int] | None:
        """The earliest and latest time of a row group, as its statistics say; None where they cannot be used."""
        column = self._time_of(group)
        statistics = column.statistics if column.is_stats_set else None
        if statistics is None or not statistics.has_min_max or column.physical_type != "INT64":
            return None
        times, divided = _PER_MICROSECOND[self._unit]
        first, last = statistics.min_raw * times // divided, statistics.max_raw * times // divided
        return (first, last) if EARLIEST <= first <= last < LATEST else None

    def _time_of(self, group: pq.RowGroupMetaData) -> pq.ColumnChunkMetaData:
        """What the footer says of the column of times. Raises RecordError where a damaged one does not name it."""
        try:
            return next(
                column for column in map(group.column, range(group.num_columns)) if column.path_in_schema == "time"
            )
        except (StopIteration, UnicodeDecodeError) as error:
            raise RecordError(_unreadable(self.path, error)) from None

    def _looked_up(self, file: pq.ParquetFile, index: int) -> tuple[int, int] | None:
        """The same from the times themselves, bad ones left out; None where there is no good one."""
        try:
            column = file.read_row_group(index, columns=["time"])["time"]
        except (pa.ArrowException, OSError) as error:
            raise RecordError(_unreadable(self.path, error)) from None
        times = column.cast(SCHEMA.field("time").type, safe=False).cast(pa.int64()).drop_null().to_numpy()
        times = times[(times >= EARLIEST) & (times < LATEST)]
        return (int(np.min(times)), int(np.max(times))) if len(times) else None

    def read(self, index: int) -> pa.Table:
        """The good rows of one row group."""
        with self._open() as file:
            if not file.metadata.equals(self._metadata):
                raise RecordError(f"{self.path} has changed while it was read: read it again once it is whole")
            try:
                table = file.read_row_group(index, columns=self._columns)
                table.validate(full=True)
            except (pa.ArrowException, OSError) as error:
                raise RecordError(_unreadable(self.path, error)) from None
        start = self._starts[index] + 1
        return self._looked.take(table, index, lambda row: start + row)


def _unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} is not there"
    if isinstance(error, PermissionError):
        return f"{path} must not be read by this account: change its permissions or the account"
    if path.is_dir():
        return f"{path} is a folder, and must be a Parquet file"
    why = (str(error) or "its footer names no column of times").strip().partition("\n")[0][:200].rstrip(".")
    return f"{path} cannot be read as Parquet ({why}): it is damaged, or something else"
