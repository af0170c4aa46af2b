"""What is old becomes coarser: minutes go first, then hours, then days. In the thread that has the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from sluicegate.operations.history.counts import DAY
from sluicegate.operations.store.history_tables import usage_day, usage_hour, usage_pieces, usage_run
from sluicegate.operations.store.tables import operations
from sluicegate.settings import History

MOST_DAYS: Final = 2
"""Of each kind are thinned in one go: a clock that is wrong by years costs two days of history an hour, and not all."""

RUNS_KEPT: Final = 30 * DAY

_day = usage_day.c


def thin(connection: Connection, kept: History, now: int) -> int:
    """Thin what is older than its rule permits, the oldest first, in a transaction that changes.

    Returns how many days of one kind were thinned: where it is none, there is nothing left to do today.
    """
    done = _advance(connection, "minutes", now - kept.minutes_kept * DAY, _without_minutes)
    done += _advance(connection, "hours", now - kept.hours_kept * DAY, _without_hours)
    done += _advance(connection, "days", now - kept.days_kept * DAY, _without_days)
    connection.execute(delete(usage_run).where(usage_run.c.at < now - RUNS_KEPT))
    return done


def _advance(connection: Connection, kind: str, until: int, thinned: Callable[[int], tuple[Any, ...]]) -> int:
    """Thin one kind day by day; how far that is done is noted, so that nobody need look through all there is."""
    name = f"history {kind} thinned before"
    note = connection.scalar(select(operations.c.value).where(operations.c.name == name))
    begins = int(note) if note is not None else None
    until = until // DAY * DAY
    done = 0
    while done < MOST_DAYS:
        rest = select(func.min(_day.begins)).where(_day.begins < until)
        day = connection.scalar(rest.where(_day.begins >= begins) if begins is not None else rest)
        if day is None:
            break
        for statement in thinned(day):
            connection.execute(statement)
        begins = day + DAY
        done += 1
    if done:
        if note is None:
            connection.execute(insert(operations).values(name=name, value=str(begins)))
        else:
            connection.execute(update(operations).where(operations.c.name == name).values(value=str(begins)))
    return done


def _of_day(table: Any, day: int) -> Any:
    """What a table has of a day, found by User: that is how it lies."""
    users = select(_day.user).where(_day.begins == day)
    return table.c.user.in_(users) & (table.c.begins >= day) & (table.c.begins < day + DAY)


def _without_minutes(day: int) -> tuple[Any, ...]:
    hours = update(usage_hour).where(_of_day(usage_hour, day)).values(minutes=None)
    return hours, delete(usage_pieces).where(_of_day(usage_pieces, day))


def _without_hours(day: int) -> tuple[Any, ...]:
    return tuple(delete(table).where(_of_day(table, day)) for table in (usage_hour, usage_pieces))


def _without_days(day: int) -> tuple[Any, ...]:
    return (delete(usage_day).where(_day.begins == day),)
