"""A User's half days in pieces of five minutes, beside its hours: a year by half hours is then some hundred rows, not
nine thousand that lie apart. (A whole day is longer than what SQLite keeps in a row of such a table.)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sluicegate.log import logger
from sluicegate.operations.history.counts import DAY, HOUR, MINUTE, OUTCOMES
from sluicegate.operations.history.minute import Unreadable
from sluicegate.operations.history.packed import Columns, pack, unpack

PIECE: Final = 5 * MINUTE
OF_DAY: Final = DAY // PIECE
HALF: Final = DAY // 2
OF_HALF: Final = OF_DAY // 2
_OF_HOUR: Final = HOUR // PIECE
_MINUTES: Final = PIECE // MINUTE


def of_hour(columns: Columns, begins: int, into: list[list[int]]) -> None:
    """Add the minutes of an hour to the pieces of its day."""
    first = begins % DAY // PIECE
    for column, pieces in zip(columns, into, strict=True):
        if any(column):
            for at in range(_OF_HOUR):
                pieces[first + at] += sum(column[at * _MINUTES : (at + 1) * _MINUTES])


def none() -> list[list[int]]:
    """A day in which nothing was done."""
    return [[0] * OF_DAY for _ in OUTCOMES]


def halves(day: int, columns: Columns) -> Iterator[tuple[int, Columns]]:
    """Both halves of a day, and when each begins."""
    for first in (0, OF_HALF):
        yield day + first * PIECE, [column[first : first + OF_HALF] for column in columns]


def with_more(before: bytes | None, more: Sequence[Sequence[int]], user: str, begins: int) -> bytes:
    """Octets for what was there of a half day and what is added."""
    if before is None:
        return pack(more)
    try:
        there = unpack(before, OF_HALF)
    except Unreadable as error:
        logger().error("minutes of usage are lost", why=str(error), user=user, begins=begins)
        return pack(more)
    return pack([[a + b for a, b in zip(*both, strict=True)] for both in zip(there, more, strict=True)])
