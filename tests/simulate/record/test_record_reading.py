"""Reading a record: all rows, once, in order of time; what is wrong is told with its place, and nothing in silence."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.simulate.record import SCHEMA, Record, RecordError, merge, open_record, request_hash
from sluicegate.simulate.record.columns import OUTCOMES, PART_SCHEMA
from sluicegate.simulate.record.conform import conform
from sluicegate.simulate.record.problems import MOST_TOLD
from sluicegate.simulate.record.text import LONGEST_LINE
from thorough import examples

START = datetime(2026, 11, 24, 13, tzinfo=UTC)
HEADER = "time,user,request,srv,outcome"
LINE = "2026-11-24T13:00:00Z,Large,1,2.2,within"


def row(seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    """A row, so many seconds after the start."""
    whole = {"time": START + timedelta(seconds=seconds), "user": "Large", "request": 1, "srv": "2.2",
             "command_variant": 1, "region": None, "duis": "5.4", "size": 1700, "outcome": "within", "status": 200,
             "upstream_status": 200, "latency": 0.25}  # fmt: skip
    return {**whole, **more}


def parquet(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema = SCHEMA, **how: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, **how)
    return path


def csv_of(path: Path, *lines: str, header: str = HEADER, end: str = "\n") -> Path:
    path.write_bytes(end.join([header, *lines, ""]).encode())
    return path


def rows_of(record: Record) -> list[dict[str, Any]]:
    found = []
    for batch in record.batches():
        assert batch.schema.equals(SCHEMA)
        batch.validate(full=True)
        found += batch.to_pylist()
    return found


def told(record: Record) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.field) for problem in record.problems.first]


# --- all rows, once, in order


@given(
    files=st.lists(st.lists(st.integers(0, 3600), max_size=30), min_size=1, max_size=4),
    group=st.integers(1, 10),
    bounds=st.tuples(st.integers(-10, 3700), st.integers(-10, 3700)),
    kinds=st.lists(st.sampled_from(["parquet", "csv", "part", "bare"]), min_size=4, max_size=4),
)
@settings(max_examples=examples(30), deadline=None)
def test_every_row_comes_once_and_in_order_of_time_whatever_files_it_is_in(
    tmp_path_factory, files, group, bounds, kinds
) -> None:
    folder = tmp_path_factory.mktemp("record")
    numbers = iter(range(10_000))
    for at, (seconds, kind) in enumerate(zip(files, kinds, strict=False)):
        rows = [row(second, request=next(numbers)) for second in seconds]
        if kind == "csv":
            lines = (f"{r['time'].isoformat()},{r['user']},{r['request']},2.2,within" for r in rows)
            csv_of(folder / f"{at}.csv", *lines)
        elif kind == "part":
            table = pa.Table.from_pylist(rows, schema=PART_SCHEMA)
            octets = b"".join(batch.serialize().to_pybytes() for batch in table.to_batches(max_chunksize=group))
            (folder / f"{at}.arrows.part").write_bytes(PART_SCHEMA.serialize().to_pybytes() + octets)
        else:
            parquet(folder / f"{at}.parquet", rows, row_group_size=group, write_statistics=kind == "parquet")
    since, until = (START + timedelta(seconds=bound) for bound in bounds)
    record = open_record(folder, since=since, until=until, strict=True)
    found = rows_of(record)
    wanted = sorted(s for seconds in files[: len(kinds)] for s in seconds if bounds[0] <= s < bounds[1])
    assert [(r["time"] - START).total_seconds() for r in found] == wanted
    assert len({r["request"] for r in found}) == len(found) == record.rows
    assert record.span == ((found[0]["time"], found[-1]["time"]) if found else None)
    assert rows_of(record) == found, "the same each time"


def test_a_row_comes_back_as_it_was_written(tmp_path) -> None:
    rows = [row(), row(1, outcome="rejected", status=None, upstream_status=None, latency=None, region="North")]
    assert rows_of(open_record(parquet(tmp_path / "a.parquet", rows))) == rows


def test_rows_of_one_time_keep_the_order_of_files_and_rows(tmp_path) -> None:
    parquet(tmp_path / "b.parquet", [row(request=3), row(request=4)])
    parquet(tmp_path / "a.parquet", [row(request=1), row(request=2)])
    assert [r["request"] for r in rows_of(open_record(tmp_path))] == [1, 2, 3, 4]


def test_no_more_is_held_than_files_overlap(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(merge, "MOST_HELD", 10)
    for hour in range(3):
        rows = [row(hour * 3600 + second) for second in range(0, 3600, 40)]
        parquet(tmp_path / f"{hour}.parquet", rows, row_group_size=5)
    assert len(rows_of(open_record(tmp_path))) == 270
    shuffled = [row((second * 977) % 3600) for second in range(100)]
    parquet(tmp_path / "shuffled.parquet", shuffled, row_group_size=20)
    with pytest.raises(RecordError, match=r"more than 10 rows are out of their order in time: sort the files by time"):
        rows_of(open_record(tmp_path / "shuffled.parquet"))


def test_files_can_be_named_one_by_one_as_a_folder_or_by_a_pattern_and_count_once(tmp_path) -> None:
    one, two = parquet(tmp_path / "a.parquet", [row()]), parquet(tmp_path / "b.parquet", [row(1)])
    (tmp_path / "record.key").write_bytes(b"x" * 32)
    (tmp_path / "c.parquet.tmp").write_bytes(b"half")
    for path in (tmp_path, str(tmp_path), f"{tmp_path}/*", [one, two, one], f"{tmp_path}/?.parquet"):
        assert open_record(path).rows == 2
    assert open_record(one).files == (one,)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.large_string())]
)
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_types_of_other_programs_are_taken(tmp_path, kind, unit) -> None:
    table = pa.table({
        "time": pa.array([START], pa.timestamp(unit, tz="Europe/London")), "user": pa.array(["Large"]).cast(kind),
        "request": pa.array([7], pa.int64()), "srv": pa.array(["2.2"]).cast(kind),
        "outcome": pa.array(["within"]).cast(kind), "status": pa.array([200.0]), "size": pa.array([1], pa.int8()),
        "region": pa.array([None], pa.null()), "latency": pa.array([1], pa.int32()),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    absent = {"command_variant": None, "duis": None, "upstream_status": None}
    (found,) = rows_of(open_record(tmp_path / "a.parquet", strict=True))
    assert found == row(request=7, size=1, latency=1.0, **absent)


def test_a_bound_without_a_zone_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="since must have a time zone"):
        open_record(parquet(tmp_path / "a.parquet", [row()]), since=datetime(2026, 1, 1))  # noqa: DTZ001


# --- what is wrong with rows


def test_a_csv_with_the_required_columns_is_enough(tmp_path) -> None:
    lines = (
        LINE,
        "2026-11-24 13:00:01.5+01:00, Large ,abc-1,6.15.1,throttled",
        '2026-11-24T13:00:02Z,"A, B",1,2.2,within',
    )
    record = open_record(csv_of(tmp_path / "a.csv", *lines), strict=True)
    first, second, third = rows_of(record)
    assert first["user"] == "Large"
    assert (first["time"], first["request"]) == (START - timedelta(minutes=59, seconds=58.5), request_hash("abc-1"))
    assert (second["time"], second["status"], second["latency"]) == (START, None, None)
    assert third["user"] == "A, B"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_csv_with_all_columns_in_any_order_is_read_whole(tmp_path, end) -> None:
    names = list(reversed(SCHEMA.names))
    values = row(region="North", request=2**64 - 1)
    line = ",".join(values[n].isoformat() if n == "time" else str(values[n]) for n in names)
    path = csv_of(tmp_path / "a.csv", line, "", header="\ufeff" + ",".join(names), end=end)
    assert rows_of(open_record(path, strict=True)) == [values]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("time", "2026-11-24T13:00:00", "with its offset"),
        ("time", "yesterday", "is 'yesterday'"),
        ("time", "1999-12-31T23:59:59Z", "years 2000 to 2100"),
        ("time", "9999-12-31T23:59:59-23:59", "years 2000 to 2100"),
        ("time", "", "is missing"),
        ("user", " ", "is missing"),
        ("user", "x" * 101, "at most|1 to 100 characters"),
        ("user", "a\x07b", "cannot be printed"),
        ("request", "", "is missing"),
        ("request", "x" * 257, "at most 256"),
        ("srv", "two", "Service Reference Variant"),
        ("outcome", "lost", "must be one of within, excess"),
        ("command_variant", "9", "1 to 8"),
        ("size", "-1", "whole number, and is '-1'"),
        ("size", "4294967296", "0 to 4294967295"),
        ("size", "1.5", "whole number"),
        ("status", "99", "100 to 999"),
        ("upstream_status", "1000", "100 to 999"),
        ("latency", "nan", "number of seconds"),
        ("latency", "86401", "0 to 86400"),
        ("duis", "x" * 41, "1 to 40"),
        ("region", "x" * 101, "1 to 100"),
    ],
)
def test_a_bad_field_is_told_with_its_line_and_its_row_passed_over(tmp_path, field, value, reason) -> None:
    values = {name: "" if v is None else str(v) for name, v in row().items()} | {"time": START.isoformat()}
    right, wrong = (",".join({**values, **change}.values()) for change in ({}, {field: value}))
    path = csv_of(tmp_path / "a.csv", right, wrong, right, header=",".join(values))
    record = open_record(path)
    assert (record.rows, len(rows_of(record))) == (2, 2)
    assert told(record) == [(3, field)]
    assert record.problems.count == 1
    with pytest.raises(RecordError, match=rf"a\.csv:3: {field}: .*({reason})"):
        open_record(path, strict=True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a,b", "has 2 fields, and the first line has 5"),
        (LINE.encode() + b",more", "has 6 fields"),
        (b'"' + LINE.encode(), "no line of a CSV"),
        (b'2026-11-24T13:00:00Z,"two\nlines",1,2.2,within', "no line of a CSV"),
        (b"\xff" + LINE.encode(), r"not UTF-8 \(octet 0xff\)"),
        (b"x" * (LONGEST_LINE + 1), "is longer than 65,536 octets"),
        (b"x" * (5 * LONGEST_LINE), "is longer than 65,536 octets"),
        (b"\0", "has 1 fields|no line of a CSV"),
    ],
)
def test_a_line_that_is_none_is_told_and_the_next_one_read(tmp_path, line, reason) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\n".join([HEADER.encode(), line, LINE.encode(), b""]))
    record = open_record(path)
    assert len(rows_of(record)) == record.rows == 1
    assert record.problems.first[0].line == 2
    with pytest.raises(RecordError, match=reason):
        open_record(path, strict=True)


def test_of_many_bad_rows_the_first_are_told_and_all_are_counted(tmp_path) -> None:
    record = open_record(csv_of(tmp_path / "a.csv", *["wrong"] * 1500, LINE))
    assert (record.rows, record.problems.count, len(record.problems.first)) == (1, 1500, MOST_TOLD)
    assert told(record)[-1] == (MOST_TOLD + 1, "")


def test_bad_rows_of_a_parquet_file_are_told_by_their_number_once(tmp_path) -> None:
    rows = [row(n) for n in range(10)]
    rows[2]["outcome"], rows[5]["status"], rows[6]["srv"], rows[8]["user"] = "lost", 7, "", None
    rows[9]["time"] = datetime(1970, 1, 1, tzinfo=UTC)
    rows[4]["latency"] = float("nan")
    loose = pa.schema([field.with_nullable(True) for field in PART_SCHEMA])
    record = open_record(parquet(tmp_path / "a.parquet", rows, loose, row_group_size=4))
    for _ in range(2):
        assert [r["time"] for r in rows_of(record)] == [START + timedelta(seconds=n) for n in (0, 1, 3, 7)]
        assert sorted(told(record)) == [
            (3, "outcome"),
            (5, "latency"),
            (6, "status"),
            (7, "srv"),
            (9, "user"),
            (10, "time"),
        ]


@pytest.mark.parametrize("since_1970", [2**63 - 1, -(2**63), 18_446_744_073_709_551 + 1_795_000_000])
def test_a_time_that_would_wrap_around_in_microseconds_is_told(since_1970) -> None:
    table = pa.Table.from_pylist([row(), row()], schema=SCHEMA).drop_columns(["time"])
    times = pa.array([since_1970, int(START.timestamp())], pa.timestamp("s", tz="UTC"))
    rows, faults = conform(table.append_column("time", times))
    assert rows["time"].to_pylist() == [START]
    assert [(fault.row, fault.field) for fault in faults] == [(0, "time")]


def test_a_column_that_is_none_of_a_records_is_told(tmp_path) -> None:
    record = open_record(csv_of(tmp_path / "a.csv", LINE + ",1", header=HEADER + ",latncy"))
    assert (record.rows, told(record)) == (1, [(None, "latncy")])
    with pytest.raises(RecordError, match="latncy: is no column of a traffic record: it is not read"):
        open_record(tmp_path / "a.csv", strict=True)


# --- what is wrong with files


def without(name: str) -> pa.Schema:
    return pa.schema([field for field in SCHEMA if field.name != name])


def typed(name: str, kind: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) if field.name == name else field for field in SCHEMA])


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (without("user"), "has no column 'user'"),
        (without("time"), "has no column 'time'"),
        (typed("time", pa.timestamp("us")), "'time' must hold times with a time zone"),
        (typed("time", pa.int64()), "'time' must hold times with a time zone"),
        (typed("time", pa.null()), "'time' must hold"),
        (typed("status", pa.string()), "'status' must hold whole numbers, and holds string"),
        (typed("user", pa.binary()), "'user' must hold text, and holds binary"),
        (typed("size", pa.list_(pa.int32())), "'size' must hold whole numbers"),
        (pa.schema([*SCHEMA, pa.field("user", pa.string())]), "the column 'user' twice"),
    ],
)
def test_a_parquet_file_with_other_columns_is_refused_in_one_sentence(tmp_path, schema, reason) -> None:
    pq.write_table(schema.empty_table(), tmp_path / "a.parquet")
    with pytest.raises(RecordError, match=reason) as refused:
        open_record(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("octets", [b"", b"PAR1", b"not Parquet at all" * 100, b"PAR1" + b"\xff" * 100 + b"PAR1"])
def test_what_is_no_parquet_file_is_refused(tmp_path, octets) -> None:
    (tmp_path / "a.parquet").write_bytes(octets)
    with pytest.raises(RecordError, match=r"a\.parquet cannot be read as Parquet"):
        open_record(tmp_path)


@given(st.data())
@settings(max_examples=examples(30), deadline=None)
def test_a_damaged_parquet_file_is_refused_and_never_read_wrong(tmp_path_factory, data) -> None:
    path = parquet(tmp_path_factory.mktemp("record") / "a.parquet", [row(n) for n in range(50)],
                   write_page_checksum=True)  # fmt: skip
    right = rows_of(open_record(path))
    octets = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(octets)
    try:
        found = rows_of(open_record(path))
    except RecordError:
        return
    # The footer has no checksum: a changed name of an optional column, or a statistic, may go unseen.
    assert [r["time"] for r in found] == [r["time"] for r in right]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "has no column 'time' and no column 'user'"),
        ("time;user;request;srv;outcome", "separated by ';': write commas"),
        ("time,user,request,srv", "has no column 'outcome'"),
        (HEADER + ",user", "the column 'user' twice"),
        ('time,"user', "the first line must name the columns"),
        ("x" * (LONGEST_LINE + 1), "the first line must name the columns"),
    ],
)
def test_a_csv_without_the_columns_is_refused(tmp_path, header, reason) -> None:
    with pytest.raises(RecordError, match=reason):
        open_record(csv_of(tmp_path / "a.csv", LINE, header=header))


def test_what_is_not_there_is_said(tmp_path) -> None:
    (tmp_path / "notes.txt").touch()
    for path, reason in (
        (tmp_path / "no.parquet", "is not there"),
        (tmp_path, "holds no traffic record"),
        (f"{tmp_path}/*.parquet", "stands for no Parquet or CSV file"),
        (tmp_path / "notes.txt", "no traffic record by its name"),
    ):
        with pytest.raises(RecordError, match=reason):
            open_record(path)


def test_a_row_group_that_would_not_fit_into_memory_is_refused(tmp_path, monkeypatch) -> None:
    from sluicegate.simulate.record import parquet as reading

    monkeypatch.setattr(reading, "MOST_GROUP_ROWS", 10)
    parquet(tmp_path / "a.parquet", [row()] * 11)
    with pytest.raises(RecordError, match="a row group of 11 rows is too large to be read"):
        open_record(tmp_path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_changes_while_it_is_read_is_said(tmp_path, kind) -> None:
    if kind == "csv":
        record = open_record(csv_of(tmp_path / "a.csv", LINE, LINE))
        csv_of(tmp_path / "a.csv", LINE)
    else:
        record = open_record(parquet(tmp_path / "a.parquet", [row()] * 2))
        parquet(tmp_path / "a.parquet", [row()])
    with pytest.raises(RecordError, match="has changed while it was read"):
        rows_of(record)


def test_the_outcomes_are_those_of_the_gateway() -> None:
    from sluicegate.gateway.answers import BACKLOG
    from sluicegate.gateway.note import DECIDED

    assert set(OUTCOMES) == {*DECIDED.values(), "rejected", "passed", BACKLOG}


def test_the_page_explains_every_column_and_every_outcome() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "record.md").read_text("utf-8")
    explained = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert explained == [*SCHEMA.names, "outcome", "within", "excess", "throttled", "passed", "rejected", "csp-backlog"]
