"""Usage as rows for other programs: CSV, or Parquet. As many as there are: they are written as they are read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

from sluicegate.operations.history.counts import SECOND, Counts
from sluicegate.operations.history.reading import MOST_POINTS, Usages
from sluicegate.operations.history.writing import NAMES

Row = tuple[int, str, str, int, int, int, int, int]
"""Time, User and SRV (empty: all), counts."""

HEADS: Final = ("time", "user", "srv", *NAMES)
AT_ONCE: Final = 50_000


def rows(
    usages: Usages, by: str, user: str | None, srv: str | None, since: int, until: int, step: int
) -> Iterator[Row]:
    """What was counted in each step, zeros left out.

    Args:
        by: `time`: `user` (None: all together); `user`: each User; `srv`: each SRV of `user`.

    Raises:
        ValueError: no such step.
    """
    begin, end = since // step * step, -(-until // step) * step
    for at in range(begin, end, step * MOST_POINTS):
        to = min(end, at + step * MOST_POINTS)
        if by == "srv":
            for one in range(at, to, step):
                for name, (within, excess, throttled) in usages.by_srv(user, one, one + step).items():
                    yield one, user or "", name, within, excess, throttled, 0, 0
            continue
        for who in usages.users(at, to) if by == "user" and user is None else [user]:
            for when, counts in usages.series(who, at, to, step, srv).points:
                if any(counts):
                    yield _row(when, who, srv, counts)


def _row(when: int, user: str | None, srv: str | None, counts: Counts) -> Row:
    return when, user or "", srv or "", *counts


def to_csv(path: Path, found: Iterable[Row]) -> int:
    """Write them; returns how many. Raises OSError."""
    with path.open("w", newline="", encoding="utf-8") as file:
        return write_csv(file, found)


def write_csv(file: TextIO, found: Iterable[Row]) -> int:
    """The same to what is open. Raises OSError."""
    count = 0
    writer = csv.writer(file)
    writer.writerow(HEADS)
    for at, *rest in found:
        writer.writerow((datetime.fromtimestamp(at / SECOND, UTC).isoformat().replace("+00:00", "Z"), *rest))
        count += 1
    return count


def to_parquet(path: Path, found: Iterable[Row]) -> int:
    """Write them; returns how many. Raises OSError, ImportError (it needs the extra `evidence`)."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    fields = [("time", pa.timestamp("us", "UTC")), ("user", pa.string()), ("srv", pa.string())]
    schema = pa.schema([*fields, *((name, pa.int64()) for name in NAMES)])
    count, left = 0, iter(found)
    with pq.ParquetWriter(path, schema) as writer:
        while some := list(islice(left, AT_ONCE)):
            columns: list[Any] = [
                pa.array(column, field.type) for column, field in zip(zip(*some, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            count += len(some)
    return count
