"""A worker's way into the fleet that the settings name: its ledger, and what draws for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from secrets import token_hex
from time import monotonic
from typing import Any, Final

from sluicegate.allocation import Book
from sluicegate.ledger.fleet.driver import FAILED, Driver
from sluicegate.ledger.fleet.fleet import FleetLedger
from sluicegate.ledger.fleet.messages import Ask
from sluicegate.ledger.fleet.parted import PartedShard
from sluicegate.ledger.fleet.seats import LONGEST, Seat
from sluicegate.ledger.fleet.shard import Shard
from sluicegate.ledger.fleet.worker import ELSEWHERE
from sluicegate.settings import Capacity
from sluicegate.settings.ledger import Ledger as Named
from sluicegate.settings.ledger import Place

LOOK: Final = 0.01  # seconds between looks at whether it has answered


class Joined:
    """A ledger that is shared, and who draws for it.

    Args:
        named: `[ledger]`, with a URL.
        capacity, book: as of `LocalLedger`.
        name: of this worker in the fleet, where who started it has given one; nobody else comes by it, ever.

    Attributes:
        ledger: for the gateway.
        shard: the Valkey.

    Raises:
        SecretMissing: the password is not where it should be.
        ValueError: the book has what a fleet does not share.
    """

    def __init__(self, named: Named, capacity: Capacity, book: Book, name: str | None = None) -> None:
        self.ledger = FleetLedger(
            capacity,
            book,
            name or new_name(os.getpid()),
            monotonic(),
            wait=named.wait,
            hold=named.hold,
            lease=named.lease,
            draws_per_second=named.draws_per_second,
            life=token_hex(8),
            closes=named.after_lease == "closed",
            seed=int(token_hex(4), 16),
            parts=named.parts,
        )
        self.shard = shard_of(named)
        self._driver = Driver(self.ledger.worker, self.shard)
        self._seat: Seat | None = None
        self._leaving: asyncio.Task[None] | None = None
        if isinstance(self.shard, PartedShard):
            self._seat = seat = Seat(self.shard.seats, self.ledger.worker.name, named.parts, self._sits, self._moves)
            self.shard.why = lambda: seat.trouble

    def start(self) -> None:
        """Begin to draw. Within the loop that serves."""
        if self._seat is not None:
            self._seat.start()
        self._driver.start()

    def _sits(self, part: int) -> None:
        """The worker has a seat: now there is a ledger to draw from, and it tries again at once."""
        assert isinstance(self.shard, PartedShard)  # noqa: S101 - else nobody asks for one
        self.shard.part = part
        worker = self.ledger.worker
        worker.share.retry_at = monotonic()
        worker.wake()

    async def _moves(self, part: int) -> bool:
        """Go on at another part, if that one answers, and nobody there is silent with a share. Nobody is throttled for
        it: who comes meanwhile waits for the first draw there."""
        shard, worker = self.shard, self.ledger.worker
        assert isinstance(shard, PartedShard)  # noqa: S101 - else nobody moves
        assert shard.part is not None  # noqa: S101 - it has a seat
        try:
            async with asyncio.timeout(LONGEST):
                look = await shard.parts[part].look()  # this makes the connection too
        except FAILED:
            return False
        if any(seen.silent and seen.share > 0.0 for seen in look.workers):
            return False  # until their leases end that is granted to nobody there: fewer workers, and less for them
        before, gone = shard.parts[shard.part], asyncio.get_running_loop().create_future()

        def go() -> None:
            if worker.share.alone:  # what it has in hand and its share are in use
                gone.set_result(None)
            else:
                gone.set_result(worker.depart(monotonic()))
                shard.part = part

        self._driver.once_between(go)
        leave, own = await gone, shard.parts.index(before)
        if leave is None:
            return False
        self._leaving = asyncio.create_task(_left(before, leave))
        return await self._stays(own)

    async def _stays(self, before: int) -> bool:
        """Whether the part to which it has gone answers. Else it goes back to where it was: lost between both, it has
        no share of either, and would admit nothing."""
        shard, worker = self.shard, self.ledger.worker
        assert isinstance(shard, PartedShard)  # noqa: S101 - else nobody moves
        while worker.epoch == ELSEWHERE and not worker.share.alone:
            await asyncio.sleep(LOOK)
        settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def settle() -> None:
            stays = worker.epoch != ELSEWHERE
            if not stays:
                self._sits(before)
            settled.set_result(stays)

        self._driver.once_between(settle)
        return await settled

    async def heard(self, seconds: float) -> bool:
        """Wait until the ledger answers, so long at most: before, a worker has nothing to serve anybody with."""
        worker, until = self.ledger.worker, monotonic() + seconds
        while not worker.epoch or worker.share.alone:
            if monotonic() > until:
                return False
            await asyncio.sleep(LOOK)
        return True

    async def stop(self) -> None:
        """Give back what is in hand, and leave."""
        await self._driver.stop()
        if self._seat is not None:
            await self._seat.stop()
        if self._leaving is not None:
            await self._leaving

    async def close(self) -> None:
        """Close the connections: nothing more is told."""
        await self.shard.close()


async def _left(part: Shard, leave: Ask) -> None:
    """Tell a part that the worker goes on elsewhere: else what it had lapses, and its share ends with its lease."""
    with contextlib.suppress(*FAILED):
        async with asyncio.timeout(LONGEST):
            await part.leave(leave)


def new_name(process: int) -> str:
    """A name for a worker that nobody has had; to be read by people, it begins with the machine and the process."""
    return f"{socket.gethostname()[:60]}-{process}-{token_hex(4)}"


def shard_of(named: Named) -> Shard:
    """The Valkey that the settings name; it is connected to when it is used. Raises SecretMissing."""
    from sluicegate.ledger.fleet.valkey import ValkeyShard  # noqa: PLC0415 - only where there is a fleet

    place = named.url
    assert place is not None  # noqa: S101 - who has no fleet does not come here
    options: dict[str, Any] = {}
    if named.password is not None:
        options["password"] = named.password.read().get_secret_value()
    if named.username is not None:
        options["username"] = named.username
    if named.ca is not None:
        options["ssl_ca_certs"] = str(named.ca)
    patience = max(1.0, 2.0 * named.hold)  # a late answer is of use; when a draw is lost, the worker knows
    url = url_of(place, cluster=named.cluster, sentinel=named.sentinel)
    made = ValkeyShard(url, named.name, patience, options)
    if named.parts == 1:
        return made
    if not named.cluster:
        return PartedShard(made, [made.sharing(named.name, part) for part in range(named.parts)])
    # A client of a cluster drops all its connections when a node is lost: so each part has one of its own.
    parts = [ValkeyShard(url, named.name, patience, options, part) for part in range(named.parts)]
    return PartedShard(made, parts)


def url_of(place: Place, *, cluster: bool, sentinel: str | None) -> str:
    """As `ValkeyShard` takes it."""
    if place.path:
        return str(place)
    kind = "+cluster" if cluster else "+sentinel" if sentinel is not None else ""
    scheme, separator, rest = str(place).partition("://")
    if sentinel is not None:
        rest = f"{rest.partition('/')[0]}/{sentinel}"
    elif cluster:
        rest = rest.partition("/")[0]
    return f"{scheme}{kind}{separator}{rest}"
