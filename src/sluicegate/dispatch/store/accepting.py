"""Parcels come in: what is known already, what they must wait for, and whom they hurry."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Executable, and_, func, insert, select, update

from sluicegate.dispatch.parcel import OPEN, Incoming, Receipt, State, Taken
from sluicegate.dispatch.store.bulk import Bulk, Row
from sluicegate.dispatch.store.dialects import Dialect
from sluicegate.dispatch.store.tables import body, is_open, link, parcel
from sluicegate.dispatch.store.work import BATCH, Work

_NAMES = (
    "seq", "kind", "key", "digest", "destination", "user", "rank", "path", "lane", "srv", "accepted_at", "deadline",
    "state", "owner", "octets", "fields",
)  # fmt: skip
_INSERT_PARCELS = Bulk(insert(parcel), _NAMES)
_INSERT_BODIES = Bulk(insert(body), ("seq", "octets"))
INSERT_LINKS = Bulk(insert(link), ("blocker", "seq"))


@dataclass(frozen=True, slots=True)
class _Known:
    """A parcel that is there."""

    seq: int
    digest: bytes
    accepted_at: float
    state: State


@dataclass(slots=True)
class _Rows:
    """What is to be inserted."""

    parcels: list[Row] = field(default_factory=list)
    bodies: list[Row] = field(default_factory=list)
    links: list[Row] = field(default_factory=list)

    def insert(self, work: Work) -> None:
        _INSERT_PARCELS.run(work.connection, self.parcels)
        _INSERT_BODIES.run(work.connection, self.bodies)
        INSERT_LINKS.run(work.connection, self.links)


def accept(work: Work, incoming: Sequence[Incoming]) -> list[Receipt]:
    """See `Transaction.accept`."""
    receipts: list[Receipt] = []
    for start in range(0, len(incoming), BATCH):
        receipts += _accept(work, incoming[start : start + BATCH])
    return receipts


def _accept(work: Work, incoming: Sequence[Incoming]) -> list[Receipt]:
    may_hold = work.change()
    known = _known(work, incoming)
    new = {one.key for one in incoming} - known.keys()
    last = _last_of_lanes(work, {one.lane for one in incoming if one.lane is not None and one.key in new})
    numbers = iter(work.numbers.take(work.connection, len(new)))
    rows, receipts = _Rows(), []
    for one in incoming:
        if one.key in known:
            receipts.append(_again(one, known[one.key]))
            continue
        seq = next(numbers)
        blockers = _blockers(one, known, last)
        state = State.BLOCKED if blockers else State.CLAIMED if one.hold and may_hold else State.READY
        rows.parcels.append(_row(one, seq, state, work.owner if state is State.CLAIMED else None))
        rows.bodies.append((seq, one.body))
        rows.links += ((blocker, seq) for blocker in blockers)
        known[one.key] = _Known(seq, one.digest, one.accepted_at, state)
        if one.lane is not None:
            last[one.lane] = seq
        receipts.append(Receipt(Taken.ACCEPTED, seq, one.accepted_at, state))
    rows.insert(work)
    if rows.links:
        hurry(work, {seq for _, seq in rows.links})
    return receipts


def _blockers(one: Incoming, known: dict[bytes, _Known], last: dict[int, int]) -> set[int]:
    """The last open parcel of its lane (which waits for the one before it), and its predecessor while that is open."""
    blockers = set()
    if one.lane is not None and one.lane in last:
        blockers.add(last[one.lane])
    if one.preceding is not None:
        before = known.get(one.preceding)
        if before is not None and before.state <= OPEN:
            blockers.add(before.seq)
    return blockers


def _again(one: Incoming, first: _Known) -> Receipt:
    taken = Taken.REPEATED if one.digest == first.digest else Taken.CONFLICT
    ended = taken is Taken.REPEATED and first.state > OPEN
    return Receipt(taken, first.seq, first.accepted_at, first.state, repeats_after=ended)


def _row(one: Incoming, seq: int, state: State, owner: int | None) -> Row:
    """In the order of _NAMES."""
    return (
        seq,
        int(one.kind),
        one.key,
        one.digest,
        one.destination,
        one.user,
        one.rank,
        one.path,
        one.lane,
        one.srv,
        one.accepted_at,
        one.deadline,
        int(state),
        owner,
        len(one.body),
        json.dumps(dict(one.fields)) if one.fields else None,
    )


def _known(work: Work, incoming: Sequence[Incoming]) -> dict[bytes, _Known]:
    """What is there of their keys, and of those that they follow."""
    keys = {one.key for one in incoming} | {one.preceding for one in incoming if one.preceding is not None}
    found = work.connection.execute(_select_known(work.dialect), {"keys": list(keys)})
    return {key: _Known(seq, digest, at, State(state)) for key, seq, digest, at, state in found}


@cache
def _select_known(dialect: Dialect) -> Executable:
    columns = (parcel.c.key, parcel.c.seq, parcel.c.digest, parcel.c.accepted_at, parcel.c.state)
    return select(*columns).where(dialect.keyed(parcel.c.key, "keys"))


def _last_of_lanes(work: Work, lanes: Collection[int]) -> dict[int, int]:
    if not lanes:
        return {}
    found = work.connection.execute(_select_last(work.dialect), {"lanes": work.dialect.many(lanes)})
    return {lane: seq for lane, seq in found if seq is not None}


@cache
def _select_last(dialect: Dialect) -> Executable:
    """One step into the index for each lane, however long the lane is."""
    listed = dialect.listed("lanes")
    of_lane = and_(parcel.c.lane == listed.c.value, is_open(), parcel.c.lane.is_not(None))
    return select(listed.c.value, select(func.max(parcel.c.seq)).where(of_lane).scalar_subquery())


def hurry(work: Work, waiting: Collection[int]) -> None:
    """What these parcels wait for takes their rank, where it is a later one of the same User and destination."""
    found = work.connection.execute(_update_ranks(work.dialect), {"waiting": work.dialect.many(waiting)})
    for seq, rank, state, owner in found:
        if state == State.CLAIMED and owner == work.owner:
            work.hurried[seq] = rank


@cache
def _update_ranks(dialect: Dialect) -> Executable:
    """Up the chain, as long as there is a later rank: ranks only ever fall, so no parcel is visited often."""
    waits, blocks = parcel.alias("waits"), parcel.alias("blocks")
    up = (
        select(blocks.c.seq, waits.c.rank, waits.c.user, waits.c.destination)
        .join_from(link, waits, waits.c.seq == link.c.seq)
        .join(blocks, blocks.c.seq == link.c.blocker)
        .where(dialect.among(link.c.seq, "waiting"), _is_later(blocks, waits))
        .cte("up", recursive=True)
    )
    further = parcel.alias("further")
    up = up.union(
        select(further.c.seq, up.c.rank, up.c.user, up.c.destination)
        .join_from(up, link, link.c.seq == up.c.seq)
        .join(further, further.c.seq == link.c.blocker)
        .where(_is_later(further, up))
    )
    least = select(up.c.seq, func.min(up.c.rank).label("rank")).group_by(up.c.seq).subquery()
    return (
        update(parcel)
        .where(parcel.c.seq == least.c.seq)
        .values(rank=least.c.rank)
        .returning(parcel.c.seq, parcel.c.rank, parcel.c.state, parcel.c.owner)
    )


def _is_later(blocks: Any, waits: Any) -> Any:
    same = and_(blocks.c.user == waits.c.user, blocks.c.destination == waits.c.destination)
    return and_(same, blocks.c.rank > waits.c.rank)
