"""The files of a replay and of an incident: all of them are made before the first is put in place."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from sluicegate.simulate.evidence import anonymous, report
from sluicegate.simulate.replay.replay import Replay

SUMMARY: Final = "summary.json"
COMPARISON: Final = "comparison.parquet"
REPORT: Final = "report.html"
_PART: Final = ".part"
_PLAIN: Final = ("first", "last", "rows", "files", "bad_rows")


class ReplayFolderError(Exception):
    """The folder cannot take the files. `str()` says why, and what to do."""


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


def check_folder(folder: Path) -> None:
    """Raise ReplayFolderError where `folder` is none, or holds something that a replay has not put there."""
    try:
        held = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise ReplayFolderError(f"{folder} is a file: name a folder with --out") from None
    except OSError as error:
        raise ReplayFolderError(f"{folder} cannot be read: {error.strerror}") from None
    others = [name for name in held if name.removesuffix(_PART) not in (SUMMARY, COMPARISON, REPORT)]
    if others:
        raise ReplayFolderError(f"{folder} holds other things ({others[0]}): name an empty or new folder with --out")


def as_json(what: Mapping[str, Any]) -> bytes:
    """The same content, the same bytes."""
    text = json.dumps(what, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


def put(files: Mapping[Path, bytes], stale: tuple[Path, ...] = ()) -> None:
    """Write them all beside their places, then put them there: a stop in between leaves what was there before.

    `stale`: files of an earlier run that do not go with these. Raises OSError.
    """
    parts = {path: path.with_name(path.name + _PART) for path in files}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with parts[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path, part in parts.items():
            part.replace(path)
        for path in stale:
            path.unlink(missing_ok=True)
    except BaseException:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        raise
