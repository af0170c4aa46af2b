"""Controls in the database: put, ended, looked up. Each change is a row of the audit trail."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, insert, or_, select, update

from sluicegate.operations.controls.kinds import Control, Wanted
from sluicegate.operations.store import trail
from sluicegate.operations.store.control_tables import control
from sluicegate.operations.store.trail import Row
from sluicegate.operations.store.verify_controls import ENDED, PUT, place

SECOND: Final = 1_000_000  # microseconds


class NoSuchControl(LookupError):  # noqa: N818 - named after what it is
    """None of that number counts now."""


def put(connection: Connection, wanted: Wanted, *, who: str, reason: str, at: int) -> tuple[Control, Row]:
    """A control from now on, in the place of the one before it. `wanted` was checked (`kinds.check`)."""
    until = None if wanted.seconds is None else at + round(wanted.seconds * SECOND)
    row = trail.append(
        connection, who=who, did=PUT, about=wanted.user or "everybody", at=at, kind=wanted.kind, user=wanted.user,
        value=wanted.value, until=until, reason=reason,
    )  # fmt: skip
    for other in in_force(connection, at):
        if place(other.kind, other.user) == place(wanted.kind, wanted.user):
            _end(connection, other.seq, at)
    made = Control(row.seq, wanted.kind, wanted.user, wanted.value, at, until, who, reason)
    connection.execute(insert(control).values(made._asdict()))
    return made, row


def end(connection: Connection, seq: int, *, who: str, reason: str, at: int) -> tuple[Control, Row]:
    """End one that counts. Raises NoSuchControl."""
    found = next((one for one in in_force(connection, at) if one.seq == seq), None)
    if found is None:
        raise NoSuchControl(seq)
    row = trail.append(
        connection, who=who, did=ENDED, about=found.user or "everybody", at=at, kind=found.kind, put=seq, reason=reason
    )
    _end(connection, seq, at)
    return found, row


def in_force(connection: Connection, at: int) -> list[Control]:
    """Those that count at a time, the oldest first."""
    c = control.c
    open_ = select(control).where(c.ended_at.is_(None), or_(c.until.is_(None), c.until > at), c.made_at <= at)
    return [_of(row) for row in connection.execute(open_.order_by(c.seq)).mappings()]


def newest(connection: Connection, most: int) -> list[tuple[Control, int | None]]:
    """The last ones, whether they count or not, the newest first; each with when it was ended."""
    rows = connection.execute(select(control).order_by(control.c.seq.desc()).limit(most)).mappings()
    return [(_of(row), row["ended_at"]) for row in rows]


def _of(row: object) -> Control:
    return Control(**{name: row[name] for name in Control._fields})  # type: ignore[index]


def _end(connection: Connection, seq: int, at: int) -> None:
    connection.execute(update(control).where(control.c.seq == seq).values(ended_at=at))
