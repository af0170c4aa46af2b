"""The folder of a record: one writer to a place in it, the key of its hashes, names, and how long files are kept."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

KEY_OCTETS = 32
KEY, LOCK = "record.key", "record.lock"
WHOLE, PART, UNFINISHED = ".parquet", ".arrows.part", ".parquet.tmp"
FOLDER_MODE, FILE_MODE, KEY_MODE = 0o750, 0o640, 0o600

PLACES = 256
"""Workers of a fleet that can write to one folder."""

_NAME = re.compile(
    r"traffic-(\d{4}-\d{2}-\d{2}T\d{2})(?:-w(\d{1,3}))?(?:-\d+)?(\.parquet|\.arrows\.part|\.parquet\.tmp)", re.ASCII
)


class CannotRecord(Exception):  # noqa: N818 - told as it is
    """There can be no record for now. `str()` says why, as an operator is told."""


class Folder:
    """A place in the folder, locked for this process. The folder is made where it is not there.

    Args:
        places: how many may write to it at a time, each files of its own names: more than 1 for the workers of a
            fleet. The first free place is taken.

    Raises:
        CannotRecord: others write to it at all places, or its key cannot be used.
        OSError: it cannot be made, or not be written to.
    """

    def __init__(self, path: Path, places: int = 1) -> None:
        self.path = path
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self._lock, self._place = _a_place(path, places)
        try:
            self.key = self._key()
            for each in self._own(UNFINISHED):
                each.unlink()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process write to it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _key(self) -> bytes:
        """The key, made at the first use; never written anywhere else."""
        path = self.path / KEY
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = secrets.token_bytes(KEY_OCTETS)
            new = path.with_suffix(f".new{self._place}")
            with contextlib.suppress(FileNotFoundError):
                new.unlink()  # of a start that did not get further
            written = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, KEY_MODE)
            try:
                write_all(written, key)
                os.fsync(written)
            finally:
                os.close(written)
            try:
                os.link(new, path)
            except FileExistsError:  # another worker was there first: one key counts
                key = path.read_bytes()
            new.unlink()
            self.sync()
        if len(key) != KEY_OCTETS:
            raise CannotRecord(f"{path} is not a key of {KEY_OCTETS} octets: put the right one back, or remove it")
        return key

    def sync(self) -> None:
        """Make names that were given or taken survive a loss of power."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _named(self, suffix: str) -> list[Path]:
        """The files of the record's own names, of whatever place, that end so, in their order."""
        return sorted(
            each for each in self.path.iterdir() if (found := _NAME.fullmatch(each.name)) and found[3] == suffix
        )

    def _own(self, suffix: str) -> list[Path]:
        return [each for each in self._named(suffix) if _place_of(each) == self._place]

    def parts(self) -> list[Path]:
        """Files of hours that nobody has finished, of this place."""
        return self._own(PART)

    def fresh_part(self, hour: int) -> Path:
        """The name of an open file that is not taken yet. `hour` counts from 1970."""
        stem = f"traffic-{datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%dT%H}"
        if self._place > 1:
            stem += f"-w{self._place}"
        taken = {_NAME.fullmatch(name) and name.partition(".")[0] for name in os.listdir(self.path)}
        number, name = 1, stem
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        return self.path / (name + PART)

    def expire(self, now: float, keep_days: int) -> int:
        """Remove the files of hours that ended more than so many days before `now` (seconds since 1970); how many."""
        before = datetime.fromtimestamp(now, UTC) - timedelta(days=keep_days, hours=1)
        old = [each for each in self._named(WHOLE) if _hour_of(each) < before]
        for each in old:
            each.unlink(missing_ok=True)
        return len(old)


def whole_name(part: Path) -> Path:
    """The Parquet file that an open file becomes."""
    return part.with_name(part.name.removesuffix(PART) + WHOLE)


def _hour_of(file: Path) -> datetime:
    found = _NAME.fullmatch(file.name)
    try:
        return datetime.strptime(f"{found[1] if found else ''}+0000", "%Y-%m-%dT%H%z")
    except ValueError:  # the form of our names, and no date: not ours
        return datetime.max.replace(tzinfo=UTC)


def _place_of(file: Path) -> int:
    found = _NAME.fullmatch(file.name)
    return int(found[2]) if found and found[2] else 1


def _a_place(path: Path, places: int) -> tuple[int, int]:
    """The lock of the first free one, and its number."""
    for place in range(1, places):
        with contextlib.suppress(CannotRecord):
            return _locked(path / _lock_of(place)), place
    return _locked(path / _lock_of(places)), places


def _lock_of(place: int) -> str:
    return LOCK if place == 1 else f"record.{place}.lock"


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        with contextlib.suppress(OSError):  # on a full disk the lock holds without it
            os.write(descriptor, b"%d\n" % os.getpid())
    except BlockingIOError:
        number = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        who = f"another process ({number})" if number.isdigit() else "another process"
        raise CannotRecord(f"{who} writes to {path.parent}: give each gateway a folder of its own") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_all(descriptor: int, octets: bytes) -> None:
    """Write all of it. Raises OSError."""
    left = memoryview(octets)
    while left:
        left = left[os.write(descriptor, left) :]


def why(error: OSError) -> str:
    """An error of a file as an operator is told."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"
