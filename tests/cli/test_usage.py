"""`sluicegate usage`: what is printed, drawn and written is what was counted."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from sluicegate.cli import main
from sluicegate.operations.history.counts import DAY, HOUR, MINUTE, SECOND
from sluicegate.operations.history.minute import Minute
from sluicegate.operations.history.writing import Closed, minutes_due, pack_due, summed, write
from sluicegate.operations.store.store import OperationsStore
from sluicegate.settings import starter

NIGHT = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp()) * SECOND
WINDOW = ("--since", "2026-11-24T00:00", "--until", "2026-11-25T00:00")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "sluicegate.toml"
    path.write_text(starter() + '\n[operations]\ndatabase = "operations.db"\n')
    return path


@pytest.fixture
def counted(config):
    """A day of two Users: half of it packed."""
    store = OperationsStore(str(config.parent / "operations.db"))
    closed = []
    for seq in range(1, 25):
        minute = Minute(NIGHT + (seq - 1) * HOUR + 5 * MINUTE)
        minute.add("Large", (600, 60, seq, 0, 0), {"4.8.1": (600, 60, 0), "2.2": (0, 0, seq)})
        if seq == 1:
            minute.add("Small", (0, 0, 0, 7, 3), {})
        closed.append(Closed(seq, minute.begins, minute.requests, *minute.documents()))
    with store.changing() as connection:
        write(connection, "one", closed, NIGHT)
    with store.reading() as connection:
        found = summed(minutes_due(connection, NIGHT + 12 * HOUR))
    with store.changing() as connection:
        pack_due(connection, found)
    store.close()


def asked(config, *words, code=0):
    result = CliRunner().invoke(main, ["usage", "-c", str(config), *words])
    assert result.exit_code == code, result.output
    return result.output


def figures(line):
    return [int(word.replace(",", "")) for word in re.findall(r"(?<= )[\d,]+(?= |$)", line)]


def test_a_plot_and_the_sums_of_a_window(config, counted):
    told = asked(config, *WINDOW)
    assert told.startswith("all Users, 2026-11-24 00:00:00Z to 2026-11-25 00:00:00Z, a point each 15 min")
    assert "SR/s" in told
    assert "throttled" in told
    assert figures(told.rstrip().splitlines()[-1]) == [24 * 660 + 300, 24 * 600, 24 * 60, 300, 7, 3]


def test_who_sent_how_much_the_most_first(config, counted):
    lines = asked(config, "--by", "user", *WINDOW).splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["Large", "Small"]
    assert figures(lines[1]) == [0, 0, 0, 0, 7, 3]


def test_and_of_what(config, counted):
    lines = asked(config, "--by", "srv", "--user", "Large", *WINDOW).splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["4.8.1", "2.2"]
    assert figures(lines[0]) == [24 * 660, 24 * 600, 24 * 60, 0, 0, 0]
    assert "Nothing was counted then" in asked(config, "--by", "srv", "--user", "Nobody", *WINDOW)


def test_csv_and_parquet_hold_what_was_counted_by_user_and_step(config, counted, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    for by, expected in (("user", 24 + 1), ("time", 24), ("srv", 48)):
        ways = ("--csv", str(tmp_path / "u.csv"), "--parquet", str(tmp_path / "u.parquet"))
        told = asked(config, "--by", by, "--step", "1h", *WINDOW, *ways)
        assert f"u.csv: {expected} rows" in told
        with (tmp_path / "u.csv").open() as file:
            found = list(csv.DictReader(file))
        rows = parquet.read_table(tmp_path / "u.parquet").to_pylist()
        assert len(found) == len(rows) == expected
        assert sum(int(row["within"]) for row in found) == sum(row["within"] for row in rows) == 24 * 600
        assert found[0]["time"] == "2026-11-24T00:00:00Z"
        assert rows[0]["time"] == datetime(2026, 11, 24, tzinfo=UTC)


def test_times_without_an_offset_are_those_of_the_zone(config, counted):
    told = asked(config, "--since", "2026-11-24T01:00", "--last", "1h", code=2)
    assert "two things" in told
    told = asked(config, "--since", "2026-11-24T02:00", "--until", "2026-11-24T03:00", "--zone", "Europe/Paris")
    assert "2026-11-24 01:00:00Z to 2026-11-24 02:00:00Z" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--last", "a day"), "is no span: write 90m, 24h, 7d or 4w"),
        (("--step", "7m"), "a step is"),
        (("--srv", "2.2", "--step", "1m"), "an hour is the finest step"),
        (("--last", "4w", "--step", "1m"), "at most 20,000"),
        (("--since", "2026-11-25", "--until", "2026-11-24"), "the window is empty"),
        (("--since", "yesterday"), "no time in ISO 8601"),
    ],
)
def test_what_cannot_be_asked_is_said_with_what_can(config, words, said):
    assert said in " ".join(asked(config, *words, code=2).split())


def test_a_history_that_is_empty_says_so(config):
    assert "Nothing has been counted yet" in asked(config)


def test_steps_that_were_thinned_out_are_said(config, counted):
    from sqlalchemy import insert

    from sluicegate.operations.store.tables import operations

    store = OperationsStore(str(config.parent / "operations.db"))
    with store.changing() as connection:
        row = {"name": "history minutes thinned before", "value": str(NIGHT + DAY // 2)}
        connection.execute(insert(operations).values(row))
    store.close()
    assert "Before 2026-11-24 12:00:00Z steps as fine are thinned out" in asked(config, *WINDOW)


def test_a_file_that_cannot_be_written_is_told(config, counted, tmp_path):
    assert "No such file" in asked(config, "--csv", str(tmp_path / "no" / "u.csv"), code=1)
