"""xs:decimal, as a version."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.duis import parse_version


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        ("5.4", "5.4"),
        ("4.10", "4.1"),
        ("04.1", "4.1"),
        ("+4.1", "4.1"),
        (" \t\r\n4.1 ", "4.1"),
        ("4.", "4"),
        (".5", "0.5"),
        ("100", "100"),
        ("0.0010", "0.001"),
    ],
)
def test_a_version_is_the_decimal_number_in_its_shortest_form(stated, number):
    assert parse_version(stated) == Decimal(number)
    assert str(parse_version(stated)) == number


def test_versions_compare_as_numbers():
    assert parse_version("4.10") == parse_version("4.1") < parse_version("4.9") < parse_version("10.0")


@pytest.mark.parametrize(
    "stated",
    [
        *("", " ", ".", "+", "-4.1", "0", "0.00", "-0", "4,1", "4.1.0", "4e1", "1E1", "NaN", "INF", "Infinity", "0x4"),
        *("4 1", "4_1", "\u0664.1", "4.1\u00a0", "++4", "4.1\0", "1" * 33, " " * 40),
    ],
)
def test_what_is_not_a_decimal_above_zero_is_refused(stated):
    with pytest.raises(ValueError, match=r"version|decimal|zero") as refusal:
        parse_version(stated)
    assert str(refusal.value).isascii()


@given(st.text(max_size=40))
def test_any_text_is_a_finite_number_above_zero_or_refused(text):
    try:
        version = parse_version(text)
    except ValueError:
        return
    assert version.is_finite()
    assert version > 0
    assert version == Decimal(text.strip(" \t\r\n"))


@given(st.decimals(min_value="0.0001", max_value="99999999", places=4))
def test_every_number_above_zero_is_read_as_itself(number):
    assert parse_version(f"{number:f}") == number
