"""The files of a record: by hour, never overwritten, whole after a crash, and only its own ones removed."""

import os
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.duis import Header
from sluicegate.operations.record.folder import KEY, KEY_OCTETS, CannotRecord, Folder
from sluicegate.operations.record.hours import Hours
from sluicegate.operations.record.rows import BATCH_ROWS, batches_of
from sluicegate.simulate.record import SCHEMA, open_record, request_hash
from sluicegate.simulate.record.part import HEAD
from thorough import examples

HOUR = 3600.0
NOW = datetime(2026, 11, 24, 13, 30, tzinfo=UTC).timestamp()
KEYED = b"k" * KEY_OCTETS


def header(counter: int = 1, originator: str = "90-B3-D5-1F-30-01-00-00") -> Header:
    target = "00-DB-12-34-56-78-90-A0"
    request_id = f"{originator}:{target}:{counter}".lower()
    return Header(Decimal("5.4"), request_id, originator, target, counter, 1, "2.2", "2.2", None, None)


def row(at: float, counter: int = 1, outcome: str = "within"):
    """One request that was decided at so many seconds since 1970."""
    return (at, "Large", header(counter), 1700, outcome, 200, 200, 0.25)


def write(hours: Hours, now: float, *times: float) -> None:
    hours.write([*batches_of([row(at) for at in times], 0.0, hours.key)], now)


def settle(hours: Hours) -> None:
    hours.finish()
    assert all(hours.settle())


def names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith("traffic-"))


@pytest.fixture
def hours(tmp_path: Path):
    made = Hours(tmp_path, 35)
    yield made
    made.close()


def test_a_row_holds_what_was_noted_and_a_keyed_hash_for_the_request() -> None:
    noted = [
        (10.25, "Large", header(7), 1700, "passed", 200, 201, 0.5),
        (11.0, "Small", header(8), 0, "rejected", None, None, None),
    ]
    (batch,) = batches_of(noted, NOW, KEYED)
    first, second = batch.to_pylist()
    assert first == {
        "time": datetime.fromtimestamp(NOW + 10.25, UTC), "user": "Large",
        "request": request_hash("90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:7", KEYED), "srv": "2.2",
        "command_variant": 1, "region": None, "duis": "5.4", "size": 1700, "outcome": "passed", "status": 200,
        "upstream_status": 201, "latency": 0.5,
    }  # fmt: skip
    assert [second[name] for name in ("status", "upstream_status", "latency")] == [None, None, None]


def test_a_retry_has_the_same_number_under_one_key_and_another_one_under_another() -> None:
    rows = [row(1.0, 5), row(2.0, 5), row(3.0, 6)]
    one, two, other = next(batches_of(rows, NOW, KEYED))["request"].to_pylist()
    assert one == two != other
    assert one not in next(batches_of(rows, NOW, b"z" * KEY_OCTETS))["request"].to_pylist()


def test_many_rows_become_batches_of_a_bounded_size() -> None:
    made = [*batches_of([row(float(n)) for n in range(2 * BATCH_ROWS + 1)], NOW, KEYED)]
    assert [batch.num_rows for batch in made] == [BATCH_ROWS, BATCH_ROWS, 1]


def test_what_was_written_can_be_read_before_the_hour_is_over(hours, tmp_path) -> None:
    write(hours, NOW, NOW - 1, NOW - 2)
    assert names(tmp_path) == ["traffic-2026-11-24T13.arrows.part"]
    assert open_record(tmp_path).rows == 2


def test_each_hour_becomes_one_parquet_file_with_the_columns_of_the_record(hours, tmp_path) -> None:
    write(hours, NOW, NOW - 1, NOW - 2)
    write(hours, NOW + HOUR, NOW + HOUR - 1)
    settle(hours)
    assert names(tmp_path) == ["traffic-2026-11-24T13.parquet", "traffic-2026-11-24T14.parquet"]
    table = pq.read_table(tmp_path / "traffic-2026-11-24T13.parquet")
    assert table.schema.equals(SCHEMA)
    assert table["time"].to_pylist() == sorted(table["time"].to_pylist())
    assert pq.ParquetFile(tmp_path / names(tmp_path)[0]).metadata.row_group(0).column(0).compression == "ZSTD"


def test_rows_of_one_flush_go_to_the_files_of_their_own_hours(hours, tmp_path) -> None:
    turn = NOW - NOW % HOUR + HOUR
    write(hours, NOW, NOW)
    write(hours, turn + 1, turn - 0.5, turn + 0.5)
    settle(hours)
    assert [pq.read_metadata(tmp_path / name).num_rows for name in names(tmp_path)] == [2, 1]


def test_a_late_row_whose_hour_is_over_goes_to_the_present_file(hours, tmp_path) -> None:
    write(hours, NOW, NOW - HOUR)
    assert names(tmp_path) == ["traffic-2026-11-24T13.arrows.part"]
    assert open_record(tmp_path).rows == 1


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(-8, 8)), min_size=1, max_size=12))
@settings(max_examples=examples(25), deadline=None)
def test_no_row_is_lost_or_overwritten_however_the_clock_jumps(tmp_path_factory, jumps) -> None:
    folder = tmp_path_factory.mktemp("record")
    hours = Hours(folder, 35)
    for half_hours, off in jumps:
        now = NOW + half_hours * 1800
        write(hours, now, now + off * 600)
        assert all(hours.settle())
    assert hours.written == len(jumps)
    settle(hours)
    hours.close()
    assert open_record(folder).rows == len(jumps)
    assert all(name.endswith(".parquet") for name in names(folder))


def test_several_starts_within_one_hour_make_numbered_files(tmp_path) -> None:
    for _ in range(3):
        hours = Hours(tmp_path, 35)
        write(hours, NOW, NOW)
        settle(hours)
        hours.close()
    stem = "traffic-2026-11-24T13"
    assert names(tmp_path) == [f"{stem}-2.parquet", f"{stem}-3.parquet", f"{stem}.parquet"]
    assert open_record(tmp_path).rows == 3


def crashed(folder: Path) -> tuple[Path, list[int]]:
    """An open file of three flushes, and its sizes after each."""
    hours = Hours(folder, 35)
    sizes = [len(HEAD)]
    for flush in range(3):
        write(hours, NOW, NOW + flush, NOW + flush)
        part = folder / names(folder)[0]
        sizes.append(part.stat().st_size)
    hours.close()
    return part, sizes


def test_an_open_file_cut_off_anywhere_keeps_all_whole_flushes(tmp_path) -> None:
    """At every octet: what a crash leaves is read as far as it is whole, and becomes a whole file at the next start."""
    part, sizes = crashed(tmp_path / "a")
    octets = part.read_bytes()
    for length in range(0, len(octets) + 1, 7):
        part.write_bytes(octets[:length])
        whole = sum(length >= size for size in sizes[1:])
        record = open_record(part)
        assert record.rows == 2 * whole
        assert record.problems.count == (length not in (0, *sizes))
    for length in (0, 5, sizes[1] - 1, sizes[2], sizes[3] - 1):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / part.name).write_bytes(octets[:length])
        hours = Hours(folder, 35)
        settle(hours)
        hours.close()
        whole = sum(length >= size for size in sizes[1:])
        assert names(folder) == (["traffic-2026-11-24T13.parquet"] if whole else [])
        if whole:
            assert pq.read_metadata(folder / names(folder)[0]).num_rows == 2 * whole


@given(st.data())
@settings(max_examples=examples(30), deadline=None)
def test_a_damaged_open_file_is_read_as_far_as_it_is_whole_and_never_crashes_the_reader(tmp_path_factory, data) -> None:
    part, sizes = crashed(tmp_path_factory.mktemp("record"))
    octets = bytearray(part.read_bytes())
    at = data.draw(st.integers(sizes[1], len(octets) - 1))
    octets[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    part.write_bytes(octets)
    assert 2 <= sum(batch.num_rows for batch in open_record(part).batches()) <= 6


def test_after_a_crash_between_the_two_files_no_row_is_there_twice(tmp_path) -> None:
    part, _ = crashed(tmp_path)
    octets = part.read_bytes()
    hours = Hours(tmp_path, 35)
    settle(hours)
    hours.close()
    part.write_bytes(octets)  # its removal did not reach the disk
    assert open_record(tmp_path).rows == 6
    hours = Hours(tmp_path, 35)
    settle(hours)
    hours.close()
    assert names(tmp_path) == ["traffic-2026-11-24T13.parquet"]


def test_a_parquet_file_that_a_crash_left_unfinished_is_removed_and_made_again(tmp_path) -> None:
    crashed(tmp_path)
    (tmp_path / "traffic-2026-11-24T13.parquet.tmp").write_bytes(b"PAR1 and then the power went")
    hours = Hours(tmp_path, 35)
    settle(hours)
    hours.close()
    assert names(tmp_path) == ["traffic-2026-11-24T13.parquet"]


def test_an_open_file_is_still_readable_by_who_opened_it_before_its_hour_was_over(tmp_path) -> None:
    crashed(tmp_path)
    record = open_record(tmp_path)
    hours = Hours(tmp_path, 35)
    settle(hours)
    hours.close()
    assert sum(batch.num_rows for batch in record.batches()) == 6


def test_a_file_with_our_name_and_other_contents_is_set_aside_and_the_others_are_settled(tmp_path) -> None:
    crashed(tmp_path)
    (tmp_path / "traffic-2026-11-24T12.arrows.part").write_bytes(b"not ours, whatever its name says" * 100)
    other = pa.schema([("time", pa.int64())]).serialize().to_pybytes()
    (tmp_path / "traffic-2026-11-24T11.arrows.part").write_bytes(other + b"\0" * len(HEAD))
    hours = Hours(tmp_path, 35)
    settle(hours)
    hours.close()
    assert names(tmp_path) == [
        "traffic-2026-11-24T11.arrows.part.unreadable",
        "traffic-2026-11-24T12.arrows.part.unreadable",
        "traffic-2026-11-24T13.parquet",
    ]


def test_two_writers_on_one_folder_the_second_says_so(hours, tmp_path) -> None:
    with pytest.raises(CannotRecord, match=rf"another process \({os.getpid()}\) writes to {re.escape(str(tmp_path))}"):
        Hours(tmp_path, 35)
    hours.close()
    Hours(tmp_path, 35).close()


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path) -> None:
    first = Folder(tmp_path / "new" / "record")
    first.close()
    assert (first.path / KEY).stat().st_mode & 0o777 == 0o600
    second = Folder(first.path)
    second.close()
    assert first.key == second.key
    assert len(first.key) == KEY_OCTETS


def test_the_key_is_in_no_file_of_the_record(hours, tmp_path) -> None:
    write(hours, NOW, NOW)
    settle(hours)
    assert all(hours.key not in (tmp_path / name).read_bytes() for name in names(tmp_path))


def test_a_key_that_is_none_is_said_and_not_replaced(tmp_path) -> None:
    (tmp_path / KEY).write_bytes(b"short")
    with pytest.raises(CannotRecord, match="is not a key of 32 octets"):
        Hours(tmp_path, 35)
    assert (tmp_path / KEY).read_bytes() == b"short"


def test_only_old_files_of_the_records_own_names_are_removed(hours, tmp_path) -> None:
    old = ["traffic-2026-10-20T12.parquet", "traffic-2026-10-20T12-2.parquet"]
    others = [
        "traffic-2026-10-20T13.parquet",  # it ended less than 35 days ago
        "traffic-2026-10-20T12.csv",
        "mine-2020-01-01T00.parquet",
        "traffic-2020-01-01T00-copy.parquet",
        "traffic-2020-13-45T99.parquet",
        "notes.txt",
    ]
    for name in (*old, *others):
        (tmp_path / name).touch()
    write(hours, NOW, NOW)
    assert {*old}.isdisjoint(os.listdir(tmp_path))
    assert {*others} <= {*os.listdir(tmp_path)}


def test_files_are_removed_at_the_turn_of_the_hour_too(hours, tmp_path) -> None:
    write(hours, NOW, NOW)
    old = tmp_path / "traffic-2026-10-20T13.parquet"
    old.touch()
    write(hours, NOW + 1)
    assert old.exists()
    write(hours, NOW + HOUR)
    assert not old.exists()


# --- the workers of a fleet


def test_workers_of_a_fleet_write_files_of_their_own_with_one_key_and_a_reader_takes_them_all(tmp_path: Path) -> None:
    workers = [Hours(tmp_path, 35, places=3) for _ in range(3)]
    assert len({each.key for each in workers}) == 1
    for number, each in enumerate(workers):
        write(each, NOW, *(NOW + number + 10 * second for second in range(3)))
        settle(each)
    with pytest.raises(CannotRecord):
        Hours(tmp_path, 35, places=3)
    for each in workers:
        each.close()
    stem = "traffic-2026-11-24T13"
    assert names(tmp_path) == [f"{stem}-w2.parquet", f"{stem}-w3.parquet", f"{stem}.parquet"]
    times = [time for batch in open_record(tmp_path).batches() for time in batch.column("time").to_pylist()]
    assert len(times) == 9
    assert times == sorted(times)


def test_what_a_killed_worker_left_open_is_finished_by_the_next_in_its_place_and_by_nobody_else(tmp_path: Path) -> None:
    first, second = (Hours(tmp_path, 35, places=3) for _ in range(2))
    write(second, NOW, NOW)
    second.close()  # as a kill leaves it
    write(first, NOW, NOW)
    settle(first)
    assert names(tmp_path) == ["traffic-2026-11-24T13-w2.arrows.part", "traffic-2026-11-24T13.parquet"]
    again = Hours(tmp_path, 35, places=3)
    settle(again)
    assert names(tmp_path) == ["traffic-2026-11-24T13-w2.parquet", "traffic-2026-11-24T13.parquet"]
    for each in (first, again):
        each.close()


def test_old_files_of_every_worker_are_removed(tmp_path: Path) -> None:
    first, second = (Hours(tmp_path, 1, places=2) for _ in range(2))
    write(second, NOW, NOW)
    settle(second)
    second.close()
    write(first, NOW + 50 * HOUR, NOW + 50 * HOUR)
    first.close()
    assert names(tmp_path) == ["traffic-2026-11-26T15.arrows.part"]
