"""A book comes into force on a Monday at midnight of the country's clocks, whatever these do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.operations.book.effective import LONDON, microseconds, month, month_before, next_monday


def at(text):
    return microseconds(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        ("2026-11-24T12:00Z", "2026-11-30T00:00Z"),
        ("2026-11-29T23:59:59.999999Z", "2026-11-30T00:00Z"),
        ("2026-11-30T00:00Z", "2026-12-07T00:00Z"),
        ("2026-07-01T12:00Z", "2026-07-05T23:00Z"),
        ("2026-07-05T22:59:59Z", "2026-07-05T23:00Z"),
        ("2026-07-05T23:00Z", "2026-07-12T23:00Z"),  # it is Monday there already
        ("2026-03-28T12:00Z", "2026-03-29T23:00Z"),  # the clocks go forward in between
        ("2026-10-24T12:00Z", "2026-10-26T00:00Z"),  # and back
        ("2026-12-31T12:00Z", "2027-01-04T00:00Z"),
    ],
)
def test_the_next_monday_as_the_clocks_of_the_country_show_it(now, monday):
    assert next_monday(at(now)) == at(monday)


@given(st.integers(2 * 365 * 86_400, 129 * 365 * 86_400), st.integers(0, 999_999))
def test_it_is_always_a_midnight_of_a_monday_to_come_and_none_is_passed_over(seconds, rest):
    now = seconds * 1_000_000 + rest
    found = next_monday(now)
    local = datetime.fromtimestamp(found / 1e6, LONDON)
    assert (local.weekday(), local.hour, local.minute, local.second) == (0, 0, 0, 0)
    assert 0 < found - now <= (7 * 24 + 1) * 3_600_000_000
    assert next_monday(found - 1) == found


def test_a_month_is_that_of_the_country_and_october_has_an_hour_more():
    first, later = month("2026-10")
    assert (microseconds(later) - microseconds(first)) / 3.6e9 == 31 * 24 + 1
    assert month("2026-12")[1].astimezone(UTC) == datetime(2027, 1, 1, tzinfo=UTC)
    assert month_before(at("2026-06-30T23:30Z")) == "2026-06"  # it is July there
    assert month_before(at("2026-01-15T00:00Z")) == "2025-12"
    assert later - first == timedelta(days=31)


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-1", "26-01", "2026-01-01", "2026-00", "٢٠٢٦-01"])
def test_what_is_no_month_is_refused(text):
    with pytest.raises(ValueError, match="is no month"):
        month(text)
