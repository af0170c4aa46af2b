"""What was used, in any window. In a transaction that reads, which sees one moment of the database.

Times are microseconds since 1970. A window is widened to whole steps, and to what is still told apart at its ends where
minutes or hours have been thinned out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select

from sluicegate.operations.history.by_time import finely
from sluicegate.operations.history.counts import (
    ALL,
    DAY,
    HOUR,
    MINUTE,
    NONE,
    Counts,
    SrvCounts,
    added,
)
from sluicegate.operations.history.minute import (
    UserCounts,
    add_srvs,
    one_of,
    part_of,
    unpacked,
    unpacked_users,
    users_of,
)
from sluicegate.operations.history.packed import unpack
from sluicegate.operations.history.writing import NAMES
from sluicegate.operations.store.history_tables import usage_day, usage_hour, usage_minute
from sluicegate.operations.store.tables import operations

MOST_POINTS: Final = 20_000
"""Of one series."""

_hour, _day = usage_hour.c, usage_day.c
_HOUR_COUNTS: Final = [_hour[name] for name in NAMES]
_DAY_COUNTS: Final = [_day[name] for name in NAMES]


class Series(NamedTuple):
    """Usage over time.

    Attributes:
        step: microseconds of each point.
        points: when it begins, and its counts; one for each step of the window, zeros included.
        since: before this time steps as fine are not told apart any more, and there is no point.
    """

    step: int
    points: list[tuple[int, Counts]]
    since: int


def series(connection: Connection, user: str | None, since: int, until: int, step: int) -> Series:
    """A User's usage by time; None: all Users together. See `History`. Raises ValueError, Unreadable."""
    return Usages(connection).series(user, since, until, step)


class Usages:
    """Questions of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held: tuple[int, int, list[tuple[int, UserCounts]]] | None = None

    @cached_property
    def thinned(self) -> dict[str, int]:
        """Before which time there are no `minutes`, `hours`, `days` any more; 0: there are all."""
        names = {f"history {kind} thinned before": kind for kind in ("minutes", "hours", "days")}
        wanted = select(operations.c.name, operations.c.value).where(operations.c.name.in_(names))
        found = {names[row.name]: int(row.value) for row in self._connection.execute(wanted)}
        return {kind: found.get(kind, 0) for kind in names.values()}

    def users(self, since: int, until: int) -> list[str]:
        """The Users that did something on the days of a window, in the order of their names."""
        days = select(_day.user).where(_day.begins >= since // DAY * DAY, _day.begins < until, _day.user != ALL)
        found = set(self._connection.scalars(days.distinct()))
        for _, counts in self._fresh_counts(since, until):
            found.update(counts)
        return sorted(found - {ALL})

    def first(self) -> int | None:
        """When the oldest day begins; None: nothing is there."""
        day = self._connection.scalar(select(func.min(_day.begins)))
        minute = self._connection.scalar(select(func.min(usage_minute.c.begins)))
        return min((at for at in (day, minute) if at is not None), default=None)

    # --- by time

    def series(self, user: str | None, since: int, until: int, step: int, srv: str | None = None) -> Series:
        """A User's usage by time; None: all Users together.

        Args:
            step: so many minutes as divide an hour, so many hours as divide a day, or whole days.
            srv: only requests of this one (then an hour is the finest step).

        Raises:
            ValueError: no such step, or more than MOST_POINTS.
            Unreadable: what stands in the database is no usage.
        """
        check_step(step, srv)
        begin, end = since // step * step, -(-until // step) * step
        if (end - begin) // step > MOST_POINTS:
            raise ValueError(f"{(end - begin) // step:,} points; at most {MOST_POINTS:,} are told at once")
        kind = "days" if step % DAY == 0 else "hours" if step % HOUR == 0 else "minutes"
        known = -(-self.thinned[kind] // step) * step
        points = dict.fromkeys(range(max(begin, known), end, step), NONE)
        if points:
            self._put(points, ALL if user is None else user, max(begin, known), end, step, srv)
        return Series(step, list(points.items()), known)

    def _put(self, points: dict[int, Counts], user: str, begin: int, end: int, step: int, srv: str | None) -> None:
        if step % HOUR:
            told = finely(self._connection, user, begin, end, step)
        elif step % DAY:
            told = self._rows(_hour, _HOUR_COUNTS, srv, (_hour.user == user, _hour.begins >= begin, _hour.begins < end))
        else:  # the days of one User lie apart: each is looked up
            days = _day.begins.in_(list(range(begin, end, DAY)))
            told = self._rows(_day, _DAY_COUNTS, srv, (_day.user == user, days))
        for at, counts in told:
            where = at // step * step
            before = points[where]
            points[where] = counts if before is NONE else added(before, counts)
        for at, counts in self._fresh_of(user, begin, end, srv):
            points[at // step * step] = added(points[at // step * step], counts)

    def _rows(
        self, table: Any, counts: list[Any], srv: str | None, where: Iterable[Any]
    ) -> Iterator[tuple[int, Counts]]:
        if srv is None:
            for begins, *some in self._connection.execute(select(table.begins, *counts).where(*where)):
                yield begins, (some[0], some[1], some[2], some[3], some[4])
            return
        for begins, srvs in self._connection.execute(select(table.begins, table.srvs).where(*where)):
            found = one_of(bytes(srvs), srv)
            if found is not None:
                yield begins, _with_none(found)

    # --- by User, by SRV

    def by_user(self, since: int, until: int, srv: str | None = None) -> dict[str, Counts]:
        """What each User did in a window of whole minutes (of whole hours, where it is about one SRV)."""
        begin, end = self._widened(since, until, MINUTE if srv is None else HOUR)
        told: dict[str, Counts] = {}

        def put(user: str, counts: Counts) -> None:
            told[user] = added(told[user], counts) if user in told else counts

        first, last = -(-begin // DAY) * DAY, end // DAY * DAY
        if srv is None and first < last:
            self._days_by_user(first, last, put)
        elif srv is not None and first < last:
            wanted = select(_day.user, _day.srvs).where(_day.begins >= first, _day.begins < last, _day.user != ALL)
            self._srv_by_user(wanted, srv, put)
        for since_hour, until_hour in _edges(begin, end, first, last):
            self._hours_by_user(since_hour, until_hour, srv, put)
        for user, counts in self._fresh_by_user(begin, end, srv):
            put(user, counts)
        return {user: counts for user, counts in sorted(told.items()) if any(counts)}

    def _days_by_user(self, first: int, last: int, put: Callable[[str, Counts], None]) -> None:
        sums = [func.sum(column) for column in _DAY_COUNTS]
        days = select(_day.user, *sums).where(_day.begins >= first, _day.begins < last, _day.user != ALL)
        for user, *some in self._connection.execute(days.group_by(_day.user)):
            put(user, (int(some[0]), int(some[1]), int(some[2]), int(some[3]), int(some[4])))

    def _hours_by_user(self, begin: int, end: int, srv: str | None, put: Callable[[str, Counts], None]) -> None:
        users = select(_day.user).where(_day.begins >= begin // DAY * DAY, _day.begins < end, _day.user != ALL)
        of_users = _hour.user.in_(users.distinct())
        first, last = -(-begin // HOUR) * HOUR, end // HOUR * HOUR
        inside = (of_users, _hour.begins >= first, _hour.begins < last)
        if srv is not None:
            self._srv_by_user(select(_hour.user, _hour.srvs).where(*inside), srv, put)
            return
        for user, *some in self._connection.execute(select(_hour.user, *_HOUR_COUNTS).where(*inside)):
            put(user, (some[0], some[1], some[2], some[3], some[4]))
        for since, until in _edges(begin, end, first, last):
            hour = since // HOUR * HOUR
            cut = (since - hour) // MINUTE, (until - hour) // MINUTE
            wanted = select(_hour.user, _hour.minutes).where(of_users, _hour.begins == hour, _hour.minutes.is_not(None))
            for user, octets in self._connection.execute(wanted):
                put(user, _sums(unpack(bytes(octets)), *cut))

    def _srv_by_user(self, wanted: Any, srv: str, put: Callable[[str, Counts], None]) -> None:
        for user, octets in self._connection.execute(wanted):
            found = one_of(bytes(octets), srv)
            if found is not None:
                put(user, _with_none(found))

    def by_srv(self, user: str | None, since: int, until: int) -> dict[str, SrvCounts]:
        """What a User did by SRV in a window of whole hours; None: all Users together. The most sent comes first."""
        name = ALL if user is None else user
        begin, end = self._widened(since, until, HOUR)
        told: dict[str, list[int]] = {}
        first, last = -(-begin // DAY) * DAY, end // DAY * DAY
        found = []
        if first < last:
            days = _day.begins.in_(list(range(first, last, DAY)))
            found.append(select(_day.srvs).where(_day.user == name, days))
        for since_hour, until_hour in _edges(begin, end, first, last):
            hours = (_hour.user == name, _hour.begins >= since_hour, _hour.begins < until_hour)
            found.append(select(_hour.srvs).where(*hours))
        for wanted in found:
            for octets in self._connection.scalars(wanted):
                add_srvs(told, unpacked(bytes(octets)))
        for _, srvs in self._fresh_srvs_of(name, begin, end):
            add_srvs(told, srvs)
        counted = {srv: (within, excess, throttled) for srv, (within, excess, throttled) in told.items()}
        return dict(sorted(counted.items(), key=lambda one: (-sum(one[1]), one[0])))

    # --- what is not packed yet

    def _fresh_of(self, user: str, begin: int, end: int, srv: str | None) -> Iterator[tuple[int, Counts]]:
        if srv is None:
            for at, of_users in self._fresh_counts(begin, end):
                if user in of_users:
                    yield at, added(of_users[user], NONE)
            return
        for at, srvs in self._fresh_srvs_of(user, begin, end):
            if srv in srvs:
                yield at, _with_none(srvs[srv])

    def _fresh_srvs_of(self, user: str, begin: int, end: int) -> Iterator[tuple[int, dict[str, list[int]]]]:
        window = _fresh_window(usage_minute.c.srvs, begin, end)
        return ((at, part_of(bytes(octets), user) or {}) for octets, at in self._connection.execute(window))

    def _fresh_by_user(self, begin: int, end: int, srv: str | None) -> Iterator[tuple[str, Counts]]:
        if srv is None:
            for _, of_users in self._fresh_counts(begin, end):
                yield from ((user, added(counts, NONE)) for user, counts in of_users.items() if user != ALL)
            return
        for octets in self._connection.scalars(_fresh_window(usage_minute.c.srvs, begin, end)):
            yield from ((who, _with_none(counts)) for who, counts in users_of(bytes(octets), srv).items() if who != ALL)

    def _fresh_counts(self, begin: int, end: int) -> Iterator[tuple[int, UserCounts]]:
        """The minutes of a window that lie in no hour yet. They are read once."""
        held = self._held
        if held is None or begin < held[0] or end > held[1]:
            window = _fresh_window(usage_minute.c.counts, begin, end)
            found = [(at, unpacked_users(bytes(octets))) for octets, at in self._connection.execute(window)]
            held = self._held = (begin, end, found)
        return ((at, told) for at, told in held[2] if begin <= at < end)

    def _widened(self, since: int, until: int, finest: int) -> tuple[int, int]:
        """A window of whole `finest`, or of what is still told apart at its ends."""

        def at(when: int) -> int:
            if when < self.thinned["hours"]:
                return DAY
            return max(finest, HOUR) if when < self.thinned["minutes"] else finest

        return since // at(since) * at(since), -(-until // at(until)) * at(until)


def check_step(step: int, srv: str | None = None) -> None:
    """Raises ValueError where there can be no steps of so many microseconds."""
    if step < MINUTE or not any((HOUR % step == 0, DAY % step == 0 and step % HOUR == 0, step % DAY == 0)):
        raise ValueError("a step is 1, 2, 3, 4, 5, 6, 10, 12, 15, 20 or 30 min, so many hours as divide a day, or days")
    if HOUR % step == 0 and step % MINUTE:
        raise ValueError("a step is of whole minutes")
    if srv is not None and step < HOUR:
        raise ValueError("by SRV an hour is the finest step")


def _edges(begin: int, end: int, first: int, last: int) -> Iterator[tuple[int, int]]:
    """What of [begin, end) is outside the whole pieces [first, last); none whole: cut where two meet."""
    pieces = ((begin, first), (last, end)) if first <= last else ((begin, end),)
    return ((since, until) for since, until in pieces if since < until)


def _fresh_window(column: Any, begin: int, end: int) -> Any:
    begins = usage_minute.c.begins
    return select(column, begins).where(begins >= begin, begins < end)


def _sums(columns: Sequence[Sequence[int]], first: int, last: int) -> Counts:
    within, excess, throttled, rejected, backlog = (sum(column[first:last]) for column in columns)
    return within, excess, throttled, rejected, backlog


def _with_none(counts: Iterable[int]) -> Counts:
    within, excess, throttled = counts
    return within, excess, throttled, 0, 0
