"""The files of a replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from sluicegate.simulate.evidence import anonymous, report
from sluicegate.simulate.evidence.files import REPORT, SUMMARY, as_json
from sluicegate.simulate.replay.replay import Replay

COMPARISON: Final = "comparison.parquet"
NAMES: Final = (SUMMARY, COMPARISON, REPORT)
_PLAIN: Final = ("first", "last", "rows", "files", "bad_rows")


def replay_files(done: Replay, key: bytes | None = None) -> dict[str, bytes]:
    """Their contents by name. With a `key` names are replaced, and what goes by User and minute is left out.

    Raises ValueError for a key that is too short, or too few Users to hide among.
    """
    summary = done.summary
    if key is not None:
        summary = {**anonymous(summary, key), "replay": _without_users(summary["replay"])}
    files = {SUMMARY: as_json(summary), REPORT: report(summary).encode("utf-8")}
    if key is None:
        files[COMPARISON] = _parquet(done.comparison)
    return files


def _without_users(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of `replay`: nothing that is of one User."""
    kept = {name: told[name] for name in ("policy", "habit", "window", "again", "resent", "unknown", "series")}
    record = {name: told["record"][name] for name in _PLAIN}
    return {"record": record, "config": None, **kept, "habits": [], "per_user": [], "unknown_users": []}


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=["policy", "user"])
    return bytes(sink.getvalue())
