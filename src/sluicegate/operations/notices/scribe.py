"""From memory to the database: notices are written as they change, as soon as it works, and lent to this process.

What is delivered does not wait for a database that is lost: then the copy in memory is all that there is, so many at
the most, and how many is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from uuid import uuid4

from sluicegate.log import logger
from sluicegate.operations.notices import outbox
from sluicegate.operations.notices.notice import WAITING, Notice
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.worker import PATIENCE, Unavailable, Worker

MOST_UNWRITTEN: Final = 20_000
AT_ONCE: Final = 500  # in one transaction
LENT: Final = 60.0  # seconds: so long after a kill -9 others take what waited here
RENEW: Final = 20.0
REST: Final = 1.0
PURGE: Final = 3600.0
AT_END: Final = 2.0  # seconds for the database, when the gateway stops


class Scribe:
    """Writes.

    Args:
        worker: who has the database.
        keep_seconds: what is older is deleted.
        clock: seconds since 1970 UTC.
        claimed: is given what this process is to deliver: what another one has left, and what is told once.

    Attributes:
        unrecorded: changes that were never written because the database was lost for too long.
    """

    def __init__(
        self, worker: Worker, keep_seconds: float, clock: Callable[[], float],
        claimed: Callable[[list[Notice]], None], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self.keep_seconds = keep_seconds
        self.unrecorded = 0
        self._worker = worker
        self._clock = clock
        self._claimed = claimed
        self._sleep = sleep
        self._holder = uuid4().hex
        self._unwritten: dict[str, Notice] = {}
        self._once: dict[str, Notice] = {}
        """To be told once, by whoever writes it first."""
        self._doubtful: set[str] = set()
        """Of those, what may have been written."""
        self._closing = False
        self._wake = asyncio.Event()
        self._written = asyncio.Event()

    def __len__(self) -> int:
        """Notices whose last change is not in the database."""
        return len(self._unwritten) + len(self._once)

    def changed(self, notice: Notice) -> None:
        """It is to be written as it is now. Beyond the bound, what has ended is not, and then nothing is."""
        if notice.id not in self._unwritten and len(self._unwritten) >= MOST_UNWRITTEN:
            self.unrecorded += 1
            ended = next((one.id for one in self._unwritten.values() if one.state != WAITING), None)
            if ended is None:
                return
            del self._unwritten[ended]
        self._unwritten[notice.id] = notice
        self._wake.set()

    def once(self, notice: Notice) -> None:
        """Other processes may tell the same: `claimed` is given it if this one is the first to write it.

        It waits for the database, for only there it is known. Beyond the bound it is told by others, or not at all.
        """
        if notice.id not in self._once and len(self._once) >= MOST_UNWRITTEN:
            self.unrecorded += 1
            return
        self._once[notice.id] = notice
        self._wake.set()

    async def written(self, patience: float) -> None:
        """Wait until all is written, for so many seconds at the most."""
        try:
            async with asyncio.timeout(patience):
                while self._unwritten:
                    self._written.clear()
                    await self._written.wait()
        except TimeoutError:
            return

    async def write(self) -> None:
        """For ever: whatever changes."""
        while True:
            await self._wake.wait()
            if not await self._write_some():
                await self._sleep(REST)

    async def _write_some(self, patience: float = PATIENCE) -> bool:
        """What is unwritten, a transaction of it; False where the database failed."""
        batch, once = list(self._unwritten.values())[:AT_ONCE], list(self._once.values())[:AT_ONCE]
        self._wake.clear()
        own: list[Notice] = []
        if batch or once:
            doubtful = frozenset(self._doubtful)
            work = partial(
                _changing, batch=batch, once=once, doubtful=doubtful, holder=self._holder, until=self._until()
            )
            self._doubtful |= {one.id for one in once}
            try:
                own = await self._worker.do(work, patience)
            except Unavailable:  # the worker has said why
                self._wake.set()
                return False
            except Exception:
                logger().exception("notices could not be written")
                self._wake.set()
                return False
        for one in batch:
            if self._unwritten.get(one.id) is one:
                del self._unwritten[one.id]
        for one in once:
            self._once.pop(one.id, None)
            self._doubtful.discard(one.id)
        if self:
            self._wake.set()
        self._written.set()
        if own and not self._closing:  # at the end they are let go of, with all that waits
            self._claimed(own)
        return True

    async def renew(self) -> None:
        """For ever: hold on to what waits here, take what nobody holds, delete what is old."""
        rest = 0.0
        while True:
            await self.claim()
            if rest <= 0:
                rest = PURGE if await self._purged() else REST
            await self._sleep(RENEW)
            rest -= RENEW

    async def claim(self) -> None:
        """Once."""
        at, until = self._now(), self._until()
        try:
            taken = await self._worker.do(lambda store: _claim(store, self._holder, at, until))
        except Unavailable:
            return
        except Exception:
            logger().exception("notices could not be claimed")
            return
        if taken:
            self._claimed(taken)

    async def _purged(self) -> bool:
        before = int((self._clock() - self.keep_seconds) * 1e6)
        try:
            while await self._worker.do(lambda store: _purge(store, before)):
                await self._sleep(0.05)
        except Unavailable:
            return False
        except Exception:
            logger().exception("old notices could not be deleted")
        return True

    async def close(self) -> None:
        """Write what is left, and let go of it."""
        self._closing = True
        while self and await self._write_some(AT_END):
            pass
        try:
            await self._worker.do(lambda store: _release(store, self._holder), AT_END)
        except Unavailable:
            return

    def _now(self) -> int:
        return int(self._clock() * 1e6)

    def _until(self) -> int:
        return int((self._clock() + LENT) * 1e6)


# --- in the thread of the worker


def _changing(
    store: OperationsStore, batch: list[Notice], once: list[Notice], doubtful: frozenset[str], holder: str, until: int
) -> list[Notice]:  # fmt: skip
    """Write both; returns those of `once` that are this holder's to deliver."""
    with store.changing() as connection:
        outbox.write(connection, batch, holder, until)
        return outbox.write_once(connection, once, holder, until, doubtful)


def _claim(store: OperationsStore, holder: str, at: int, until: int) -> list[Notice]:
    with store.changing() as connection:
        return outbox.claim(connection, holder, at, until)


def _release(store: OperationsStore, holder: str) -> None:
    with store.changing() as connection:
        outbox.release(connection, holder)


def _purge(store: OperationsStore, before: int) -> int:
    with store.changing() as connection:
        return outbox.purge(connection, before)
