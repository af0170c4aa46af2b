"""From what the event loop noted to batches of the record's columns. RequestIDs become keyed hashes here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluicegate.simulate.record.columns import PART_SCHEMA, request_hash

if TYPE_CHECKING:
    from sluicegate.operations.record.recorder import Row

HOUR = 3600
BATCH_ROWS = 2_000
"""So many rows are turned at once: longer would hold up the event loop, for it is done under the interpreter's lock."""


def batches_of(rows: Sequence[Row], offset: float, key: bytes) -> Iterator[pa.RecordBatch]:
    """Batches of `PART_SCHEMA`. `offset` is what the clock shows (seconds since 1970) less the monotonic clock."""
    for start in range(0, len(rows), BATCH_ROWS):
        yield _batch(rows[start : start + BATCH_ROWS], offset, key)


def _batch(rows: Sequence[Row], offset: float, key: bytes) -> pa.RecordBatch:
    started, users, headers, sizes, outcomes, statuses, upstream, latencies = zip(*rows, strict=True)
    times = np.round((np.array(started) + offset) * 1e6).astype(np.int64)
    columns = {
        "time": times,
        "user": users,
        # From its parts, which the reader has brought into one form: a retry may be written in another case.
        "request": [request_hash(f"{h.originator}:{h.target}:{h.counter}", key) for h in headers],
        "srv": [h.srv for h in headers],
        "command_variant": [h.command_variant for h in headers],
        "region": [None] * len(rows),  # the message does not say, and the gateway has no other source
        "duis": [str(h.version) for h in headers],
        "size": sizes,
        "outcome": outcomes,
        "status": statuses,
        "upstream_status": upstream,
        "latency": latencies,
    }
    return pa.record_batch([pa.array(columns[f.name], f.type) for f in PART_SCHEMA], schema=PART_SCHEMA)


def hours_of(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """The hour of each row, counted from 1970."""
    times: NDArray[np.int64] = batch["time"].cast(pa.int64()).to_numpy()
    return times // (HOUR * 1_000_000)
