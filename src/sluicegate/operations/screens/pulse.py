"""Once a second: what has changed, what everybody sent, and one picture of it, shared by all who look.

Nobody who looks can hold this up: each has room for one picture, and the next takes its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final

from sluicegate.log import logger
from sluicegate.operations.screens.events import Timeline
from sluicegate.operations.screens.glance import Mix, glance, own
from sluicegate.operations.screens.series import Point, Series
from sluicegate.operations.screens.throttled import Throttled
from sluicegate.operations.status import Rates, status

if TYPE_CHECKING:
    from sluicegate.operations.watch import Watched

EVERY: Final = 1.0  # seconds
MOST_OF_TIME: Final = 0.03  # of it may go into pictures: with very many Users they come less often
MOST: Final = 40  # listeners
MOST_OF_ONE: Final = 8  # of one account


class Full(Exception):  # noqa: N818 - named after what it is
    """As many look as may."""


class Listener:
    """One who looks. `user`: sees its own figures only; None: everything."""

    def __init__(self, who: str, user: str | None) -> None:
        self.who = who
        self.user = user
        self._next: bytes | None = None
        self._come = asyncio.Event()
        self.ended = False

    def put(self, picture: bytes) -> None:
        """The newest picture; one that was not fetched is forgotten."""
        self._next = picture
        self._come.set()

    def end(self) -> None:
        """There will be no more."""
        self.ended = True
        self._come.set()

    async def next(self) -> bytes | None:
        """The next picture, once it is there; None: no more."""
        await self._come.wait()
        self._come.clear()
        picture, self._next = self._next, None
        return None if self.ended else picture


class Pulse:
    """For the event loop of the gateway; pictures are made in a thread.

    Args:
        watched: the gateway. rates: its own, which it looks at once a second.
        throttled: keeps the last throttled decisions.
        mix: tells SR/s by SRV over about a minute, for any thread; None: nobody counts them.
        clock, wall: seconds, monotonic and since 1970.

    Attributes:
        timeline: what has changed.
        series: what all Users sent.
        dropped: listeners that were let go because they did not read.
    """

    def __init__(
        self,
        watched: Watched,
        rates: Rates,
        throttled: Throttled,
        mix: Callable[[], Mix] | None = None,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        self._watched = watched
        self._rates = rates
        self._mix = mix
        self._clock = clock
        self._wall = wall
        self.throttled = throttled
        self.timeline = Timeline()
        self.series = Series()
        self.dropped = 0
        self._listeners: set[Listener] = set()
        self._before: tuple[float, int, int, int] | None = None
        self._last: Mapping[str, Any] | None = None
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None

    # --- its life

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End, and let everybody go."""
        if self._task is not None:
            self._task.cancel()
        for listener in list(self._listeners):
            listener.end()

    async def _run(self) -> None:
        while True:
            try:
                await self.beat()
            except Exception:  # pages that hear nothing say so
                logger().exception("the screens have no picture of this second")
            await asyncio.sleep(EVERY)

    # --- who looks

    def join(self, who: str, user: str | None) -> Listener:
        """One more. Raises Full."""
        same = sum(1 for one in self._listeners if one.who == who)
        if len(self._listeners) >= MOST or same >= MOST_OF_ONE:
            raise Full
        listener = Listener(who, user)
        self._listeners.add(listener)
        if self._last is not None:  # at once, then once a second
            self._give([listener], self._last)
        return listener

    def leave(self, listener: Listener, dropped: bool = False) -> None:
        """One less."""
        self._listeners.discard(listener)
        self.dropped += dropped

    @property
    def listeners(self) -> int:
        """How many look."""
        return len(self._listeners)

    # --- the second

    async def beat(self) -> None:
        """One second: called by the task, and by tests."""
        now, wall = self._clock(), self._wall()
        self.timeline.look(self._watched, self._rates, now, wall)
        self._count(now, wall)
        if not self._listeners:
            self._last = None
            return
        if now < self._not_before:
            return
        told = await asyncio.to_thread(self._look)
        self._last = told
        await asyncio.to_thread(self._give, list(self._listeners), told, asyncio.get_running_loop())
        self._not_before = now + (self._clock() - now) / MOST_OF_TIME - EVERY / 2

    def _look(self) -> Mapping[str, Any]:
        """The whole status, and what is asked for."""
        mix = self._mix() if self._mix is not None else None
        for _ in range(3):
            with contextlib.suppress(KeyError, RuntimeError):  # a reload changed the Users under its hands
                return status(self._watched, self._rates) | {"mix": mix}
        return status(self._watched, self._rates) | {"mix": mix}

    def _count(self, now: float, wall: float) -> None:
        """What all sent since the last second, by plain sums: that is cheap, however many Users there are."""
        within = excess = throttled = 0
        for tally in self._watched.tallies.values():
            within += tally.within
            excess += tally.excess
            throttled += tally.throttled
        colleagues = self._watched.colleagues
        if colleagues is not None:  # counters of a fleet stand still between two readings
            now = colleagues.counted_at
        before = self._before
        if before is not None and now <= before[0]:
            return
        self._before = (now, within, excess, throttled)
        if before is None:
            return
        seconds = now - before[0]
        capacity = self._watched.settings.capacity
        within_, excess_, throttled_ = (
            max(0, b - a) / seconds for a, b in zip(before[1:], (within, excess, throttled), strict=True)
        )
        point = Point(int(wall), within_, excess_, throttled_, capacity.operating_threshold, capacity.maximum)
        self.series.take(point)

    def _give(
        self, listeners: list[Listener], told: Mapping[str, Any], loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        wall = self._wall()
        made: dict[str | None, bytes] = {}
        for listener in listeners:
            if listener.user not in made:
                picture = (
                    glance(told, wall, self.timeline.seq, self.throttled.seen, told["mix"])
                    if listener.user is None
                    else own(told, listener.user, wall)
                )
                made[listener.user] = json.dumps(picture, separators=(",", ":")).encode()
            if loop is None:
                listener.put(made[listener.user])
            else:
                loop.call_soon_threadsafe(listener.put, made[listener.user])
