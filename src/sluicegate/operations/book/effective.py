"""When a book comes into force: at the beginning of a week, as the country's clocks show it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")
MICRO: Final = 1_000_000
_MONTH: Final = re.compile(r"(19[789]|20[0-9])[0-9]-(0[1-9]|1[0-2])", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def next_monday(at: int) -> int:
    """The first Monday 00:00 Europe/London after a time; both in microseconds since 1970.

    Whatever the clocks do in between: they change on Sundays, so that such a midnight is there exactly once.
    """
    day = datetime.fromtimestamp(at // MICRO, LONDON).date()
    monday = day + timedelta(days=7 - day.weekday())
    return microseconds(datetime(monday.year, monday.month, monday.day, tzinfo=LONDON))


def microseconds(moment: datetime) -> int:
    """Of a time with its zone, since 1970."""
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def moment(text: str) -> int:
    """A time in ISO 8601, in microseconds since 1970; without an offset it is one of London. Raises ValueError."""
    try:
        told = datetime.fromisoformat(text.strip())
        return microseconds(told if told.tzinfo is not None else told.replace(tzinfo=LONDON))
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no time in ISO 8601: write one such as 2026-12-01T01:00") from None


def month(text: str) -> tuple[datetime, datetime]:
    """The first moment of a month `YYYY-MM` in London, and of the next. Raises ValueError."""
    if not _MONTH.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is no month: write one such as 2026-11")
    first = datetime(int(text[:4]), int(text[5:]), 1, tzinfo=LONDON)
    return first, first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def month_before(at: int) -> str:
    """The month before the one in which a time (microseconds since 1970) is, in London."""
    first = datetime.fromtimestamp(at // MICRO, LONDON).replace(day=1)
    return (first - timedelta(days=1)).strftime("%Y-%m")
