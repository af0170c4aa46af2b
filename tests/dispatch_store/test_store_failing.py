"""Killed, full, cut off: what was acknowledged is there, what was not is not there by half, and it goes on."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from store_material import NOW, accept, ask, claim, hold, key, settle, sr, states

from postgres import WHO, Server
from sluicegate.database.errors import StoreError, StoreFull, StoreLost, translated
from sluicegate.dispatch.parcel import State, Taken
from sluicegate.dispatch.store.interface import Store, Transaction
from sluicegate.dispatch.store.opening import open_store

Opener = Callable[..., Store]
ROUNDS = 3
VICTIM = Path(__file__).parent / "store_victim.py"


def run_and_kill(where: str, first: int, after: float) -> list[int]:
    """A process that accepts parcels from a number on, killed so many seconds after its first one."""
    command = [sys.executable, str(VICTIM), where, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "open\n"
            time.sleep(after)
        finally:
            process.kill()
        return [int(line) for line in process.stdout if line.endswith("\n")]


@pytest.mark.long
def test_what_was_acknowledged_survives_a_kill_at_any_time(where: str, opener: Opener) -> None:
    acknowledged: list[int] = []
    for number in range(ROUNDS):
        acknowledged += run_and_kill(where, number * 100_000, random.uniform(0.0, 0.1))
        store = opener(where, lease_seconds=0.0)
        with store.transaction() as transaction:
            for one in acknowledged:
                parcel, state, _ = transaction.find(key(one))[0]
                assert state in {State.DELIVERED, State.CLAIMED, State.BLOCKED, State.READY}
                assert len(transaction.body(parcel.seq)) == 1_700
        store.close()
    assert acknowledged
    store = opener(where)
    assert accept(store, sr(acknowledged[-1], body=b"x" * 1_700))[0].taken is Taken.REPEATED


def test_claims_of_a_killed_process_are_free_at_once_with_sqlite(tmp_path: Path, opener: Opener) -> None:
    where = str(tmp_path / "dispatch.db")
    hold(opener(where), sr(1))
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):  # as it is on the disk when the process ends without a word
        Path(f"{copy}{suffix}").write_bytes(Path(f"{where}{suffix}").read_bytes())
    store = opener(str(copy))
    assert states(store, 1) == [State.CLAIMED]
    assert store.take_over(NOW) == 1
    assert [parcel.repeated for parcel in claim(store)] == [True]


def fill(store: Store) -> int:
    """Accept until the store is full; the first number that is not there."""
    for number in range(0, 1_000_000, 10):
        try:
            accept(store, *(sr(one, body=b"x" * 5_000) for one in range(number, number + 10)))
        except StoreFull:
            return number
    raise AssertionError("it is never full")


def check_full(store: Store, more: Callable[[], object]) -> None:
    """It takes nothing by half, tells what it has, and works again when there is room."""
    last = fill(store)
    assert last > 10
    assert states(store, last - 1, last) == [State.READY, None]
    with pytest.raises(StoreFull):
        accept(store, *(sr(one, body=b"x" * 100_000) for one in range(last, last + 10)))
    assert set(states(store, *range(last, last + 10))) == {None}
    more()
    assert accept(store, sr(last))[0].taken is Taken.ACCEPTED
    held = claim(store, most=5)
    assert settle(store, [one.seq for one in held]).applied == {one.seq for one in held}


def test_a_full_sqlite_takes_nothing_by_half(tmp_path: Path, opener: Opener) -> None:
    store = opener(str(tmp_path / "dispatch.db"))

    def pages(most: int) -> None:
        ask(store, lambda it: it._work.connection.exec_driver_sql(f"PRAGMA max_page_count = {most}").all())

    pages(200)
    check_full(store, lambda: pages(100_000))


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 3 MB, where we may make one."""
    folder = Path(tempfile.mkdtemp(prefix="store-small-", dir="/tmp"))
    small = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=755", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(small, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("we may not mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def grow(disk: Path) -> None:
    """There is room again."""
    subprocess.run(["mount", "-o", "remount,size=60m", disk], check=True)


def test_a_full_disk_is_told_and_survived(small_disk: Path) -> None:
    store = open_store(str(small_disk / "dispatch.db"))
    check_full(store, lambda: grow(small_disk))
    store.close()


def test_a_full_disk_of_postgresql_is_told_and_survived(small_disk: Path, server: Server) -> None:
    where = small_disk / "tables"
    where.mkdir()
    shutil.chown(where, WHO)
    server.execute(f"CREATE TABLESPACE small LOCATION '{where}'")
    store = open_store(f"{server.schema('small')}%20-cdefault_tablespace%3Dsmall")
    try:
        check_full(store, lambda: grow(small_disk))
    finally:
        store.close()
        server.execute("DROP SCHEMA small CASCADE", "DROP TABLESPACE small")


def test_a_full_disk_at_the_start_is_told(small_disk: Path) -> None:
    (small_disk / "other").write_bytes(b"x" * (3 * 1024 * 1024 - 8192))
    with pytest.raises(StoreError):
        open_store(str(small_disk / "dispatch.db"))
    (small_disk / "other").unlink()
    open_store(str(small_disk / "dispatch.db")).close()


def test_what_postgresql_says_of_a_full_disk_is_understood() -> None:
    class DiskFull(Exception):
        sqlstate = "53100"

    class Broken(Exception):
        sqlstate = "58030"

    told = "could not extend file: No space left on device"
    for error, kind in ((DiskFull(told), StoreFull), (Broken(told), StoreFull), (Broken("else"), StoreError)):
        assert type(translated(OperationalError("", {}, error), "x")) is kind


def test_a_failed_read_or_write_of_sqlite_is_in_doubt_and_the_file_is_opened_anew(
    tmp_path: Path, opener: Opener
) -> None:
    store = opener(str(tmp_path / "dispatch.db"))
    accept(store, sr(1))
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC

    def fail(transaction: Transaction) -> None:
        transaction.accept([sr(2)])
        raise DBAPIError("COMMIT", {}, error)

    before = store._connection
    with pytest.raises(StoreLost, match="disk I/O error"):
        ask(store, fail)
    assert states(store, 1, 2) == [State.READY, None]
    assert store._connection is not before


@pytest.fixture
def fragile() -> Iterator[Server]:
    """A PostgreSQL that a test may kill."""
    made = Server(fsync="on")
    yield made
    made.stop()


def test_a_postgresql_that_is_killed_is_lost_and_comes_back(fragile: Server, opener: Opener) -> None:
    store = opener(fragile.schema("killed"))
    (safe,) = hold(store, sr(1))

    def kill(transaction: Transaction) -> None:
        transaction.accept([sr(2)])
        fragile.kill()
        transaction.accept([sr(3)])

    with pytest.raises(StoreLost):
        ask(store, kill)
    for _ in range(2):
        with pytest.raises(StoreLost):
            accept(store, sr(4))
    with pytest.raises(StoreLost):
        store.renew(15.0)
    fragile.start()
    assert accept(store, sr(4))[0].taken is Taken.ACCEPTED
    assert states(store, 1, 2, 3) == [State.CLAIMED, None, None]
    assert store.renew(15.0) is True
    assert settle(store, [safe.seq]).applied == {safe.seq}


def test_a_commit_that_is_cut_off_is_in_doubt(fragile: Server, opener: Opener) -> None:
    store = opener(fragile.schema("cut"))

    def cut(transaction: Transaction) -> None:
        transaction.accept([sr(1, hold=True)])
        fragile.kill()

    with pytest.raises(StoreLost):
        ask(store, cut)
    fragile.start()
    assert store.release_all_but(frozenset()) == 0
    assert accept(store, sr(1))[0].taken is Taken.ACCEPTED
    fragile.kill()
    store.close()  # says nothing: the lease ends by itself


def test_a_connection_that_the_server_ends_is_lost(server: Server, opener: Opener) -> None:
    store = opener(server.schema("ended"))

    def end(transaction: Transaction) -> None:
        transaction.accept([sr(1)])
        pid = transaction._work.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        server.execute(f"SELECT pg_terminate_backend({pid:d}, 5000)")
        transaction.accept([sr(2)])

    with pytest.raises(StoreLost):
        ask(store, end)
    assert states(store, 1, 2) == [None, None]
