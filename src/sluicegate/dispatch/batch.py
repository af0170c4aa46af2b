"""What one transaction of the writer is to do, and what it has done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluicegate.dispatch.parcel import Incoming, Parcel, Queue, Receipt, Settlement, State, Want
from sluicegate.dispatch.store.interface import Transaction

MOST_AT_ONCE = 2_000  # parcels in one transaction: a commit is to take milliseconds
MOST_CLAIMED = 400  # parcels claimed in one go: some 20 ms
MOST_OCTETS = 33_554_432  # of their bodies


@dataclass(slots=True)
class Accepting:
    """Parcels that are to be made safe."""

    incoming: Sequence[Incoming]
    answer: asyncio.Future[list[Receipt]]


@dataclass(slots=True)
class Settling:
    """What became of a parcel, and the Responses that follow from it."""

    settlement: Settlement
    letters: Sequence[Incoming]
    answer: asyncio.Future[list[Receipt]]


@dataclass(frozen=True, slots=True)
class Concluded:
    """What an outcome has led to."""

    before: State | None
    """The state that the SR was in; None: it is not known."""
    letter: Incoming
    """As it was stored: where the SR was RETURNED, it says that it is late."""
    receipt: Receipt
    sr: Parcel | None = None
    """The SR, where it was open. One that is CLAIMED is left to the dispatcher that holds it."""


@dataclass(slots=True)
class Concluding:
    """The outcome of an SR that its destination has told, and the Response for its User."""

    key: bytes | None
    code: str
    letter: Incoming
    answer: asyncio.Future[Concluded]


@dataclass(slots=True)
class Claiming:
    """Room for parcels of queues."""

    wants: Sequence[Want]
    answer: asyncio.Future[list[Parcel]]


@dataclass(slots=True)
class Doing:
    """Anything else; `claims` where it returns parcels that it has claimed."""

    work: Callable[[Transaction], Any]
    claims: bool
    answer: asyncio.Future[Any]


@dataclass(slots=True)
class Batch:
    """What one transaction is to do, in this order: settle (and store what follows from it), accept, claim, do."""

    settling: list[Settling] = field(default_factory=list)
    concluding: list[Concluding] = field(default_factory=list)
    accepting: list[Accepting] = field(default_factory=list)
    claiming: list[Claiming] = field(default_factory=list)
    doing: list[Doing] = field(default_factory=list)
    parcels: int = 0
    octets: int = 0

    def __bool__(self) -> bool:
        return bool(self.settling or self.concluding or self.accepting or self.claiming or self.doing)


@dataclass(slots=True)
class Done:
    """What it led to; `held` and `let_go` are the numbers of claimed parcels that came and went."""

    answers: list[tuple[asyncio.Future[Any], Any]] = field(default_factory=list)
    freed: Mapping[Queue, int] = field(default_factory=dict)
    hurried: Mapping[int, int] = field(default_factory=dict)
    held: list[int] = field(default_factory=list)
    let_go: list[int] = field(default_factory=list)


def singles(batch: Batch) -> list[Batch] | None:
    """Each of its jobs in a batch of its own; None where there is only one that cannot be parted or parked."""
    alone = [Batch(settling=[job], parcels=1) for job in batch.settling]
    alone += [Batch(concluding=[job], parcels=1) for job in batch.concluding]
    alone += [Batch(accepting=[job], parcels=len(job.incoming)) for job in batch.accepting]
    alone += [Batch(claiming=[job]) for job in batch.claiming]
    alone += [Batch(doing=[job]) for job in batch.doing]
    return alone if len(alone) > 1 or batch.settling else None


def parked(batch: Batch, why: str) -> Batch:
    """A settlement that cannot be written, as one that can: an operator must look. Its letters are left out."""
    (job,) = batch.settling
    settlement = Settlement(job.settlement.seq, State.PARKED, job.settlement.at, code=f"not settled: {why}"[:200])
    return Batch(settling=[Settling(settlement, (), job.answer)], parcels=1)


def parts(batch: Batch) -> Iterable[Batch]:
    """A batch in pieces that a transaction can take.

    What has happened goes first, then what waits for an acknowledgement (large arrivals in several), and what claims
    parcels comes last, so that nobody's acknowledgement waits for it.
    """
    last = Batch(claiming=batch.claiming, doing=batch.doing)
    if not (batch.settling or batch.concluding or batch.accepting):
        yield last
        return
    part = Batch(batch.settling, batch.concluding, parcels=len(batch.settling) + len(batch.concluding))
    for job in batch.accepting:
        size = sum(len(parcel.body) for parcel in job.incoming)
        if part.accepting and (part.parcels >= MOST_AT_ONCE or part.octets + size > MOST_OCTETS):
            yield part
            part = Batch()
        part.accepting.append(job)
        part.parcels += len(job.incoming)
        part.octets += size
    yield part
    if last:
        yield last
