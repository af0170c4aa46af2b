"""Notices as a service: looked at once a second, told over channels, in the event loop of the gateway.

`look` only counts and compares. What follows from it is done by tasks of their own. All of it a little at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from itertools import islice
from time import monotonic, time
from typing import Final

from sluicegate.log import logger
from sluicegate.operations.notices import outbox, testing, wording
from sluicegate.operations.notices.lane import Lane, places_of
from sluicegate.operations.notices.notice import Notice, made
from sluicegate.operations.notices.opening import ways_of
from sluicegate.operations.notices.scribe import Scribe
from sluicegate.operations.notices.watching import Counted, Event, Watching
from sluicegate.operations.notices.ways import Unusable, Way
from sluicegate.operations.slices import in_slices
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.worker import Unavailable, Worker
from sluicegate.settings import Settings
from sluicegate.settings.noticing import Channel

MOST_EVENTS: Final = 20_000
AT_ONCE: Final = 200  # notices that are made in one turn of the event loop
GRACE: Final = 0.5  # seconds that a notice waits to be in the database before it is sent
REMEMBERED: Final = 86_400.0  # seconds: what was told longer ago tells nothing of today


class Notices:
    """Who tells Users.

    Args:
        settings: those in force.
        worker: who has the operations database. It is not closed here.
        clock: seconds since 1970 UTC.

    Attributes:
        told: events by kind, since the start.
        lost: events that were not told, because too many came at once.
        lanes: each channel, by the names of its User and its own.
    """

    def __init__(
        self, settings: Settings, worker: Worker, *, clock: Callable[[], float] = time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self.told: Counter[str] = Counter()
        self.lost = 0
        self.lanes: dict[tuple[str, str], Lane] = {}
        self._settings = settings
        self._worker = worker
        self._clock = clock
        self._watching = Watching(settings.notices)
        self._events: deque[tuple[Event, Mapping[str, object], str]] = deque()
        self._wake = asyncio.Event()
        self._channels = _channels(settings)
        self._making: Iterator[tuple[Notice, str]] = iter(())
        self._places = places_of(settings.notices, clock, sleep)
        self._scribe = Scribe(worker, settings.notices.keep_days * 86_400, clock, self._claimed, sleep)
        self._ways: dict[tuple[str, str], Way] = {}
        self._button = testing.Button()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: asyncio.Task[None] | None = None
        self._gone = Lane(("", ""), Unusable("the channel is no more"), self._places, self._scribe)

    # --- what operations look at

    @property
    def waiting(self) -> int:
        """Notices that are not delivered yet."""
        return sum(map(len, self.lanes.values()))

    @property
    def unwritten(self) -> int:
        """Notices whose last change is not in the database: a crash would lose them."""
        return len(self._scribe)

    @property
    def unrecorded(self) -> int:
        """Changes that were never written: the database was lost for too long."""
        return self._scribe.unrecorded

    @property
    def held_back(self) -> int:
        """Times that something was not told because the same had been told shortly before."""
        return self._watching.held_back

    @property
    def given_up_without_channel(self) -> int:
        """Notices that were given up because their channel is no more."""
        return self._gone.counts.given_up

    # --- its life

    async def start(self) -> None:
        """Begin. Nothing is waited for: neither secrets, nor the database, nor a channel."""
        self._spawn(self._begin())

    def reload(self, settings: Settings) -> None:
        """The settings are other ones, and so may be what is in the files of secrets and certificates."""
        before, self._settings = self._settings.notices, settings
        self._channels = _channels(settings)
        if settings.notices != before:
            watching = Watching(settings.notices)
            watching.adopt(self._watching)
            self._watching = watching
            self._places = self._gone.places = self._places.changed(settings.notices)
            self._scribe.keep_seconds = settings.notices.keep_days * 86_400
        self._opening = self._spawn(self._open())

    async def stop(self) -> None:
        """Break off, write what is left, and let others have what waits."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._make():
            pass
        for lane in self.lanes.values():
            lane.stop()
        await self._scribe.close()

    # --- what is told

    async def look(
        self, now: float, tallies: Mapping[str, Counted], allocations: Mapping[str, float], active: bool,
        *, tell: bool = True,
    ) -> None:  # fmt: skip
        """Look at the counters, about once a second. It never raises.

        Args:
            now: seconds of the monotonic clock.
            tallies: the counters of each User.
            allocations: those in force, in SR/s.
            active: whether traffic management is.
            tell: whether what is found is told; of a fleet another worker may do so.
        """
        found: list[Event] = []
        try:
            await in_slices(self._watching.steps(now, tallies, allocations, active, found))
        except Exception:  # whatever is wrong with notices, the gateway goes on
            logger().exception("the counters could not be looked at for notices")
            return
        window, enforce = self._settings.notices.window_seconds, self._settings.capacity.enforce
        for event in found if tell else ():
            self._take(event, wording.of_event(event, window, enforce))

    def announce(self, title: str, text: str, users: Iterable[str] | None = None, key: str = "") -> None:
        """The operator tells everybody, or these Users: capacity that is cut, maintenance, a drill.

        Args:
            key: of what is told, where other gateways on the same database may tell it too: one of them does.
        """
        for user in (None,) if users is None else users:
            self._take(Event("announcement", user), wording.announcement(title, text), key)

    async def test(self, user: str, who: str, channel: str | None = None) -> list[testing.Tested]:
        """The test button: one attempt at each channel of a User (or at one), now.

        Args:
            who: presses it, for the audit trail.

        Raises:
            LookupError: there is no such channel.
            TooSoon: it was pressed a moment ago.
            Unavailable: the audit trail cannot be written, so nothing is sent.
        """
        names = [name for of, name in self.lanes if of == user and channel in (None, name)]
        if names:
            self._button.press(user, names, monotonic())
            at = int(self._clock() * 1e6)
            await self._worker.do(lambda store: testing.note(store, user, names, who, at))
        tested = await testing.tried(self._ways, user, who, self._clock, channel)
        for one in tested:
            self._scribe.changed(one.notice)
            self.lanes.get((user, one.channel), self._gone).tested(one.why)
        return tested

    # --- behind it

    def _take(self, event: Event, document: Mapping[str, object], key: str = "") -> None:
        if len(self._events) >= MOST_EVENTS:
            self.lost += 1
            return
        self.told[event.kind] += 1
        self._events.append((event, document, key))
        self._wake.set()

    async def _begin(self) -> None:
        self._spawn(self._remember())
        self._spawn(self._scribe.write())
        await self._open()
        self._spawn(self._scribe.renew())
        while True:
            await self._wake.wait()
            self._wake.clear()
            while ready := self._make():
                if not self._worker.failing:
                    await self._scribe.written(GRACE)
                for notice, key in ready:
                    if notice.channel and not key:
                        self._offer(notice)
                await asyncio.sleep(0)

    async def _open(self) -> None:
        """Read secrets and certificates, beside the event loop, and have a lane for each channel."""
        self._ways = ways = await asyncio.to_thread(ways_of, self._settings)
        for name, way in ways.items():
            if isinstance(way, Unusable):
                logger().error("a channel cannot be used", user=name[0], channel=name[1], why=way.why)
            lane = self.lanes.get(name)
            if lane is None:
                self.lanes[name] = Lane(name, way, self._places, self._scribe)
            else:
                lane.way, lane.places = way, self._places
                lane.hurry()
        for name in self.lanes.keys() - ways.keys():
            lane = self.lanes.pop(name)
            lane.drop("the channel is no more")
            self._gone.counts.given_up += lane.counts.given_up

    async def _remember(self) -> None:
        """What was told before this process began."""
        since = int((self._clock() - REMEMBERED) * 1e6)
        try:
            told = await self._worker.do(lambda store: _told_since(store, since))
        except Unavailable:
            return
        behind = self._clock() - monotonic()
        for user, kind, at in told:
            self._watching.remember(user or None, kind, at / 1e6 - behind)

    def _make(self) -> list[tuple[Notice, str]]:
        """The next notices of the events that wait, AT_ONCE at the most, with their keys.
        What has a channel is to be offered; what has a key too comes from the scribe, if it is to."""
        some = list(islice(self._making, AT_ONCE))
        if not some and self._events:
            self._making = self._notices()
            some = list(islice(self._making, AT_ONCE))
        for notice, key in some:
            if key:
                self._scribe.once(notice)
            else:
                self._scribe.changed(notice)
        return some

    def _notices(self) -> Iterator[tuple[Notice, str]]:
        """One for each channel that wants it. Where none does, or all are meant, one without: it is only shown."""
        while self._events:
            event, document, key = self._events.popleft()
            at = int(self._clock() * 1e6)
            users = list(self._channels) if event.user is None else [event.user]
            wanted = [
                (user, channel.name)
                for user in users
                for channel in self._channels.get(user, ())
                if channel.wants(event.kind)
            ]
            if event.user is None or not wanted:
                yield made(event.kind, document, at, event.user or "", key=key), key
            for user, channel in wanted:
                yield made(event.kind, document, at, user, channel, key), key

    def _offer(self, notice: Notice) -> None:
        if (lane := self.lanes.get(notice.lane)) is not None:
            lane.offer(notice)
        else:
            self._gone.offer(notice)
            self._gone.drop("the channel is no more")

    def _claimed(self, notices: list[Notice]) -> None:
        for notice in notices:
            if notice.channel:
                self._offer(notice)

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger().error("a task of the notices has ended", why=repr(task.exception()))


def _channels(settings: Settings) -> dict[str, tuple[Channel, ...]]:
    return {user.name: user.channels for user in settings.users if user.channels}


# --- in the thread of the worker


def _told_since(store: OperationsStore, since: int) -> list[tuple[str, str, int]]:
    with store.reading() as connection:
        return outbox.told_since(connection, since)
