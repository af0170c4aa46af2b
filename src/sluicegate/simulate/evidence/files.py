"""Files of evidence: the same content, the same bytes; each is whole or not there, and no other file is touched."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

SUMMARY: Final = "summary.json"
REPORT: Final = "report.html"
_PART: Final = ".part"
_SHOWN: Final = 3


class FolderError(Exception):
    """The folder cannot take the files. `str()` says why, and what to do."""


def check_folder(folder: Path, names: Collection[str]) -> None:
    """Raise FolderError where `folder` is none, or holds something beside files of these `names`."""
    try:
        held = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise FolderError(f"{folder} is a file: name a folder with --out") from None
    except OSError as error:
        raise FolderError(f"{folder} cannot be read: {error.strerror}") from None
    others = [name for name in held if name.removesuffix(_PART) not in names]
    if others:
        listed = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        raise FolderError(f"{folder} holds other things ({listed}): name an empty or new folder with --out")


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
