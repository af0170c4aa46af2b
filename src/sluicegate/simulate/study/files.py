"""The files of a study: each is whole or not there, and no other file is touched."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sluicegate.simulate.evidence import anonymous, anonymous_rows, report
from sluicegate.simulate.study import table
from sluicegate.simulate.study.study import Study
from sluicegate.simulate.world import World

SUMMARY: Final = "summary.json"
RESULTS: Final = "results.parquet"
REPORT: Final = "report.html"
SWEEP: Final = "sweep.parquet"
NAMES: Final = (SUMMARY, RESULTS, REPORT, SWEEP)
_PART: Final = ".part"
_SHOWN: Final = 3


class FolderError(Exception):
    """The folder cannot take the files. `str()` says why, and what to do."""


def check_folder(folder: Path) -> None:
    """Raise FolderError where `folder` is none, or holds something that a study has not put there."""
    try:
        held = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise FolderError(f"{folder} is a file: name a folder with --out") from None
    except OSError as error:
        raise FolderError(f"{folder} cannot be read: {error.strerror}") from None
    others = [name for name in held if name.removesuffix(_PART) not in NAMES]
    if others:
        listed = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        raise FolderError(f"{folder} holds other things ({listed}): name an empty or new folder with --out")


def write(folder: Path, study: Study, world: World, key: bytes | None = None) -> list[Path]:
    """Write summary.json, results.parquet, report.html and, after a sweep, sweep.parquet; where they are.

    With a `key` names are replaced, and what could tell a User by its size is left out; the runs of the sweep too,
    because paths of settings can have names in them. Raises FolderError, OSError, and ValueError for a key that is too
    short or too few Users to hide among.
    """
    check_folder(folder)
    files = _contents(study, world, key)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in NAMES:
        path = folder / name
        if name in files:
            _replace(path, files[name])
            written.append(path)
        else:
            path.unlink(missing_ok=True)  # of an earlier study: it does not go with the others any more
    return written


def _contents(study: Study, world: World, key: bytes | None) -> dict[str, bytes]:
    summary = study.summary
    rows = [*table.sums(summary)]
    if key is None:
        rows += table.cells(world, study.cells)
    else:
        rows = [*anonymous_rows(rows, summary, key)]
        summary = anonymous(summary, key)
    files = {SUMMARY: as_json(summary), RESULTS: table.results(rows), REPORT: report(summary).encode("utf-8")}
    if study.sweep_rows and key is None:
        files[SWEEP] = table.runs(study.sweep_rows, list(study.sweep_rows[0]))
    return files


def as_json(summary: Mapping[str, Any]) -> bytes:
    """The bytes of `summary.json`: the same summary, the same bytes."""
    text = json.dumps(summary, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


def _replace(path: Path, content: bytes) -> None:
    """Whoever reads `path` sees the old file or the new one. Raises OSError."""
    part = path.with_name(path.name + _PART)
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
