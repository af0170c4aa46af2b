"""Parcels come to their end, or go back; what waited for them may go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Executable,
    and_,
    bindparam,
    case,
    delete,
    exists,
    null,
    or_,
    select,
    union_all,
    update,
)

from sluicegate.dispatch.parcel import OPEN, Queue, Settlement, State
from sluicegate.dispatch.store.accepting import INSERT_LINKS, hurry
from sluicegate.dispatch.store.bulk import Bulk, Row
from sluicegate.dispatch.store.dialects import Dialect
from sluicegate.dispatch.store.interface import REQUEUED_AT_ONCE, Finished, Settled
from sluicegate.dispatch.store.tables import constant, is_in, is_open, link, parcel
from sluicegate.dispatch.store.work import BATCH, Work

_waits = exists().where(link.c.seq == parcel.c.seq)


def _unless_it_waits(state: ColumnElement[int]) -> ColumnElement[int]:
    """A parcel that was claimed because of its deadline, or by an operator, may still have to wait for others."""
    return case((_waits, constant(State.BLOCKED)), else_=state)


_this = update(parcel).where(parcel.c.seq == bindparam("s_seq"))
_repeated = or_(parcel.c.repeated, bindparam("s_repeated", type_=parcel.c.repeated.type))
_told: dict[str, Any] = {"attempts": bindparam("s_attempts"), "code": bindparam("s_code")}

_END = Bulk(
    _this.values(state=bindparam("s_state"), owner=null(), repeated=_repeated, finished_at=bindparam("s_at"), **_told),
    ("s_seq", "s_repeated", "s_attempts", "s_code", "s_state", "s_at"),
)
_DELAY = Bulk(
    _this.values(
        state=_unless_it_waits(constant(State.DELAYED)),
        owner=null(),
        repeated=_repeated,
        due=bindparam("s_due"),
        **_told,
    ),
    ("s_seq", "s_repeated", "s_attempts", "s_code", "s_due"),
)
_PARK = Bulk(
    _this.values(state=constant(State.PARKED), owner=null(), repeated=_repeated, **_told),
    ("s_seq", "s_repeated", "s_attempts", "s_code"),
)
_GIVE_BACK = Bulk(
    _this.values(state=_unless_it_waits(constant(State.READY)), owner=null(), repeated=_repeated),
    ("s_seq", "s_repeated"),
)
_FINISH = Bulk(
    _this.values(state=constant(State.DELIVERED), finished_at=bindparam("s_at"), code=bindparam("s_code")),
    ("s_seq", "s_at", "s_code"),
)


def settle(work: Work, settlements: Sequence[Settlement]) -> Settled:
    """See `Transaction.settle`. Raises ValueError for a state that is none of those that a settlement may have."""
    applied: set[int] = set()
    freed: Counter[Queue] = Counter()
    for start in range(0, len(settlements), BATCH):
        done, free = _settle(work, settlements[start : start + BATCH])
        applied |= done
        freed += free
    return Settled(frozenset(applied), dict(freed))


def _settle(work: Work, settlements: Sequence[Settlement]) -> tuple[set[int], Counter[Queue]]:
    work.change()
    asked: dict[int, Settlement] = {}
    for one in settlements:
        asked.setdefault(one.seq, one)
    own = {"seqs": work.dialect.many(asked), "claimer": work.owner}
    mine = set(work.connection.scalars(_select_mine(work.dialect), own))
    rows: dict[Bulk, list[Row]] = defaultdict(list)
    ended = []
    for seq, one in asked.items():
        if seq in mine:
            statement, row = _row(one)
            rows[statement].append(row)
            if one.state > OPEN:
                ended.append(seq)
    for statement, many in rows.items():
        statement.run(work.connection, many)
    return mine, free(work, ended)


def _row(one: Settlement) -> tuple[Bulk, Row]:
    """Which statement, and its parameters."""
    told = (one.seq, one.repeated, one.attempts, one.code)
    if one.state in {State.DELIVERED, State.RETURNED}:
        return _END, (*told, int(one.state), one.at)
    if one.state is State.DELAYED:
        return _DELAY, (*told, one.due)
    if one.state is State.PARKED:
        return _PARK, told
    if one.state is State.READY:
        return _GIVE_BACK, told[:2]
    raise ValueError(f"a parcel cannot be settled as {one.state.name}")


@cache
def _select_mine(dialect: Dialect) -> Executable:
    mine = (is_in(State.CLAIMED), parcel.c.owner == bindparam("claimer"))
    return select(parcel.c.seq).where(dialect.among(parcel.c.seq, "seqs"), *mine)


def free(work: Work, ended: Collection[int]) -> Counter[Queue]:
    """Take the links of parcels that have ended away. What waits for nothing more is READY: how many of each queue.

    Where one ends before those that it waited for (its deadline was over, or its outcome came early), what is behind
    it waits for them in its stead.
    """
    if not ended:
        return Counter()
    seqs = {"seqs": work.dialect.many(ended)}
    links = work.connection.execute(_select_links(work.dialect), seqs).all()
    if not links:
        return Counter()
    for statement in _delete_links(work.dialect):
        work.connection.execute(statement, seqs)
    gone = set(ended)
    behind = {seq for blocker, seq in links if blocker in gone and seq not in gone}
    instead = _instead(links, gone)
    if instead:
        there = work.connection.execute(_select_blockers(work.dialect), {"seqs": work.dialect.many(behind)})
        instead -= {(blocker, seq) for blocker, seq in there}
    if instead:
        INSERT_LINKS.run(work.connection, sorted(instead))
        hurry(work, {seq for _, seq in instead})
    rows = work.connection.execute(_update_free(work.dialect), {"seqs": work.dialect.many(behind)})
    return Counter((destination, user, rank) for destination, user, rank in rows)


def _instead(links: Iterable[Any], gone: set[int]) -> set[tuple[int, int]]:
    """Links from what those that have gone were waiting for to what was waiting for them."""
    before: dict[int, set[int]] = defaultdict(set)
    for blocker, seq in links:
        before[seq].add(blocker)
    still: dict[int, set[int]] = {}
    for seq in sorted(gone):  # what a parcel waits for has a smaller number: its own answer is there
        still[seq] = set()
        for blocker in before.get(seq, ()):
            still[seq] |= still[blocker] if blocker in gone else {blocker}
    return {(blocker, seq) for ended, seq in links if ended in gone and seq not in gone for blocker in still[ended]}


@cache
def _select_links(dialect: Dialect) -> Executable:
    """Two questions to two indexes: SQLite would answer one with OR by reading the whole table."""
    links = select(link.c.blocker, link.c.seq)
    return union_all(
        links.where(dialect.among(link.c.blocker, "seqs")),
        links.where(dialect.among(link.c.seq, "seqs")),
    )


@cache
def _delete_links(dialect: Dialect) -> tuple[Delete, Delete]:
    return (
        delete(link).where(dialect.among(link.c.blocker, "seqs")),
        delete(link).where(dialect.among(link.c.seq, "seqs")),
    )


@cache
def _select_blockers(dialect: Dialect) -> Executable:
    return select(link.c.blocker, link.c.seq).where(dialect.among(link.c.seq, "seqs"))


@cache
def _update_free(dialect: Dialect) -> Executable:
    return (
        update(parcel)
        .where(dialect.among(parcel.c.seq, "seqs"), is_in(State.BLOCKED), ~_waits)
        .values(state=int(State.READY))
        .returning(parcel.c.destination, parcel.c.user, parcel.c.rank)
    )


def finish(work: Work, told: Sequence[tuple[bytes, str]], at: float) -> Finished:
    """See `Transaction.finish`."""
    work.change()
    keys = [key for key, _ in told]
    known: dict[bytes, tuple[int, State, bool]] = {}
    for start in range(0, len(keys), BATCH):
        part = {"keys": list(keys[start : start + BATCH])}
        rows = work.connection.execute(_select_states(work.dialect), part)
        known |= {key: (seq, State(state), bool(sent)) for key, seq, state, sent in rows}
    codes = dict(reversed(told))  # the first that was told counts
    ended = [
        (seq, at, codes[key])
        for key, (seq, state, sent) in known.items()
        if sent and state <= OPEN and state is not State.CLAIMED
    ]
    _FINISH.run(work.connection, ended)
    freed = free(work, [seq for seq, _, _ in ended])
    return Finished([known[key][1] if key in known else None for key in keys], dict(freed))


@cache
def _select_states(dialect: Dialect) -> Executable:
    sent = or_(parcel.c.attempts > 0, parcel.c.repeated)
    return select(parcel.c.key, parcel.c.seq, parcel.c.state, sent).where(dialect.keyed(parcel.c.key, "keys"))


def requeue(work: Work, destination: str, seqs: Sequence[int] | None) -> int:
    """See `Transaction.requeue`."""
    work.change()
    if seqs is None:
        return sum(work.connection.execute(again, {"to": destination}).rowcount for again in _REQUEUE)
    row = {"to": destination, "seqs": work.dialect.many(seqs)}
    return work.connection.execute(_requeue_chosen(work.dialect), row).rowcount


@cache
def _requeue_chosen(dialect: Dialect) -> Executable:
    waits = or_(is_in(State.PARKED), is_in(State.DELAYED))
    chosen = and_(parcel.c.destination == bindparam("to"), dialect.among(parcel.c.seq, "seqs"), waits)
    return update(parcel).where(chosen).values(_AGAIN)


_AGAIN = {"state": _unless_it_waits(constant(State.READY)), "attempts": 0, "code": ""}
_REQUEUE = tuple(
    update(parcel)
    .where(
        parcel.c.seq.in_(
            select(parcel.c.seq).where(is_in(state), parcel.c.destination == bindparam("to")).limit(REQUEUED_AT_ONCE)
        )
    )
    .values(_AGAIN)
    for state in (State.PARKED, State.DELAYED)
)


def release(work: Work, owner: int, but: frozenset[int] = frozenset()) -> int:
    """A dispatcher's claims, but those, are READY again, and may have been sent before."""
    held = work.connection.scalars(_SELECT_CLAIMS, {"claimer": owner})
    loose = [seq for seq in held if seq not in but]
    for start in range(0, len(loose), BATCH):
        work.connection.execute(
            _update_released(work.dialect), {"seqs": work.dialect.many(loose[start : start + BATCH])}
        )
    return len(loose)


_SELECT_CLAIMS = select(parcel.c.seq).where(
    is_open(),
    parcel.c.destination >= "",  # all; it leads SQLite to the index of open parcels, past all that have ended
    is_in(State.CLAIMED),
    parcel.c.owner == bindparam("claimer"),
)


@cache
def _update_released(dialect: Dialect) -> Executable:
    ready = {"state": _unless_it_waits(constant(State.READY)), "owner": None, "repeated": True}
    return update(parcel).where(dialect.among(parcel.c.seq, "seqs")).values(ready)
