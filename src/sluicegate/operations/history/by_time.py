"""A User's usage by steps below an hour: from the hours of a short window, from pieces of half days of a long one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, select

from sluicegate.operations.history.counts import DAY, HOUR, MINUTE, Counts
from sluicegate.operations.history.packed import unpack
from sluicegate.operations.history.pieces import HALF, OF_HALF, PIECE
from sluicegate.operations.store.history_tables import usage_day, usage_hour, usage_pieces

Points = Iterator[tuple[int, Counts]]

SOME_DAYS: Final = 2 * DAY
"""In shorter windows there are few hours to read."""

_hour, _day, _pieces = usage_hour.c, usage_day.c, usage_pieces.c


def finely(connection: Connection, user: str, begin: int, end: int, step: int) -> Points:
    """The steps of a window that are not empty for certain. A day without pieces is told by its hours.

    Args:
        begin, end: whole steps.
        step: so many minutes as divide an hour.

    Raises:
        Unreadable: what stands in the database is no usage.
    """
    if step % PIECE or end - begin < SOME_DAYS:
        yield from _by_minutes(connection, user, begin, end, step)
        return
    first = begin // DAY * DAY
    days = _day.begins.in_(list(range(first, end, DAY)))
    without = set(connection.scalars(select(_day.begins).where(_day.user == user, days)))
    wanted = select(_pieces.begins, _pieces.pieces).where(_pieces.user == user, _pieces.begins >= first)
    for begins, octets in connection.execute(wanted.where(_pieces.begins < end)):
        without.discard(begins // DAY * DAY)
        columns = unpack(bytes(octets), OF_HALF)
        yield from _inside(begin, end, begins, HALF, step, _stepped(columns, step // PIECE))
    for day in sorted(without):
        yield from _by_minutes(connection, user, max(begin, day), min(end, day + DAY), step)


def _by_minutes(connection: Connection, user: str, begin: int, end: int, step: int) -> Points:
    """Steps of the hours that the window touches, without those outside it."""
    wanted = select(_hour.begins, _hour.minutes).where(_hour.user == user, _hour.minutes.is_not(None))
    window = wanted.where(_hour.begins > begin - HOUR, _hour.begins < end)
    for begins, octets in connection.execute(window):
        columns = unpack(bytes(octets))
        yield from _inside(begin, end, begins, HOUR, step, _stepped(columns, step // MINUTE))


def _stepped(columns: Sequence[Sequence[int]], size: int) -> Iterator[Counts]:
    """The sums of each so many rows. A year has a hundred thousand of them: built-in functions make them."""
    return zip(*(map(sum, zip(*[iter(column)] * size, strict=True)) for column in columns), strict=True)


def _inside(begin: int, end: int, begins: int, long: int, step: int, sums: Iterable[Counts]) -> Points:
    points = zip(range(begins, begins + long, step), sums, strict=True)
    if begin <= begins and begins + long <= end:
        return points
    return ((at, counts) for at, counts in points if begin <= at < end)
