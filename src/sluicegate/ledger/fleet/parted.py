"""A ledger in parts, as one worker sees it: it draws from its own part, and looks at all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from sluicegate.ledger.fleet.messages import Answer, Ask, Look, Seen
from sluicegate.ledger.fleet.seats import Seats
from sluicegate.ledger.fleet.shard import AwayError, Shard
from sluicegate.ledger.fleet.writing import MalformedError

PATIENCE: Final = 1.5  # seconds that a part may take to be looked at; one that takes longer is away
NO_SEAT: Final = "no part of the ledger has been found for this worker yet"


class Beside(Shard, Seats, Protocol):
    """What does not belong to one part: seats, what workers keep for each other, and who writes."""


class PartedShard:
    """All parts of one ledger (`shard.Shard`).

    Args:
        beside: what does not belong to one part.
        parts: the ledgers.

    Attributes:
        part: from which it draws, from 0; None: from none yet. why: says why there is none, where that is known.
    """

    def __init__(self, beside: Beside, parts: Sequence[Shard]) -> None:
        self.seats, self.parts = beside, parts
        self.part: int | None = None
        self.why: Callable[[], str] = str
        self.keep, self.kept, self.hold = beside.keep, beside.kept, beside.hold

    async def draw(self, ask: Ask) -> Answer:
        """See `Shard`: from its part."""
        return await self._own().draw(ask)

    async def leave(self, ask: Ask) -> None:
        """See `Shard`: its part."""
        await self._own().leave(ask)

    def _own(self) -> Shard:
        if self.part is None:
            why = self.why()
            raise AwayError(f"{NO_SEAT}: {why}" if why else NO_SEAT)
        return self.parts[self.part]

    async def bury(self, worker: str) -> bool:
        """See `Shard`: all parts are told, for nobody else may know at which it was. Its seat is free.

        Raises AwayError where none knew it and one did not answer.
        """
        with suppress(AwayError):  # else it is when it is not renewed
            await self.seats.unseat(worker)
        told = await asyncio.gather(*(part.bury(worker) for part in self.parts), return_exceptions=True)
        wrong = [each for each in told if isinstance(each, BaseException)]
        if wrong and True not in told:
            raise wrong[0]
        return True in told

    async def look(self) -> Look:
        """See `Shard`: all parts together. Raises AwayError where none answers."""
        found = await asyncio.gather(*map(_looked, self.parts))
        if not any(found):
            raise AwayError(f"none of the {len(self.parts)} parts of the ledger answers")
        return together(found)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(self.seats.close(), *(part.close() for part in self.parts))


async def _looked(part: Shard) -> Look | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await part.look()
    except (AwayError, MalformedError, TimeoutError):
        return None


def together(found: Sequence[Look | None]) -> Look:
    """What several parts tell, as one; None: it did not answer."""
    there = [look for look in found if look is not None]
    active = [look.since for look in there if look.active]
    parts = len(found)
    return Look(
        epoch=" ".join(look.epoch for look in there if look.epoch),
        active=bool(active),
        since=max(active) if active else min(look.since for look in there),
        offered=sum(look.offered for look in there),
        system=sum(look.system for look in there),
        pool=sum(look.pool for look in there),
        held=sum(look.held for look in there),
        fill=sum(look.fill for look in there) / parts,
        workers=_each_once(seen._replace(share=seen.share / parts) for look in there for seen in look.workers),
        parts=parts,
        away=tuple(number for number, look in enumerate(found) if look is None),
    )


def _each_once(seen: Iterable[Seen]) -> tuple[Seen, ...]:
    """A worker that has moved, and could not tell so where it was, is in the books of both parts."""
    workers: dict[str, Seen] = {}
    for one in seen:
        other = workers.get(one.worker)
        workers[one.worker] = one if other is None else _both(one, other)
    return tuple(workers.values())


def _both(one: Seen, other: Seen) -> Seen:
    last = min(one, other, key=lambda each: each.age)
    return last._replace(share=one.share + other.share, held=one.held + other.held, alone=one.alone + other.alone)
