"""The history of a running gateway: it looks at the counters once a second, and has a minute written once a minute.

The event loop adds up; packing octets is done in a thread, and the database is asked in its own. Where the database is
lost, minutes wait in a bounded backlog, and every one of them is written exactly once when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import time
from typing import Any, Final

from sluicegate.log import logger
from sluicegate.operations.history import seconds, thinning, writing
from sluicegate.operations.history.backlog import Backlog
from sluicegate.operations.history.counting import Counting, always
from sluicegate.operations.history.counts import MINUTE, NONE, SECOND, Counts, SrvCounts, srv_added
from sluicegate.operations.history.minute import Minute
from sluicegate.operations.history.mix import SrvMix
from sluicegate.operations.history.writing import Closed
from sluicegate.operations.slices import Pace, all_at_once, by_hundreds, in_slices
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.worker import Unavailable, Worker
from sluicegate.operations.tally import Tally
from sluicegate.settings import History as Kept

AGAIN: Final = 5.0  # seconds after which a database that is lost is tried again
AT_ONCE: Final = 60  # minutes in one transaction
PACKING: Final = 60.0  # seconds for an hour to be packed
AT_STOP: Final = 3.0  # seconds for the last minute at a stop


Done = tuple[str, Counts, dict[str, SrvCounts]]
"""What one User did since the last look."""


class History:
    """Usage by User and SRV. For the event loop of the gateway.

    Args:
        gateway: whose counters are looked at.
        worker: has the operations database.
        clock: seconds since 1970.
        writes: of a fleet, whether this worker writes for all. False: another one does, so that minutes are not kept.
            None: nobody can say now, so they wait.

    Attributes:
        written: minutes that are in the database.
        kept: seconds of the last hour in memory, by second since 1970.
    """

    def __init__(
        self,
        gateway: Counting,
        worker: Worker,
        clock: Callable[[], float] = time,
        writes: Callable[[], bool | None] = always,
    ) -> None:
        self._writes = writes
        self._gateway = gateway
        self._worker = worker
        self._clock = clock
        self._run = secrets.token_hex(12)
        self._seq = 0
        self._srvs = seconds.Srvs()
        self._seen: dict[str, tuple[Tally, Counts]] = {}
        self._minute: Minute | None = None
        self._closed: list[tuple[int, Minute]] = []
        self._due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        settings = gateway.settings.history
        self.kept = seconds.Seconds(settings.seconds_octets, self._srvs)
        self._backlog = Backlog(settings.backlog_octets)
        self.written = 0

    # --- what operations look at

    @property
    def waiting(self) -> int:
        """Minutes that the database does not have yet."""
        return len(self._closed) + len(self._backlog)

    @property
    def lost_minutes(self) -> int:
        """Minutes that had to go, for the database was lost for too long."""
        return self._backlog.lost_minutes

    @property
    def lost_requests(self) -> int:
        """The requests that they told of."""
        return self._backlog.lost_requests

    @property
    def seconds_held(self) -> int:
        """Seconds of the last hour that are in memory."""
        return len(self.kept)

    @property
    def octets(self) -> int:
        """Memory that these seconds, and the minutes that wait, take."""
        return self.kept.octets + self._backlog.octets

    def mix(self) -> SrvMix:
        """Who tells what is asked for now, by SRV."""
        return SrvMix(self.kept, self._srvs)

    async def seconds(self, user: str | None, since: int, srv: str | None = None) -> dict[int, Counts]:
        """The last hour by seconds since 1970, from `since` on; None: all Users together, and all SRVs.

        Seconds in which nothing was done are not there.
        """
        frames = self.kept.frames(since)
        if user is None:
            return seconds.of_all(frames)
        number = self._srvs.numbers.get(srv, 1) if srv is not None else None
        return await asyncio.to_thread(seconds.of_user, frames, self.kept.number(user), number)

    # --- its life

    async def start(self) -> None:
        """Begin to look and to write."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._look_on()), loop.create_task(self._write_on())]

    async def stop(self) -> None:
        """Look once more, and write what there is, if the database takes it."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.look(self._clock())
        self._close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AT_STOP):
                await self._write()
        if self.waiting:
            logger().error("minutes of usage are lost: the database does not take them", minutes=self.waiting)

    async def _look_on(self) -> None:
        while True:
            now = self._clock()
            await asyncio.sleep(1.002 - now % 1.0)  # just after a second is full
            try:
                await in_slices(self._steps(self._clock()))
            except Exception:
                logger().exception("usage could not be counted")

    def look(self, now: float) -> None:
        """Take from the counters what was done since the last look. `now`: seconds since 1970, about once a second."""
        all_at_once(self._steps(now))

    def _steps(self, now: float) -> Iterator[None]:
        """A look, a hundred Users at a time. What a step took is counted with it: a look may end at any of them."""
        second = int(now - 0.5)  # in which most of it was done
        begins = second * SECOND // MINUTE * MINUTE
        if self._minute is None or self._minute.begins != begins:
            self._close()
            self._minute = Minute(begins)
        minute, open_second = self._minute, self.kept.begun(second)
        for done in self._done():
            if self._writes() is not False:
                for user, counts, srvs in done:
                    minute.add(user, counts, srvs)
            open_second.add(done)
            yield
        yield from self.kept.add(open_second)

    def _done(self) -> Iterator[list[Done]]:
        tallies, seen = self._gateway.tallies, self._seen
        for some in by_hundreds(list(seen.items())):
            done: list[Done] = []
            for name, (tally, _) in some:
                if tallies.get(name) is not tally:  # the User is gone since, or is another one of the same name
                    self._take(done, name, tally)
                    del seen[name]
            yield done
        for every in by_hundreds(list(tallies.items())):
            done = []
            for name, tally in every:
                self._take(done, name, tally)
            yield done

    def _take(self, done: list[Done], name: str, tally: Tally) -> None:
        outcomes = tally.outcomes()
        seen = self._seen.get(name)
        before = NONE if seen is None else seen[1]
        if outcomes == before:
            return
        self._seen[name] = (tally, outcomes)
        counts = (
            outcomes[0] - before[0],
            outcomes[1] - before[1],
            outcomes[2] - before[2],
            outcomes[3] - before[3],
            outcomes[4] - before[4],
        )
        done.append((name, counts, self._by_srv(tally.take_srvs())))

    def _by_srv(self, taken: Mapping[str, list[int]]) -> dict[str, SrvCounts]:
        numbers, srvs = self._srvs.numbers, dict[str, SrvCounts]()
        for srv, (within, excess, throttled) in taken.items():
            name = srv if srv in numbers else self._srvs.known(srv)
            if name in srvs:
                srvs[name] = srv_added(srvs[name], (within, excess, throttled))
            else:
                srvs[name] = (within, excess, throttled)
        return srvs

    def _close(self) -> None:
        """The minute is over."""
        if self._minute is not None and self._minute.counts:
            self._seq += 1
            self._closed.append((self._seq, self._minute))
            self._due.set()
        self._minute = None

    # --- the database

    async def _write_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN if self.waiting else None):
                    await self._due.wait()
            self._due.clear()
            try:
                if await self._write():
                    await self._tidy()
            except Exception:
                logger().exception("usage could not be written")
                await asyncio.sleep(AGAIN)

    async def _write(self) -> bool:
        """Write what waits; False where it must wait, or the database cannot be asked (the worker has said why)."""
        if self._writes() is False:
            self._closed.clear()
            self._backlog.written(self._seq)
            return True
        while self._closed:
            seq, minute = self._closed[0]
            counts, srvs = await asyncio.to_thread(minute.documents, Pace().rest)
            del self._closed[0]
            if self._backlog.add(Closed(seq, minute.begins, minute.requests, counts, srvs)):
                logger().error("minutes of usage are lost: the database takes none", lost=self.lost_minutes)
        if not self._writes():
            return False
        while some := self._backlog.first(AT_ONCE):
            try:
                await self._worker.do(lambda store, some=some: _written(store, self._run, some, self._now()))  # type: ignore[misc]
            except Unavailable:
                return False
            self.written += some[-1].seq - some[0].seq + 1
            self._backlog.written(some[-1].seq)
        return True

    async def _tidy(self) -> None:
        """Pack hours that are over, and thin what is old."""
        kept = self._gateway.settings.history
        with contextlib.suppress(Unavailable):
            while await self._pack():
                await self._worker.do(lambda store: _thinned(store, kept, self._now()))

    async def _pack(self) -> bool:
        """An hour that is over; False: there is none, or another gateway packs it."""
        rows = await self._worker.do(lambda store: _due(store, self._now()))
        if not rows:
            return False
        found = await asyncio.to_thread(writing.summed, rows, Pace().rest)
        return await self._worker.do(lambda store: _packed(store, found), PACKING)

    def _now(self) -> int:
        return int(self._clock() * SECOND)


def _written(store: OperationsStore, run: str, some: list[Closed], now: int) -> None:
    with store.changing() as connection:
        writing.write(connection, run, some, now)


def _due(store: OperationsStore, now: int) -> Sequence[Any]:
    with store.reading() as connection:
        return writing.minutes_due(connection, now)


def _packed(store: OperationsStore, found: writing.Due) -> bool:
    with store.changing() as connection:
        return writing.pack_due(connection, found, Pace().rest)


def _thinned(store: OperationsStore, kept: Kept, now: int) -> None:
    with store.changing() as connection:
        thinning.thin(connection, kept, now)
