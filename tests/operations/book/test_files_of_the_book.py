"""USERS.csv and BOOK.csv: every mistake with file, line, field and reason; with one mistake nothing counts."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.allocation.propose import propose
from sluicegate.operations.book import sheet
from sluicegate.operations.book.book_file import read_book, written
from sluicegate.operations.book.checking import wrong_with
from sluicegate.operations.book.users_file import read_users
from sluicegate.operations.book.weights_file import read_weights
from sluicegate.settings import SettingsError

HEAD = "user,role,floor,contract,devices ESME,forecast 2.2,forecast 11.1\n"
LINES = ["Large,IS,,,1000000,3000000,20000", "Small,GS,5,2.5,1000,,", "Network,ED,1,,,50000,"]


@pytest.fixture
def read(tmp_path, settings):
    def read(text):
        path = tmp_path / "users.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_users(path, settings)

    return read


@pytest.fixture
def complaints(read, tmp_path):
    def complaints(text):
        with pytest.raises(SettingsError) as error:
            read(text)
        return [line.removeprefix(f"{tmp_path}/") for line in error.value.lines()]

    return complaints


def sheet_of(*lines):
    return HEAD + "\n".join(lines) + "\n"


def test_a_sound_file_is_read_whole_in_its_order(read):
    large, small, network = read("\ufeff" + sheet_of(*LINES, "").replace("\n", "\r\n"))
    assert (large.devices, large.forecast) == ({"ESME": 10**6}, {"2.2": 3 * 10**6, "11.1": 20_000})
    assert (small.role, small.least, small.forecast) == ("GS", 5, {})
    assert network.devices == {}


def test_every_mistake_is_told_with_its_line_and_field_and_none_hides_another(complaints):
    told = complaints(
        sheet_of(
            "Large,GS,,,many,-3,1_000",
            "Large,IS,,,,,",
            "Nobody,IS,,,,,",
            "Small,GS,NaN,1e99,,,",
            "Network,ED,1",
            '"x,,',
        )
    )
    assert told == [
        'users.csv:2: devices ESME: must be a number, and is "many"',
        'users.csv:2: forecast 2.2: must be from 0 to 1,000,000,000,000, and is "-3"',
        'users.csv:2: forecast 11.1: must be a number, without separators between its digits, and is "1_000"',
        'users.csv:2: role: is "GS", and IS in the configuration',
        'users.csv:3: user: "Large" is in line 2 too',
        'users.csv:4: user: "Nobody" is no [[user]] of the configuration',
        'users.csv:5: floor: must be a number, and is "NaN"',
        'users.csv:5: contract: must be from 0 to 10,000,000, and is "1e99"',
        "users.csv:6: has 3 fields, and the first line has 7",
        "users.csv:7: is no line of a CSV: unexpected end of data",
    ]


def test_a_user_that_is_forgotten_is_told(complaints):
    assert complaints(sheet_of(*LINES[:2])) == [
        'users.csv: user: "Network" has no line, and is a [[user]] of the configuration'
    ]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("", "user: this column is missing"),
        ("user;role\n", "separated by ';'"),
        ("user,role,role\n", "there twice"),
        ("user,role,forecast 2\n", "is not an SRV"),
        ("user,role,devices 1x\n", "no such column"),
        ("user,role,Forecast 2.2\n", "no such column"),
        ("user,role," + ",".join(f"forecast 1.{n}" for n in range(400)), "at most 400"),
    ],
)
def test_a_first_line_that_names_no_columns_ends_it(complaints, head, said):
    assert any(said in line for line in complaints(head))


def test_what_is_too_large_or_no_text_is_told_and_not_read_in(complaints, monkeypatch):
    assert "is longer than" in complaints(sheet_of("x" * 70_000))[0]
    assert "at most 1,000" in complaints(sheet_of("x" * 1_001 + ",,,,,,"))[0]
    assert "is not UTF-8 (octet 0xff)" in complaints(HEAD.encode() + b"\xff\n")[0]
    monkeypatch.setattr(sheet, "MOST_OCTETS", 2**20)
    assert "is too large" in complaints("x" * (2**20 + 1))[0]
    assert "is too large" in complaints("\n" * 100_002)[0]


def test_a_file_that_cannot_be_read_is_told(tmp_path, settings):
    with pytest.raises(SettingsError, match="cannot be read"):
        read_users(tmp_path / "none.csv", settings)


@given(st.binary(max_size=200))
def test_whatever_stands_in_it_is_a_problem_and_never_a_crash(tmp_path_factory, octets):
    path = tmp_path_factory.mktemp("any") / "book.csv"
    path.write_bytes(b"user,allocation\n" + octets)
    with contextlib.suppress(SettingsError):
        read_book(path)


def test_a_proposal_that_is_written_is_read_again_to_the_same_figures(read, tmp_path, settings):
    book = propose(read(sheet_of(*LINES)), Decimal(100))
    (tmp_path / "book.csv").write_text(written(book), "utf-8")
    assert read_book(tmp_path / "book.csv") == list(book)
    assert not list(wrong_with({one.name: float(one.allocation) for one in book}, settings))


def test_a_book_without_a_figure_or_with_a_user_twice_is_refused(tmp_path):
    path = tmp_path / "book.csv"
    path.write_text("user,allocation\nLarge,\nLarge,3\nSmall,x\n", "utf-8")
    with pytest.raises(SettingsError) as error:
        read_book(path)
    assert [problem.line for problem in error.value.problems] == [2, 3, 4]


def test_a_book_that_cannot_be_in_force_is_told_user_by_user(settings):
    wrong = dict(wrong_with({"Large": 99.0, "Nobody": 5.0, "Small": 0.0001}, settings))
    assert set(wrong) == {"Nobody", "Small", "Network", ""}
    assert "add up to 104.0001 SR/s and the maximum is 100: 4.0001 SR/s too many" in wrong[""]
    assert not dict(wrong_with({"Large": 100.0, "Small": 0.0, "Network": 0.0}, settings))


def test_weights_count_as_in_the_decision_unless_a_file_says_otherwise(tmp_path, settings):
    heavy = settings.model_copy(update={"capacity": settings.capacity.model_copy(update={"weights": {"11.1": 5.0}})})
    path = tmp_path / "weights.toml"
    path.write_text("[roles]\nED = 0.5\n[devices]\nESME = 2\n", "utf-8")
    found = read_weights(path, heavy)
    assert (found.roles, found.kinds, found.devices) == ({"ED": Decimal("0.5")}, {"11.1": 5}, {"ESME": 2})
    path.write_text('[kinds]\n"4.*" = 3\n', "utf-8")
    assert read_weights(path, heavy).kinds == {"4.*": 3}


def test_every_mistake_in_weights_is_told_with_its_key(tmp_path, settings):
    path = tmp_path / "weights.toml"
    path.write_text("other = 1\ndevices = 3\n[roles]\nXX = 1\nIS = -1\nGS = true\nED = nan\n[kinds]\nx = 1\n", "utf-8")
    with pytest.raises(SettingsError) as error:
        read_weights(path, settings)
    told = " ".join(error.value.lines())
    assert len(error.value.problems) == 7
    for said in (
        '"other": there is no such table',
        "devices: must be a table",
        "no such Role",
        "0 to 1,000,000",
        "nan",
    ):
        assert said.lower() in told.lower()


@pytest.mark.parametrize("octets", [b"x", b"\xff", b"#" * (2**20 + 1)])
def test_weights_that_are_no_toml_or_too_large_are_refused(tmp_path, settings, octets):
    path = tmp_path / "weights.toml"
    path.write_bytes(octets)
    with pytest.raises(SettingsError):
        read_weights(path, settings)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_weights(tmp_path / "none", settings)
