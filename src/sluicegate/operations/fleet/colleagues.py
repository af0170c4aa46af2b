"""The workers of a fleet tell each other what they have counted, once a second, through the ledger's Valkey.

Each keeps there one text of its own, which expires. Who shows the fleet reads the others' and adds up. All of it is
done beside the requests, a little at a time; where the ledger is away, only this worker's own counters go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from time import monotonic, time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from sluicegate.ledger.fleet.messages import Look
from sluicegate.ledger.fleet.shard import AwayError, Shard
from sluicegate.ledger.fleet.writing import MalformedError
from sluicegate.log import logger
from sluicegate.operations.fleet.counting import row_of, totals_row
from sluicegate.operations.fleet.duty import HELD, Duty
from sluicegate.operations.fleet.message import Head, Message, line_of, packed, unpacked
from sluicegate.operations.fleet.sums import Sums
from sluicegate.operations.slices import by_hundreds, in_slices

if TYPE_CHECKING:
    from sluicegate.ledger import Ledger
    from sluicegate.operations.tally import Tally, Totals
    from sluicegate.operations.watch import InFlight

KEPT: Final = 5.0  # seconds that a text is kept; more where there is so much to tell that it is told less often
MOST_OF_TIME: Final = 0.1  # of it may go into telling and reading: with very many Users both are done less often
AT_ONCE: Final = 50  # texts in one question
LONGEST: Final = 3.0  # seconds that a telling or a reading may take
TELL_AT: Final = 0.0  # of each second: all tell at once, and then all read: a reading finds one second of each
READ_AT: Final = 0.5
WRITER: Final = "writer"
FAILED: Final = (AwayError, MalformedError, TimeoutError)


class Own(Protocol):
    """What this worker counts itself."""

    @property
    def own_tallies(self) -> Mapping[str, Tally]:
        """Of each User."""

    @property
    def own_in_flight(self) -> Mapping[str, InFlight]:
        """Each User's requests at the upstream."""

    @property
    def own_totals(self) -> Totals:
        """Of the gateway."""

    @property
    def own_places(self) -> int:
        """Requests that it lets be at the upstream at once."""

    @property
    def ledger(self) -> Ledger:
        """Where the banks live."""


class Taken(NamedTuple):
    """Requests at the upstream."""

    taken: int


class Colleagues:
    """For the event loop of one worker.

    Args:
        shard: the ledger.
        name: of this worker, in the fleet.
        own: what it counts.
        place: where it listens, for people.
        looks: whether it shows the fleet; else it only tells.
        writes: whether it may be the one that writes history and tells notices.
        clock, wall: seconds, monotonic and since 1970.

    Attributes:
        sums: the fleet's counters.
        duty: whose turn it is to write.
        counted_at: as of when the counters are, in seconds of the clock.
        last: the fleet as the ledger saw it; None: it has not been asked yet, or does not answer.
        looked_at: when that was.
        trouble: why the last exchange failed; empty where it did not.
    """

    def __init__(
        self,
        shard: Shard,
        name: str,
        own: Own,
        place: str,
        *,
        looks: bool,
        writes: bool,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        self._shard, self.name, self._own, self._place = shard, name, own, place
        self.looks, self._bids = looks, writes
        self._clock, self._wall = clock, wall
        self._began = self.counted_at = self.looked_at = clock()
        self.sums = Sums(self._began)
        self.duty = Duty()
        self.last: Look | None = None
        self.trouble = ""
        self._lines: dict[str, tuple[object, str, str]] = {}
        self._every = 1.0
        self._srvs: dict[str, dict[str, list[int]]] = {}
        self._message: Message | None = None
        self._read: dict[str, bytes] = {}
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    # --- what is shown

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """The counters of each User, of all workers together."""
        return self.sums.tallies(self._own.own_tallies)

    @property
    def in_flight(self) -> Mapping[str, InFlight]:
        """Each User's requests at the upstream, of all workers together."""
        return {name: Taken(self.sums.in_flight(name)) for name in self._own.own_tallies}

    @property
    def max_in_flight(self) -> int:
        """Requests that may be at the upstream at once, by all workers together whose requests `in_flight` counts."""
        return self.sums.places(self.name) + self._own.own_places

    def writes(self) -> bool | None:
        """Whether this worker writes history; see `Duty.writes`."""
        return self.duty.writes(self._clock()) if self._bids else False

    def tells(self) -> bool:
        """Whether this worker tells Users."""
        return self._bids and self.duty.tells(self._clock())

    # --- its life

    def start(self) -> None:
        """Begin. Nothing is waited for."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def settle(self) -> None:
        """Nothing more will be counted here: tell it, and have it in the sums. The turn to write is kept."""
        await self._guarded(self.tell())
        await self._guarded(self.count())

    async def leave(self) -> None:
        """End, and let another worker write. What was told last is read by the others until it expires."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._bids and self.duty.writes(self._clock()):
            with contextlib.suppress(*FAILED):
                async with asyncio.timeout(LONGEST):
                    await self._shard.hold(WRITER, self.name, 0.0)
        self.duty.told(mine=False, asked_at=self._clock())

    async def _run(self) -> None:
        not_before = self._clock()
        while True:
            await asyncio.sleep((TELL_AT - self._wall()) % 1.0)
            began, took = self._clock(), 0.0
            due = began >= not_before
            if due:
                took = await self._guarded(self.tell())
            if self.looks:
                await asyncio.sleep((READ_AT - self._wall()) % 1.0)
                await self._guarded(self.bid())
            if self.looks and due:
                took += await self._guarded(self.count())
                took += await self._guarded(self.read())
                self.counted_at = self._clock()
            if due:
                self._every = max(1.0, took / MOST_OF_TIME)
                not_before = began + self._every - 0.5
            await asyncio.sleep(0.01)  # past the instant: it is not told twice in it

    async def _guarded(self, work: Coroutine[object, object, None]) -> float:
        """How many seconds it took; 0 where the ledger is away: to wait is no work, and no cause to ask rarely."""
        began = self._clock()
        try:
            async with self._one_at_a_time, asyncio.timeout(LONGEST):
                await work
        except FAILED as error:
            self.trouble = str(error) or type(error).__name__
            return 0.0
        except Exception:  # what is shown hangs on this task: it goes on whatever happens in it
            logger().exception("the workers of the fleet could not be told, or be read")
            self.trouble = "unexpected: the log says what"
        return self._clock() - began

    # --- the second

    async def tell(self) -> None:
        """Tell the others what this worker has counted. Raises AwayError, MalformedError."""
        own = self._own
        await in_slices(self._writing(own.own_tallies, own.own_in_flight))
        told = own.ledger.told(self._clock())
        drawn = (told.draws, told.lost_draws, told.waits) if told is not None else (0, 0, 0)
        head = Head(
            self._clock() - self._began,
            self._place,
            own.own_totals.connections,
            own.own_places,
            0,
            totals_row(own.own_totals, drawn),
        )
        lines = {key: line for _of, key, line in self._lines.values()}
        self._message = message = Message(head, lines)
        await self._shard.keep(_key(self.name), await asyncio.to_thread(packed, message), max(KEPT, 3 * self._every))
        self.trouble = ""

    def _writing(self, tallies: Mapping[str, Tally], in_flight: Mapping[str, InFlight]) -> Iterator[None]:
        """A line for each User that has counted anything; that of a User whose counters stand still is kept."""
        for gone in self._lines.keys() - tallies.keys():
            del self._lines[gone]
            self._srvs.pop(gone, None)
        for some in by_hundreds(tallies.items()):
            for name, tally in some:
                flying = in_flight[name].taken
                stands = (tally, *tally.outcomes(), tally.passed, tally.answered_429, tally.answered_503, flying)
                known = self._lines.get(name)
                if (stands == known[0]) if known is not None else not any(stands[1:]):
                    continue
                srvs = self._srvs.setdefault(name, {})
                for srv, counts in tally.take_srvs().items():
                    of_srv = srvs.setdefault(srv, [0, 0, 0])
                    of_srv[:] = [a + b for a, b in zip(of_srv, counts, strict=True)]
                key = json.dumps(name) if known is None else known[1]
                self._lines[name] = stands, key, line_of(row_of(tally, srvs), flying)
            yield

    async def count(self) -> None:
        """Add to the sums what this worker told last."""
        message = self._message
        if self.looks and message is not None:
            self.sums.keep(self._own.own_tallies)
            await self._take(self.name, message)

    async def bid(self) -> None:
        """Take the turn to write, or renew it, where nobody else has it. Raises AwayError."""
        if self._bids:
            now = self._clock()
            self.duty.told(await self._shard.hold(WRITER, self.name, HELD), now)

    async def read(self) -> None:
        """Look at the fleet, and add up what the others tell. Raises AwayError, MalformedError."""
        now = self._clock()
        try:
            self.last, self.looked_at = await self._shard.look(), now
            self.sums.keep(self._own.own_tallies)
            await self._read_others(self.last, now)
        except (*FAILED, asyncio.CancelledError):  # cancelled: it took too long
            if now - self.looked_at > max(KEPT, 3 * self._every):
                self.last = None
                self._forget({self.name}, now)
            raise

    async def _read_others(self, look: Look, now: float) -> None:
        names = {one.worker for one in look.workers} | {
            name for name, one in self.sums.workers.items() if one.head is not None
        }
        found = {self.name}
        others = sorted(names - found)
        for at in range(0, len(others), AT_ONCE):
            some = others[at : at + AT_ONCE]
            for name, octets in zip(some, await self._shard.kept([_key(each) for each in some]), strict=True):
                if octets is None:
                    continue
                found.add(name)
                if self._read.get(name) == octets:
                    continue
                try:
                    await self._take(name, await asyncio.to_thread(unpacked, octets))
                except ValueError as error:
                    logger().warning("what a worker tells cannot be read", worker=name, why=str(error))
                self._read[name] = octets
        self._forget(found, now)

    async def _take(self, name: str, message: Message) -> None:
        changed = await asyncio.to_thread(self.sums.changed, name, message)
        await in_slices(self.sums.take(name, message, changed, self._clock()))

    def _forget(self, present: set[str], now: float) -> None:
        self.sums.missing(present, now)
        for name in self._read.keys() - present:
            del self._read[name]


def _key(worker: str) -> str:
    return f"counters:{worker}"
