"""A table of devices as a CSV file: what is taken, and how what is wrong is told."""

import pytest

from sluicegate.routing import RoutesError, devices, reading
from sluicegate.routing.devices import Builder
from sluicegate.routing.reading import read
from sluicegate.routing.sources import LONGEST_LINE, CsvFile

REGIONS = {"north": 0, "south": 1}
HEAD = "device,region\n"


def eui64(number):
    return number.to_bytes(8, "big").hex("-").upper()


@pytest.fixture
def table(tmp_path):
    def write(content):
        path = tmp_path / "devices.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [CsvFile(path)]

    return write


def wrong(sources):
    with pytest.raises(RoutesError) as refused:
        read(sources, REGIONS)
    return refused.value


def only(error):
    assert (len(error.problems), error.total) == (1, 1), error
    return error.problems[0]


@pytest.mark.parametrize(
    "content",
    [
        f"device,region\n{eui64(1)},north\n{eui64(0xAB)},south\n",
        f"device,region\r\n{eui64(0xAB)},south\r\n\r\n{eui64(1)},north",
        f'\ufeffdevice,region\n"{eui64(0xAB).lower()}","south"\n{eui64(1)},north\n',
        f"device,region\n{eui64(1)},north\n{eui64(0xAB)},south\n{eui64(1)},north\n",
    ],
)
def test_a_table_is_read_in_every_form_that_is_written(table, content):
    found = read(table(content), REGIONS)
    assert list(found.keys) == [1, 0xAB]
    assert [found.region(1), found.region(0xAB), found.region(2)] == [0, 1, None]


def test_a_table_without_devices_is_right(table):
    assert len(read(table(HEAD), REGIONS)) == 0


@pytest.mark.parametrize(
    "content", ["", "\n", f"{eui64(1)},north\n", "region,device\n", "device;region\n", "device,region,x\n"]
)
def test_the_first_line_says_what_the_columns_are(table, content):
    problem = only(wrong(table(content)))
    assert (problem.line, problem.field) == (1, "")
    assert problem.reason.startswith('must be "device,region", and is')


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ("00-00-00-00-00-00-00,north", "device", '"00-00-00-00-00-00-00" is not an EUI-64'),
        (",north", "device", '"" is not an EUI-64'),
        (f" {eui64(1)},north", "device", "is not an EUI-64"),
        (f"{eui64(1)},noth", "region", 'there is no CSP "noth": did you mean "north"?'),
        (f"{eui64(1)}, north", "region", 'there is no CSP " north"'),
        (f"{eui64(1)},", "region", 'there is no CSP "": write the `name` of a [[csp]] exactly'),
        (f"{eui64(1)},\x1b[31m", "region", 'there is no CSP "\\u001b[31m"'),
        (f"{eui64(1)}", "", "must have two columns, device and region, and has 1"),
        (f"{eui64(1)},north,x", "", "and has 3"),
        ("x" * 900 + ",north", "device", "\u2026\" is not an EUI-64"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_told_with_file_line_field_and_reason(table, row, field, reason):
    sources = table(f"{HEAD}{eui64(5)},north\n{row}\n{eui64(6)},south\n")
    problem = only(wrong(sources))
    assert (problem.source, problem.line, problem.field) == (str(sources[0].path), 3, field)
    assert reason in problem.reason
    assert str(problem).startswith(f"{sources[0].path}:3: ")
    assert len(str(problem)) < len(problem.source) + 200
    assert str(problem).isprintable()


def test_what_is_not_utf8_is_told_with_its_line(table):
    problem = only(wrong(table(HEAD.encode() + eui64(1).encode() + b",n\xf6rth\n")))
    assert (problem.line, problem.field) == (2, "region")


@pytest.mark.parametrize("content", [f'{HEAD}"{eui64(1)}', f'{HEAD}"a"b,north\n', HEAD + '"' + "a\n" * 200_000])
def test_what_is_no_csv_is_told_and_not_read_on(table, content):
    assert "is not CSV" in only(wrong(table(content))).reason


def test_a_line_without_an_end_is_not_read_whole(table):
    problem = only(wrong(table(HEAD + "x" * 5_000_000)))
    assert (problem.line, problem.reason) == (2, f"the line is longer than {LONGEST_LINE:,} characters")


def test_the_first_problems_are_told_and_all_are_counted(table):
    error = wrong(table(HEAD + "x,y\n" * 1234))
    assert (len(error.problems), error.total) == (20, 1234)
    assert [problem.line for problem in error.problems] == list(range(2, 22))
    assert str(error).endswith("\nand 1,214 more problems")
    assert len(str(error).split("\n")) == 21


def test_a_device_in_two_regions_is_told_with_both_lines(table):
    sources = table(f"{HEAD}{eui64(9)},north\n{eui64(1)},south\n{eui64(9)},north\n{eui64(9).lower()},south\n")
    problem = only(wrong(sources))
    assert (problem.line, problem.field) == (5, "region")
    assert problem.reason == f'{eui64(9).lower()} is in "south" here, and in "north" in line 2'


def test_devices_in_two_regions_are_counted_with_all_else_that_is_wrong(table, monkeypatch):
    monkeypatch.setattr(reading, "Builder", lambda: Builder(7))
    rows = [f"{eui64(n)},{region}\n" for region in REGIONS for n in range(30)]
    error = wrong(table(HEAD + "x,north\n" + "".join(rows)))
    assert (len(error.problems), error.total) == (20, 31)
    assert [problem.line for problem in error.problems] == [2, *range(33, 52)]


def test_two_files_are_one_table(tmp_path):
    sources = [CsvFile(tmp_path / name) for name in ("a.csv", "b.csv")]
    sources[0].path.write_text(f"{HEAD}{eui64(1)},north\n{eui64(2)},north\n")
    sources[1].path.write_text(f"{HEAD}{eui64(1)},north\n{eui64(3)},south\n")
    assert list(read(sources, REGIONS).keys) == [1, 2, 3]
    sources[1].path.write_text(f"{HEAD}{eui64(2)},south\n")
    problem = only(wrong(sources))
    assert (problem.source, problem.line) == (str(sources[1].path), 2)
    assert problem.reason.endswith(f'in "north" in {sources[0].path}:3')


def test_more_devices_than_there_is_room_for_are_refused(table, monkeypatch):
    monkeypatch.setattr(devices, "MOST_DEVICES", 3)
    rows = [f"{eui64(n)},north\n" for n in range(5)]
    assert len(read(table(HEAD + "".join(rows[:3])), REGIONS)) == 3
    problem = only(wrong(table(HEAD + "".join(rows))))
    assert (problem.line, problem.reason[:34]) == (5, "there are more than 3 devices: put")


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        problem = only(wrong([CsvFile(path)]))
        assert (problem.line, problem.source) == (None, str(path))
        assert "cannot be read" in problem.reason
