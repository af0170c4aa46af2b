"""A power cut takes what was not synced, and nothing else."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys

import pytest
from bench.faults.unsynced import compiled, cut, environment

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler here")

HEAD = """
import os, sys
path = os.path.join(sys.argv[1], "file")
def pwrite(at, octets): os.pwrite(fd, octets, at)
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("library"))


class Machine:
    """A folder on a disk that can lose its power."""

    def __init__(self, folder, library):
        self.live, self.shadow, self._library = folder / "live", folder / "shadow", library
        self.live.mkdir()
        self.shadow.mkdir()

    def run(self, program, **more):
        said = {**os.environ, **environment(self._library, self.live, self.shadow), **more}
        done = subprocess.run(
            [sys.executable, "-c", HEAD + program + "\nos.kill(os.getpid(), 9)", str(self.live)],
            env=said, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == -9, done.stderr

    def cut(self, part=0.0, seed=1):
        return cut(self.live, self.shadow, random.Random(seed), part)

    @property
    def octets(self):
        return (self.live / "file").read_bytes()


@pytest.fixture
def box(tmp_path, library):
    return Machine(tmp_path, library)


@pytest.mark.parametrize("sync", ["fsync", "fdatasync"])
def test_what_was_synced_stays_and_what_was_not_goes(box, sync):
    box.run(f"pwrite(0, b'a' * 5000); os.{sync}(fd); pwrite(1000, b'b' * 5000); os.write(fd, b'c' * 10)")
    assert box.octets == b"c" * 10 + b"a" * 990 + b"b" * 5000
    assert box.cut() > 0
    assert box.octets == b"a" * 5000


def test_a_file_that_was_never_synced_is_gone(box):
    box.run("pwrite(0, b'a')")
    box.cut()
    assert not (box.live / "file").exists()


def test_a_file_grows_and_shrinks_only_when_synced(box):
    box.run("pwrite(0, b'a' * 4000); os.fsync(fd); os.ftruncate(fd, 100)")
    box.cut()
    assert box.octets == b"a" * 4000
    box.run("os.ftruncate(fd, 100); os.ftruncate(fd, 600); os.fsync(fd); pwrite(0, b'z')")
    box.cut()
    assert box.octets == b"a" * 100 + b"\0" * 500


def test_a_truncation_that_was_not_synced_has_happened_or_has_not(box):
    seen = set()
    for seed in range(12):
        box.run("os.ftruncate(fd, 0); pwrite(0, b'a' * 4096); os.fsync(fd); os.ftruncate(fd, 1024)")
        box.cut(part=0.5, seed=seed)
        seen.add(box.octets)
    assert seen == {b"a" * 4096, b"a" * 1024}


def test_what_one_cut_has_left_is_on_the_disk_at_the_next(box):
    box.run("pwrite(0, b'a' * 2048); os.fsync(fd); pwrite(0, b'b' * 2048)")
    box.cut(part=0.5)
    kept = box.octets
    assert set(kept) == set(b"ab")
    box.run("pwrite(0, b'c' * 2048)")
    box.cut()
    assert box.octets == kept


def test_of_unsynced_writes_any_sectors_may_have_reached_the_disk(box):
    box.run("pwrite(0, b'a' * 512 * 200); os.fsync(fd); pwrite(0, b'b' * 512 * 200)")
    lost = box.cut(part=0.5)
    sectors = [box.octets[at : at + 512] for at in range(0, 512 * 200, 512)]
    assert set(sectors) == {b"a" * 512, b"b" * 512}
    assert sectors.count(b"a" * 512) == lost


def test_renames_and_unlinks_are_followed(box):
    box.run("pwrite(0, b'a'); os.fsync(fd); os.rename(path, path + '2'); os.fsync(fd); pwrite(0, b'b'); os.fsync(fd)")
    box.cut()
    assert {path.name: path.read_bytes() for path in box.live.iterdir()} == {"file2": b"b"}
    box.run("pwrite(0, b'c'); os.fsync(fd); os.unlink(path); os.unlink(path + '2')")
    box.cut()
    assert list(box.live.iterdir()) == []


def test_a_disk_that_lies_keeps_nothing(box):
    box.run("pwrite(0, b'a'); os.fsync(fd)", UNSYNCED_LIES="1")
    box.cut()
    assert not (box.live / "file").exists()


SQLITE = """
import sqlite3
base = sqlite3.connect(os.path.join(sys.argv[1], "base.db"), isolation_level=None)
base.execute("PRAGMA journal_mode = WAL"); base.execute("PRAGMA synchronous = FULL")
base.execute("CREATE TABLE t (n INTEGER)")
base.execute("PRAGMA synchronous = %s")
for n in range(50): base.execute("INSERT INTO t VALUES (?)", (n,))
"""


@pytest.mark.parametrize(("level", "rows"), [("FULL", 50), ("NORMAL", 0), ("OFF", 0)])
def test_sqlite_keeps_its_commits_with_full_and_with_nothing_less(box, level, rows):
    import sqlite3

    box.run(SQLITE % level)
    box.cut()
    base = sqlite3.connect(box.live / "base.db")
    try:
        assert base.execute("SELECT count(*) FROM t").fetchone() == (rows,)
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        base.close()
