"""Closed minutes into the database, each exactly once, and closed hours packed. In the thread that has the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, tuple_, update

from sluicegate.log import logger
from sluicegate.operations.history import pieces
from sluicegate.operations.history.counts import DAY, HOUR, MINUTE, NONE, OUTCOMES
from sluicegate.operations.history.minute import (
    Rest,
    Unreadable,
    UserCounts,
    UserSrvs,
    add_counts,
    add_srvs,
    packed,
    unpacked,
    unpacked_users,
)
from sluicegate.operations.history.packed import MINUTES, ZEROS, pack, unpack
from sluicegate.operations.slices import at_full_speed
from sluicegate.operations.store.history_tables import usage_day, usage_hour, usage_minute, usage_pieces, usage_run

GRACE: Final = 2 * MINUTE
"""So long after its end is an hour packed: what others count arrives with the minute."""

MOST_PACKED: Final = 60
"""Minutes that are packed in one transaction."""

NAMES: Final = tuple(name.replace("-", "_") for name in OUTCOMES)
"""The columns of the outcomes."""


class Closed(NamedTuple):
    """A minute that is over, as one process counted it. `seq` counts from 1, one for each that the process closes."""

    seq: int
    begins: int
    requests: int
    counts: bytes
    srvs: bytes


def write(connection: Connection, run: str, closed: Sequence[Closed], at: int) -> int:
    """Write what is not there yet, in a transaction that changes; returns how many minutes that were.

    Where a commit was in doubt, the same minutes are offered again: `usage_run` knows the last one, even where it has
    been packed meanwhile.
    """
    last = connection.scalar(select(usage_run.c.seq).where(usage_run.c.run == run))
    fresh = [one for one in closed if last is None or one.seq > last]
    if not fresh:
        return 0
    rows = [{"run": run, "seq": one.seq, "begins": one.begins, "counts": one.counts, "srvs": one.srvs} for one in fresh]
    connection.execute(insert(usage_minute), rows)
    told = {"seq": fresh[-1].seq, "at": at}
    if last is None:
        connection.execute(insert(usage_run).values(run=run, **told))
    else:
        connection.execute(update(usage_run).where(usage_run.c.run == run).values(**told))
    return len(fresh)


class _Hour:
    """What is to be added to one User's hour."""

    __slots__ = ("columns", "srvs")

    def __init__(self) -> None:
        self.columns: list[list[int]] = [list(ZEROS) for _ in OUTCOMES]
        self.srvs: dict[str, list[int]] = {}

    @property
    def counts(self) -> list[int]:
        return [sum(column) for column in self.columns]


class _Day:
    """The same for a day, and its pieces."""

    __slots__ = ("counts", "pieces", "srvs")

    def __init__(self) -> None:
        self.counts = list(NONE)
        self.pieces = pieces.none()
        self.srvs: dict[str, list[int]] = {}


class Due(NamedTuple):
    """Minutes whose hour is over, and what they add up to."""

    rows: list[dict[str, Any]]
    hours: dict[tuple[str, int], _Hour]
    days: dict[tuple[int, str], _Day]


def minutes_due(connection: Connection, now: int) -> Sequence[Any]:
    """The oldest minutes whose hour is over at `now`, at most MOST_PACKED, in a transaction that reads."""
    until = (now - GRACE) // HOUR * HOUR
    oldest = (
        select(usage_minute).where(usage_minute.c.begins < until).order_by(usage_minute.c.begins).limit(MOST_PACKED)
    )
    return connection.execute(oldest).all()


def summed(rows: Sequence[Any], rest: Rest = at_full_speed) -> Due:
    """What they add up to. Of ten thousand Users that takes many seconds: not for the thread that others wait for.
    `rest` is called after each short piece of work."""
    hours = _sums(_readable(rows, rest), rest)
    return Due([{"of": row.run, "number": row.seq} for row in rows], hours, _sums_of_days(hours, rest))


def pack_due(connection: Connection, found: Due, rest: Rest = at_full_speed) -> bool:
    """Pack them, in a transaction that changes. False: another gateway has, and nothing was done here.

    Minutes that come late are added to what is there.
    """
    for run in {row["of"] for row in found.rows}:
        there = select(func.count()).select_from(usage_minute).where(usage_minute.c.run == run)
        ours = [row["number"] for row in found.rows if row["of"] == run]
        if connection.scalar(there.where(usage_minute.c.seq.in_(ours))) != len(ours):
            return False
    if found.rows:
        these = and_(usage_minute.c.run == bindparam("of"), usage_minute.c.seq == bindparam("number"))
        connection.execute(delete(usage_minute).where(these), found.rows)
        _add_hours(connection, found.hours, rest)
        _add_days(connection, found.days, rest)
    return True


def _readable(rows: Iterable[Any], rest: Rest) -> Iterator[tuple[int, UserCounts, UserSrvs]]:
    """One document that cannot be read does not keep the others from being packed: the log says that it is lost."""
    for row in rows:
        try:
            yield row.begins, unpacked_users(bytes(row.counts), rest), unpacked_users(bytes(row.srvs), rest)
        except Unreadable as error:
            logger().error("a minute of usage is lost", why=str(error), begins=row.begins)


def _sums(minutes: Iterable[tuple[int, UserCounts, UserSrvs]], rest: Rest) -> dict[tuple[str, int], _Hour]:
    hours: dict[tuple[str, int], _Hour] = {}
    for begins, counts, srvs in minutes:
        hour, of_hour = begins // HOUR * HOUR, begins // MINUTE % MINUTES
        for user, some in counts.items():
            there = hours.get((user, hour))
            if there is None:
                there = hours[user, hour] = _Hour()
            for column, count in zip(there.columns, some, strict=True):
                column[of_hour] += count
            add_srvs(there.srvs, srvs.get(user, {}))
            rest()
    return hours


def _sums_of_days(hours: dict[tuple[str, int], _Hour], rest: Rest) -> dict[tuple[int, str], _Day]:
    days: dict[tuple[int, str], _Day] = {}
    for (user, begins), hour in hours.items():
        day = days.setdefault((begins // DAY * DAY, user), _Day())
        add_counts(day.counts, hour.counts)
        add_srvs(day.srvs, hour.srvs)
        pieces.of_hour(hour.columns, begins, day.pieces)
        rest()
    return days


def _add_hours(connection: Connection, hours: dict[tuple[str, int], _Hour], rest: Rest) -> None:
    table = usage_hour
    there = _there(connection, table, (table.c.user, table.c.begins), list(hours))
    fresh, changed = [], []
    for (user, begins), more in hours.items():
        row = there.get((user, begins))
        if row is None:
            fresh.append({"minutes": pack(more.columns), **_fresh(user, begins, more)})
        else:
            changed.append({"minutes": _minutes(row, more), **_changed(row, user, begins, more)})
        rest()
    _put(connection, table, fresh, changed)


def _add_days(connection: Connection, days: dict[tuple[int, str], _Day], rest: Rest) -> None:
    table = usage_day
    there = _there(connection, table, (table.c.begins, table.c.user), list(days))
    fresh, changed = [], []
    for (begins, user), more in days.items():
        row = there.get((begins, user))
        if row is None:
            fresh.append(_fresh(user, begins, more))
        else:
            changed.append(_changed(row, user, begins, more))
        rest()
    _put(connection, table, fresh, changed)
    _add_pieces(connection, days, there.keys())


def _add_pieces(connection: Connection, days: dict[tuple[int, str], _Day], before: Collection[tuple[int, str]]) -> None:
    """Of a day that was there without its pieces (they are thinned out) there stay none: it is told by its hours."""
    table = usage_pieces
    halves = {
        (user, begins): (day, more)
        for (day, user), of_day in days.items()
        for begins, more in pieces.halves(day, of_day.pieces)
    }
    there = _there(connection, table, (table.c.user, table.c.begins), list(halves))
    fresh, changed = [], []
    for (user, begins), (day, more) in halves.items():
        row = there.get((user, begins))
        if row is None and (day, user) not in before:
            fresh.append({"user": user, "begins": begins, "pieces": pieces.with_more(None, more, user, begins)})
        elif row is not None and any(map(any, more)):
            octets = pieces.with_more(bytes(row.pieces), more, user, begins)
            changed.append({"of": user, "at": begins, "pieces": octets})
    _put(connection, table, fresh, changed)


def _minutes(row: Any, more: _Hour) -> bytes | None:
    """The minutes of both together; None where they are thinned out already."""
    if row.minutes is None:
        return None
    try:
        before: Sequence[Sequence[int]] = unpack(bytes(row.minutes))
    except Unreadable as error:
        logger().error("minutes of usage are lost", why=str(error), user=row.user, begins=row.begins)
        before = [ZEROS] * len(OUTCOMES)
    return pack([[a + b for a, b in zip(*both, strict=True)] for both in zip(before, more.columns, strict=True)])


def _fresh(user: str, begins: int, more: _Hour | _Day) -> dict[str, Any]:
    counts = dict(zip(NAMES, more.counts, strict=True))
    return {"user": user, "begins": begins, **counts, "srvs": packed(more.srvs)}


def _changed(row: Any, user: str, begins: int, more: _Hour | _Day) -> dict[str, Any]:
    counts = {name: getattr(row, name) + count for name, count in zip(NAMES, more.counts, strict=True)}
    try:
        srvs: dict[str, list[int]] = unpacked(bytes(row.srvs))
    except Unreadable as error:
        logger().error("usage by SRV is lost", why=str(error), user=user, begins=begins)
        srvs = {}
    add_srvs(srvs, more.srvs)
    return {"of": user, "at": begins, **counts, "srvs": packed(srvs)}


_AT_ONCE: Final = 400


def _there(connection: Connection, table: Any, key: tuple[Any, Any], wanted: list[Any]) -> dict[tuple[Any, Any], Any]:
    """The rows that are there already, by their key."""
    found = {}
    for at in range(0, len(wanted), _AT_ONCE):
        some = select(table).where(tuple_(*key).in_(wanted[at : at + _AT_ONCE]))
        for row in connection.execute(some):
            found[tuple(getattr(row, column.name) for column in key)] = row
    return found


def _put(connection: Connection, table: Any, fresh: list[dict[str, Any]], changed: list[dict[str, Any]]) -> None:
    if fresh:
        connection.execute(insert(table), fresh)
    if changed:
        this = and_(table.c.user == bindparam("of"), table.c.begins == bindparam("at"))
        values: dict[str, Any] = {name: bindparam(name) for name in changed[0] if name not in {"of", "at"}}
        connection.execute(update(table).where(this).values(values), changed)
