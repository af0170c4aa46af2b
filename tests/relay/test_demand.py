"""Held-back demand, minute by minute: what is counted, written, read again, and exported."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sluicegate.relay import demand as demands
from sluicegate.relay.demand import Demand, append, read, write_csv, write_parquet
from sluicegate.relay.errand import End

START = datetime(2026, 11, 24, 18, 0, tzinfo=UTC).timestamp()


def errand(seq: int, srv: str = "2.2", name: str | None = "top-ups", came: float = 100.0) -> Any:
    return SimpleNamespace(seq=seq, srv=srv, class_name=name, came=came)


def test_a_minute_says_what_came_what_waited_and_what_was_sent() -> None:
    demand = Demand("A", START)
    one, other = errand(1), errand(2, came=110.0)
    for each in (one, other):
        demand.came(each)
        demand.stored(each)
    demand.sent(one)
    demand.ended(one, End.ACKNOWLEDGED, 105.0)
    assert demand.turn(START + 59, 159.0) == []
    (row,) = demand.turn(START + 60, 160.0)
    assert (row.time, row.user, row.of_class, row.srv) == ("2026-11-24T18:00:00Z", "A", "top-ups", "2.2")
    assert (row.came, row.held, row.sent, row.acknowledged, row.waiting, row.longest_wait) == (2, 2, 1, 1, 1, 50.0)
    (row,) = demand.turn(START + 125, 225.0)
    assert (row.time, row.came, row.waiting, row.longest_wait) == ("2026-11-24T18:01:00Z", 0, 1, 115.0)
    demand.ended(other, End.EXPIRED, 226.0)
    (row,) = demand.rows(START + 130, 230.0)
    assert (row.expired, row.waiting, row.longest_wait) == (1, 0, 116.0)
    assert demand.turn(START + 190, 300.0) == []


def test_what_waited_before_the_start_waits_on_and_is_not_counted_twice() -> None:
    demand = Demand("A", START)
    demand.recovered(errand(1, came=50.0))
    (row,) = demand.rows(START + 60, 160.0)
    assert (row.came, row.held, row.waiting, row.longest_wait) == (0, 0, 1, 110.0)


def test_srvs_come_from_outside_so_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demands, "MOST_KEYS", 3)
    demand = Demand("A", START)
    for n in range(9):
        demand.came(errand(n, srv=f"1.{n}"))
    rows = demand.rows(START + 60, 160.0)
    assert {row.srv: row.came for row in rows} == {"1.0": 1, "1.1": 1, "1.2": 1, "other": 6}


def minute(time: str, **counts: Any) -> demands.Minute:
    return demands.Minute(time, "A", "top-ups", "2.2", **counts)


def test_what_is_written_is_read_again_and_a_minute_with_a_restart_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "held"
    append(folder, [minute("2026-11-24T18:00:00Z", came=5, waiting=3, longest_wait=1.5)], 35)
    append(folder, [minute("2026-11-24T18:00:00Z", came=2, waiting=1, longest_wait=0.5)], 35)
    append(folder, [minute("2026-11-24T18:01:00Z", came=1)], 35)
    (path,) = folder.iterdir()
    assert path.name == "demand-2026-11-24.csv"
    with path.open("a") as file:
        file.write("2026-11-24T18:02:00Z,A,top-ups")  # a crash in mid-line
    found = list(read(folder, None, None))
    assert [(row.time[14:16], row.came, row.waiting, row.longest_wait) for row in found] == [
        ("00", 7, 1, 1.5), ("01", 1, 0, 0.0),
    ]  # fmt: skip
    since = datetime(2026, 11, 24, 18, 1, tzinfo=UTC)
    assert [row.came for row in read(folder, since, None)] == [1]
    assert [row.came for row in read(folder, None, since)] == [7]


def test_files_that_are_too_old_are_taken_away(tmp_path: Path) -> None:
    append(tmp_path, [minute("2026-11-20T00:00:00Z")], 3)
    append(tmp_path, [minute("2026-11-22T00:00:00Z")], 3)
    (tmp_path / "demand-notes.csv").write_text("mine")
    append(tmp_path, [minute("2026-11-24T00:00:00Z")], 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "demand-2026-11-22.csv", "demand-2026-11-24.csv", "demand-notes.csv",
    ]  # fmt: skip


def test_an_export_is_csv_or_parquet(tmp_path: Path) -> None:
    rows = [minute("2026-11-24T18:00:00Z", came=5, longest_wait=1.5), minute("2026-11-24T18:01:00Z")]
    assert write_csv(tmp_path / "out.csv", rows) == 2
    first = next(csv.DictReader((tmp_path / "out.csv").open()))
    assert (first["time"], first["class"], first["came"], first["longest_wait"]) == (
        "2026-11-24T18:00:00Z", "top-ups", "5", "1.5",
    )  # fmt: skip
    parquet = pytest.importorskip("pyarrow.parquet")
    assert write_parquet(tmp_path / "out.parquet", rows) == 2
    table = parquet.read_table(tmp_path / "out.parquet")
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert table["came"].to_pylist() == [5, 0]
