"""What is there: for the dispatcher at its start, and for the operator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import bindparam, delete, func, insert, select

from sluicegate.dispatch.parcel import Parcel, Queue, State
from sluicegate.dispatch.store import tables
from sluicegate.dispatch.store.interface import LISTED, Standing
from sluicegate.dispatch.store.tables import constant, flag, is_finished, is_in, is_open, parcel
from sluicegate.dispatch.store.work import COLUMNS, Work, as_parcel
from sluicegate.duis import MAX_HEADER_OCTETS

FOUND = 1_000
"""Parcels that are shown of one key."""

_ON_THE_WAY = [constant(state) for state in (State.READY, State.CLAIMED, State.DELAYED)]
"""What an operator must look at, and what waits behind it, says nothing of how its destination keeps up."""

_BODY = select(tables.body.c.octets).where(tables.body.c.seq == bindparam("number"))

_HEAD = select(func.substr(tables.body.c.octets, 1, MAX_HEADER_OCTETS)).where(tables.body.c.seq == bindparam("number"))

_STANDING = (
    select(parcel.c.destination, parcel.c.user, parcel.c.rank, parcel.c.state, func.count(), func.sum(parcel.c.octets))
    .where(is_open(), parcel.c.destination >= "")  # all; see settling._SELECT_CLAIMS
    .group_by(parcel.c.destination, parcel.c.user, parcel.c.rank, parcel.c.state)
)

_OLDEST = (
    select(parcel.c.accepted_at)
    .where(is_open(), parcel.c.destination == bindparam("to"), parcel.c.state.in_(_ON_THE_WAY))
    .order_by(parcel.c.seq)
    .limit(1)
)

_PARKED = (
    select(*COLUMNS, parcel.c.code)
    .where(is_in(State.PARKED), parcel.c.destination == bindparam("to"))
    .order_by(parcel.c.seq)
    .limit(bindparam("most"))
)

_FIND = (
    select(*COLUMNS, parcel.c.state, parcel.c.code)
    .where(parcel.c.key >= bindparam("least"))
    .order_by(parcel.c.key)
    .limit(FOUND)
)


_IN_TIME = (
    is_finished(),
    parcel.c.finished_at >= bindparam("since"),
    parcel.c.finished_at < bindparam("until"),
    parcel.c.destination == bindparam("to"),
)

_ENDED = (
    select(*COLUMNS, parcel.c.state, parcel.c.code, parcel.c.finished_at)
    .where(*_IN_TIME)
    .order_by(parcel.c.finished_at.desc(), parcel.c.seq.desc())
    .limit(bindparam("most"))
)

_ENDS = select(parcel.c.rank, parcel.c.code, func.count()).where(*_IN_TIME).group_by(parcel.c.rank, parcel.c.code)


def body(work: Work, seq: int) -> bytes | None:
    """See `Transaction.body`."""
    octets: bytes | None = work.connection.scalar(_BODY, {"number": seq})
    return octets


def head(work: Work, seq: int) -> bytes | None:
    """See `Transaction.head`."""
    octets: bytes | None = work.connection.scalar(_HEAD, {"number": seq})
    return octets


def standing(work: Work) -> list[Standing]:
    """See `Transaction.standing`."""
    states: dict[Queue, dict[State, int]] = defaultdict(dict)
    octets: dict[Queue, int] = defaultdict(int)
    for destination, user, rank, state, count, size in work.connection.execute(_STANDING):
        states[destination, user, rank][State(state)] = count
        octets[destination, user, rank] += int(size)
    return [Standing(queue, states[queue], octets[queue]) for queue in sorted(states)]


def oldest(work: Work, destination: str) -> float | None:
    """See `Transaction.oldest`."""
    at: float | None = work.connection.scalar(_OLDEST, {"to": destination})
    return at


def parked(work: Work, destination: str, most: int) -> list[tuple[Parcel, str]]:
    """See `Transaction.parked`."""
    rows = work.connection.execute(_PARKED, {"to": destination, "most": max(0, most)})
    return [(as_parcel(row), row.code) for row in rows]


def find(work: Work, key: bytes) -> list[tuple[Parcel, State, str]]:
    """See `Transaction.find`. At most FOUND of them."""
    after = _after(key)
    query = _FIND if after is None else _FIND.where(parcel.c.key < after)
    rows = work.connection.execute(query, {"least": key})
    return [(as_parcel(row), State(row.state), row.code) for row in rows]


def _after(key: bytes) -> bytes | None:
    """The first octets behind all that begin with `key`; None: there are none."""
    stem = key.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def ended(
    work: Work, destination: str, since: float, until: float, most: int, but: str
) -> list[tuple[Parcel, State, str, float]]:
    """See `Transaction.ended`."""
    period = {"to": destination, "since": since, "until": until, "most": max(0, min(most, LISTED))}
    query = _ENDED.where(parcel.c.code.not_like(f"{but}%")) if but else _ENDED
    rows = work.connection.execute(query, period)
    return [(as_parcel(row), State(row.state), row.code, row.finished_at) for row in rows]


def ends(work: Work, destination: str, since: float, until: float) -> Mapping[tuple[int, str], int]:
    """See `Transaction.ends`."""
    counts: dict[tuple[int, str], int] = defaultdict(int)
    for rank, code, count in work.connection.execute(_ENDS, {"to": destination, "since": since, "until": until}):
        counts[rank, code.partition(" ")[0]] += count
    return dict(counts)


def set_flag(work: Work, name: str, value: str | None) -> None:
    """See `Transaction.set_flag`."""
    work.change()
    work.connection.execute(delete(flag).where(flag.c.name == name))
    if value is not None:
        work.connection.execute(insert(flag).values(name=name, value=value))


def flags(work: Work) -> Mapping[str, str]:
    """See `Transaction.flags`."""
    return {row.name: row.value for row in work.connection.execute(select(flag.c.name, flag.c.value))}
