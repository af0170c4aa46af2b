"""Parcels are claimed: by queue, when they are due, when their time is over, or for an operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Executable, Select, Update, bindparam, func, select, update

from sluicegate.dispatch.parcel import OPEN, Parcel, State, Want
from sluicegate.dispatch.store.dialects import Dialect
from sluicegate.dispatch.store.interface import LARGE
from sluicegate.dispatch.store.tables import body, is_in, is_open, is_unheld, parcel
from sluicegate.dispatch.store.work import COLUMNS, Work, as_parcel

_one = parcel.alias("one")
"""Parcels that are looked for, beside those that are changed."""


def _claiming(found: Select[Any]) -> Update:
    """Claim what a query of numbers finds."""
    return (
        update(parcel)
        .where(parcel.c.seq.in_(found))
        .values(state=int(State.CLAIMED), owner=bindparam("claimer"))
        .returning(*COLUMNS)
    )


_MOST: BindParameter[int] = bindparam("most")

_CLAIM = _claiming(
    select(_one.c.seq)
    .where(
        is_in(State.READY, _one),
        _one.c.destination == bindparam("to"),
        _one.c.user == bindparam("of"),
        _one.c.rank == bindparam("at_rank"),
    )
    .order_by(_one.c.seq)
    .limit(_MOST)
)

_CLAIM_DUE = _claiming(
    select(_one.c.seq)
    .where(is_in(State.DELAYED, _one), _one.c.destination == bindparam("to"), _one.c.due <= bindparam("at"))
    .order_by(_one.c.due)
    .limit(_MOST)
).returning(parcel.c.due)

_CLAIM_OVERDUE = _claiming(
    select(_one.c.seq).where(is_unheld(_one), _one.c.deadline <= bindparam("at")).order_by(_one.c.deadline).limit(_MOST)
)

_CLAIM_ALL = _claiming(
    select(_one.c.seq)
    .where(
        is_open(_one),
        _one.c.destination == bindparam("to"),
        _one.c.state.in_(bindparam("states", expanding=True)),
    )
    .order_by(_one.c.seq)
    .limit(_MOST)
)


def claim(work: Work, wants: Sequence[Want]) -> list[Parcel]:
    """See `Transaction.claim`."""
    if not work.change():
        return []
    rows: list[Any] = []
    for want in wants:
        if want.most > 0:
            room = {"to": want.destination, "of": want.user, "at_rank": want.rank, "most": want.most}
            rows += work.connection.execute(_CLAIM, room | {"claimer": work.owner})
    return _with_bodies(work, sorted(rows))


def claim_due(work: Work, destinations: Iterable[str], at: float, most: int) -> list[Parcel]:
    """See `Transaction.claim_due`. A destination that is not asked for costs nothing, however much of it is due."""
    names = list(dict.fromkeys(destinations))
    if not names or most <= 0 or not work.change():
        return []
    earliest = work.connection.execute(_select_earliest(work.dialect), {"names": work.dialect.many(names)}).all()
    rows: list[Any] = []
    for name, due in sorted(earliest, key=lambda row: (row[1] is None, row[1])):
        if due is None or due > at or len(rows) >= most:
            break
        room = {"to": name, "at": at, "most": most - len(rows), "claimer": work.owner}
        rows += work.connection.execute(_CLAIM_DUE, room)
    rows.sort(key=lambda row: (row.due, row.seq))
    return _with_bodies(work, rows)


@cache
def _select_earliest(dialect: Dialect) -> Executable:
    named = dialect.named("names")
    first = select(func.min(parcel.c.due)).where(is_in(State.DELAYED), parcel.c.destination == named.c.value)
    return select(named.c.value, first.scalar_subquery())


def claim_overdue(work: Work, at: float, most: int) -> list[Parcel]:
    """See `Transaction.claim_overdue`."""
    if most <= 0 or not work.change():
        return []
    rows = work.connection.execute(_CLAIM_OVERDUE, {"at": at, "most": most, "claimer": work.owner}).all()
    return _with_bodies(work, sorted(rows, key=lambda row: (row.deadline, row.seq)))


def claim_all(work: Work, destination: str, states: Sequence[State], most: int) -> list[Parcel]:
    """See `Transaction.claim_all`."""
    wanted = [int(state) for state in states if state <= OPEN and state is not State.CLAIMED]
    if not wanted or most <= 0 or not work.change():
        return []
    room = {"to": destination, "states": wanted, "most": most, "claimer": work.owner}
    return _with_bodies(work, sorted(work.connection.execute(_CLAIM_ALL, room).all()))


def _with_bodies(work: Work, rows: Sequence[Any]) -> list[Parcel]:
    small = [row.seq for row in rows if row.octets <= LARGE]
    bodies: dict[int, bytes] = {}
    if small:
        found = work.connection.execute(_select_bodies(work.dialect), {"seqs": work.dialect.many(small)})
        bodies = {row.seq: row.octets for row in found}
    return [as_parcel(row, bodies.get(row.seq)) for row in rows]


@cache
def _select_bodies(dialect: Dialect) -> Executable:
    return select(body.c.seq, body.c.octets).where(dialect.among(body.c.seq, "seqs"))
