"""The recorder: nothing that happens to its files reaches the event loop; what is lost is counted, and said."""

import contextlib
import os
import shutil
import subprocess
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sluicegate.duis import Header
from sluicegate.operations.record import Recorder, recorder
from sluicegate.operations.record.hours import Hours
from sluicegate.settings import Record
from sluicegate.simulate.record import open_record

HEADER = Header(Decimal("5.4"), "a:b:1", "a", "b", 1, 1, "2.2", "2.2", None, None)


def row(user: str = "Large"):
    return (time.monotonic(), user, HEADER, 1700, "within", 200, 200, 0.25)


def table(folder: Path) -> Record:
    """`[record]`, flushing more often than the configuration permits."""
    return Record.model_construct(folder=folder, flush_seconds=0.01, keep_days=35)


def wait_for(condition, patience: float = 60.0) -> None:
    until = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


@pytest.fixture
def started():
    """Starts recorders that flush often and try again soon."""
    made = []

    def start(folder: Path, retry: float = 0.05) -> Recorder:
        one = Recorder(table(folder), retry)
        made.append(one)
        one.start()
        return one

    yield start
    for one in made:
        one.close()
        assert not one._thread.is_alive()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one MiB, where this account may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount")
    if (
        not mounted
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_rows_are_on_the_disk_soon_and_a_stop_makes_whole_files(started, tmp_path) -> None:
    one = started(tmp_path / "record")
    for _ in range(100):
        one.take(row())
    wait_for(lambda: one.written == 100)
    assert open_record(tmp_path / "record").rows == 100
    one.take(row())
    one.close()
    assert (one.written, one.lost, one.waiting, one.stopped) == (101, 0, 0, "")
    record = open_record(tmp_path / "record")
    assert record.rows == 101
    assert all(file.suffix == ".parquet" for file in record.files)


def test_no_row_is_lost_between_the_event_loop_and_the_thread(started, tmp_path) -> None:
    one = started(tmp_path / "record")
    done = threading.Event()

    def offer() -> None:
        for _ in range(20_000):
            one.take(row())
        done.set()

    threading.Thread(target=offer).start()
    assert done.wait(60)
    one.close()
    assert open_record(tmp_path / "record").rows == 20_000 == one.written


def test_what_does_not_fit_is_dropped_and_counted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(recorder, "MOST_WAITING", 10)
    one = Recorder(table(tmp_path))
    for _ in range(25):
        one.take(row())
    assert (one.waiting, one.lost) == (10, 15)


def test_a_full_disk_stops_the_record_and_it_goes_on_when_there_is_room(started, small_disk) -> None:
    with capture_logs() as logs:
        one = started(small_disk)
        one.take(row())
        wait_for(lambda: one.written == 1)
        fill = small_disk / "somebody else's"
        with fill.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        taken = 0
        while not one.stopped:
            for _ in range(200):
                one.take(row())
            taken += 200
            wait_for(lambda: not one.waiting)
        assert one.stopped == "the disk is full"
        lost = one.lost
        assert lost > 0
        assert open_record(small_disk).problems.count == 0, "half a batch stayed behind"
        for _ in range(50):
            one.take(row())
        wait_for(lambda: one.lost == lost + 50)
        fill.unlink()
        wait_for(lambda: not one.stopped)
        one.take(row())
        wait_for(lambda: one.written + one.lost == taken + 52)
        one.close()
    assert open_record(small_disk).rows == one.written == taken + 52 - one.lost
    told = [(line["event"], line.get("why")) for line in logs if line["event"].startswith("traffic record")]
    assert told[0] == ("traffic record stopped", "the disk is full")
    assert told[-1] == ("traffic record goes on", None)
    assert len(told) == 2, "one line when it stops, one when it goes on"


def test_a_write_that_fails_half_way_leaves_only_whole_batches(started, tmp_path, monkeypatch) -> None:
    """As on a full disk, where no small file system can be had."""
    one = started(tmp_path / "record", retry=0.01)
    one.take(row())
    wait_for(lambda: one.written == 1)
    real, short = os.write, threading.Event()

    def write(descriptor: int, octets) -> int:
        if threading.current_thread().name != "record":
            return real(descriptor, octets)
        if short.is_set():
            raise OSError(28, "No space left on device")
        short.set()
        return real(descriptor, bytes(octets)[:100])

    monkeypatch.setattr(os, "write", write)
    one.take(row())
    wait_for(lambda: one.stopped)
    assert one.stopped == "the disk is full"
    assert one.lost == 1
    monkeypatch.setattr(os, "write", real)
    wait_for(lambda: not one.stopped)
    one.take(row())
    wait_for(lambda: one.written == 2)
    record = open_record(tmp_path / "record")
    assert (record.rows, record.problems.count) == (2, 0)


def test_a_folder_that_vanishes_stops_the_record_and_is_made_again(started, tmp_path) -> None:
    folder = tmp_path / "record"
    one = started(folder)
    one.take(row())
    wait_for(lambda: one.written == 1)
    with capture_logs() as logs:
        shutil.rmtree(folder)
        one.take(row())
        wait_for(lambda: [line["event"] for line in logs] == ["traffic record stopped", "traffic record goes on"])
    assert (one.written, one.lost) == (1, 1)
    one.take(row())
    wait_for(lambda: one.written == 2)
    assert open_record(folder).rows == 1


def test_a_folder_that_cannot_be_made_is_said_with_its_reason(started, tmp_path) -> None:
    (tmp_path / "file").touch()
    one = started(tmp_path / "file" / "record")
    wait_for(lambda: one.stopped)
    assert "Not a directory" in one.stopped
    one.take(row())
    wait_for(lambda: one.lost == 1)


def test_a_second_writer_waits_until_the_first_one_has_ended(started, tmp_path) -> None:
    first, second = started(tmp_path), started(tmp_path)
    wait_for(lambda: first.stopped or second.stopped)
    if first.stopped:
        first, second = second, first
    assert second.stopped.startswith("another process")
    assert second.stopped.endswith(f"writes to {tmp_path}: give each gateway a folder of its own")
    first.take(row())
    wait_for(lambda: first.written == 1)
    first.close()
    wait_for(lambda: not second.stopped)
    second.take(row())
    second.close()
    assert open_record(tmp_path).rows == 2


def test_what_a_crash_left_is_made_whole_while_rows_are_written_already(started, tmp_path) -> None:
    from sluicegate.operations.record.rows import batches_of

    crashed = Hours(tmp_path, 35)
    crashed.write([*batches_of([row()] * 10, time.time() - time.monotonic() - 7200, crashed.key)], time.time() - 7200)
    crashed.close()
    one = started(tmp_path)
    one.take(row())
    wait_for(lambda: len([*tmp_path.glob("*.parquet")]) >= 1 and one.written == 1)
    assert open_record(tmp_path).rows == 11


def test_an_unexpected_error_stops_the_record_and_not_its_thread(started, tmp_path, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    real = Hours.write
    with capture_logs() as logs:
        one = started(tmp_path)
        monkeypatch.setattr(Hours, "write", broken)
        one.take(row())
        wait_for(lambda: one.stopped)
        assert "a mistake of ours" in one.stopped
        monkeypatch.setattr(Hours, "write", real)
        wait_for(lambda: not one.stopped)
    assert [line for line in logs if line["event"] == "traffic record: unexpected"]
    one.take(row())
    wait_for(lambda: one.written == 1)


def test_a_stop_waits_no_longer_than_its_patience(tmp_path, monkeypatch) -> None:
    """A disk that hangs: the gateway ends all the same, and the next start makes the file whole."""
    hangs, free = threading.Event(), threading.Event()

    def hanging(*_: object) -> None:
        hangs.set()
        free.wait(60)

    monkeypatch.setattr(Hours, "write", hanging)
    one = Recorder(table(tmp_path))
    one.start()
    wait_for(hangs.is_set)
    one.close(patience=0.01)
    assert one._thread.is_alive()
    free.set()
    one._thread.join(60)
    assert not one._thread.is_alive()
