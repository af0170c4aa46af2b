"""The book as its API tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from sluicegate.operations.book import comparing, from_history, versions
from sluicegate.operations.book.checking import total_of
from sluicegate.operations.book.effective import next_monday
from sluicegate.operations.book.in_force import next_change, version_in_force
from sluicegate.operations.book.versions import BookRefused, Version
from sluicegate.operations.store.trail import shown
from sluicegate.settings import Settings


def version(one: Version, at: int, now: int | None) -> dict[str, Any]:
    """One version. `now`: the one in force. `would_come_at`: of one that waits, if it were approved at `at`."""
    waits = one.approved_at is None and one.withdrawn_at is None and one.restores is None
    return {
        "version": one.version,
        "state": versions.state(one, at, now),
        "made_at": _when(one.made_at),
        "by": one.who,
        "note": one.note,
        "restores": one.restores,
        "asked_at": _when(one.asked_at),
        "would_come_at": _when(one.asked_at if one.asked_at is not None else next_monday(at)) if waits else None,
        "approved_at": _when(one.approved_at),
        "approved_by": one.approver,
        "effective_at": _when(one.effective_at),
        "withdrawn_at": _when(one.withdrawn_at),
    }


def overview(connection: Connection, at: int, most: int) -> dict[str, Any]:
    """The newest versions, which is in force, when that changes, and what a rollback would bring back."""
    now = version_in_force(connection, at) or None
    return {
        "in_force": now,
        "next_change": _when(next_change(connection, at)),
        "rollback_to": _rollback_to(connection, at),
        "versions": [version(one, at, now) for one in versions.newest(connection, most)],
    }


def _rollback_to(connection: Connection, at: int) -> int | None:
    """A version, 0 for the configuration file; None: there is nothing before what is in force."""
    try:
        return versions.before(versions.was_in_force(connection, at))
    except BookRefused:
        return None


def difference(
    connection: Connection, file: Settings, first: int, second: int, at: int, busiest: Busiest
) -> dict[str, Any]:
    """What changes from one version to another (0: the configuration file), the largest change first.

    Raises NoSuchBook.
    """
    before = comparing.allocations_of(connection, file, first)
    after = comparing.allocations_of(connection, file, second)
    why = versions.find(connection, second).why if second else {}
    found = comparing.changes(before, after)
    month, highest = busiest.of(connection, file, at)
    found.sort(key=lambda one: (-abs(one["change"]), one["user"]))
    return {
        "from": first,
        "to": second,
        "maximum": file.capacity.maximum,
        "sum": {"from": _sum(before), "to": _sum(after)},
        "month": month,
        "users": [
            {**one, "why": why.get(one["user"], ""), "highest_hour": _rounded(highest.get(one["user"]))}
            for one in found
        ],
    }


class Busiest:
    """Each User's highest hour of last month, looked up once a day: two hundred Users' month is a second's reading."""

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._found: tuple[str, Mapping[str, float]] = ("", {})

    def of(self, connection: Connection, file: Settings, at: int) -> tuple[str, Mapping[str, float]]:
        """Which month, and SR/s by User of the file. In the thread of the database."""
        names = tuple(user.name for user in file.users)
        if self._of != (at // from_history.DAY, names):
            self._found = from_history.busiest(connection, names, at)
            self._of = (at // from_history.DAY, names)
        return self._found


def _sum(book: Mapping[str, float]) -> float:
    return float(total_of(book))


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 3)


def _when(moment: int | None) -> str | None:
    return None if moment is None else shown(moment)
