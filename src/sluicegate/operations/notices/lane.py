"""What waits for one channel: in its order, one attempt at a time, again by the retry strategy, and not for ever.

A channel that hangs holds up itself alone. Attempts of all channels together are bounded, and channels that failed last
have places of their own: however many hang, the others have theirs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import random
from typing import Final, Protocol

from sluicegate.http.strategy import RetryStrategy
from sluicegate.log import logger
from sluicegate.operations.notices.notice import Notice
from sluicegate.operations.notices.ways import NotDelivered, Way
from sluicegate.settings.noticing import Noticing

AT_ONCE: Final = 128
"""Attempts under way of channels that work, and of channels that fail: each so many."""
NAP: Final = 60.0
"""Seconds: the longest that a lane sleeps. The clock of the machine may be set meanwhile."""


@dataclass
class Counts:
    """What became of notices and attempts since the start."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0


class Office(Protocol):
    """Who keeps the notices."""

    def changed(self, notice: Notice) -> None:
        """It was sent, failed, or given up."""


@dataclass
class Places:
    """Where attempts are made, and by what clock. All lanes share it."""

    strategy: RetryStrategy
    give_up_seconds: float
    waiting: int
    clock: Callable[[], float]
    """Seconds since 1970 UTC."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    well: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    ill: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def changed(self, settings: Noticing) -> Places:
        """The same places, by other settings."""
        other = places_of(settings, self.clock, self.sleep)
        return replace(other, well=self.well, ill=self.ill)


def places_of(
    settings: Noticing, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
) -> Places:  # fmt: skip
    """As the settings say."""
    retry = settings.retry
    strategy = RetryStrategy(retry.first, retry.factor, retry.jitter, max(retry.first, retry.ceiling), retry.attempts)
    return Places(strategy, settings.give_up_hours * 3600, settings.waiting, clock, sleep)


class Lane:
    """One channel.

    Attributes:
        failing: why the last attempt failed; empty where it did not.
        failing_since: seconds since 1970 of the first attempt of those that failed in a row; None: the last did not.
        sent_at: when something last arrived, in seconds since 1970; None: not yet.
    """

    def __init__(self, name: tuple[str, str], way: Way, places: Places, office: Office) -> None:
        self.name = name
        self.way = way
        self.places = places
        self.counts = Counts()
        self.failing = ""
        self.failing_since: float | None = None
        self.sent_at: float | None = None
        self._office = office
        self._queue: deque[Notice] = deque()
        self._task: asyncio.Task[None] | None = None
        self._trying = False
        """Whether the first of the queue is under way."""

    def __len__(self) -> int:
        """Notices that wait."""
        return len(self._queue)

    def offer(self, notice: Notice) -> None:
        """Deliver it. Where too much waits, the oldest is given up: what is newer is worth more."""
        self._queue.append(notice)
        if len(self._queue) - self._trying > self.places.waiting:
            oldest = self._queue[self._trying]
            del self._queue[self._trying]
            self._give_up(oldest, "too much waits for this channel")
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def tested(self, why: str) -> None:
        """The test button was pressed; `why` it did not arrive, empty where it did: then what waits is tried now."""
        if why:
            self._fails(why)
            return
        failed = bool(self.failing)
        self._works()
        if failed:
            self.hurry()

    def hurry(self) -> None:
        """The channel may be mended: what waits is tried now."""
        if self._trying:
            return
        now = int(self.places.clock() * 1e6)
        self._queue = deque(notice._replace(due_at=min(notice.due_at, now)) for notice in self._queue)
        self.stop()
        if self._queue:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def drop(self, why: str) -> None:
        """The channel is no more."""
        self.stop()
        while self._queue:
            self._give_up(self._queue.popleft(), why)

    def stop(self) -> None:
        """Break off: what waits goes on waiting."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while self._queue:
            try:
                await self._next(self._queue[0])
            except Exception:  # a mistake of ours: the channel goes on with its next notice
                logger().exception("a notice could not be handled", user=self.name[0], channel=self.name[1])
                self._give_up(self._queue.popleft(), "a mistake in Sluicegate")
        self._task = None

    async def _next(self, notice: Notice) -> None:
        places, now = self.places, self.places.clock()
        if now >= notice.made_at / 1e6 + places.give_up_seconds:
            self._queue.popleft()
            self._give_up(notice, f"not delivered in time; the last attempt: {notice.why or 'there was none'}")
        elif notice.attempts and notice.due_at / 1e6 > now:  # the first attempt waits for no clock that was set back
            await places.sleep(min(notice.due_at / 1e6 - now, NAP))
        else:
            async with places.ill if self.failing else places.well:
                notice = self._queue[0]  # while it waited for a place, there may have been too many
                self._trying = True
                try:
                    await self._attempt(notice)
                finally:
                    self._trying = False

    async def _attempt(self, notice: Notice) -> None:
        try:
            await self.way.deliver(notice, self.places.clock())
        except NotDelivered as error:
            self._failed(notice, error)
            return
        self._works()
        self._queue.popleft()
        self._office.changed(notice.sent(int(self.places.clock() * 1e6)))

    def _failed(self, notice: Notice, error: NotDelivered) -> None:
        places, now = self.places, self.places.clock()
        self._fails(str(error))
        deadline = notice.made_at / 1e6 + places.give_up_seconds
        draw = random()  # noqa: S311 - jitter, no secret
        due = None if error.for_good else places.strategy.next_attempt(notice.attempts + 1, now, deadline, draw)
        again = notice.failed(str(error), int((due or now) * 1e6))
        if due is None:
            self._queue.popleft()
            self._give_up(again, str(error))
        else:
            self._queue[0] = again
            self._office.changed(again)

    def _works(self) -> None:
        """Something has arrived."""
        if self.failing:
            logger().warning("a channel works again", user=self.name[0], channel=self.name[1])
        self.failing, self.failing_since, self.sent_at = "", None, self.places.clock()
        self.counts.sent += 1

    def _fails(self, why: str) -> None:
        """Something has not."""
        if not self.failing:
            self.failing_since = self.places.clock()
            logger().warning("a channel fails", user=self.name[0], channel=self.name[1], why=why)
        self.failing = why
        self.counts.failed += 1

    def _give_up(self, notice: Notice, why: str) -> None:
        self.counts.given_up += 1
        self._office.changed(notice.given_up(why, int(self.places.clock() * 1e6)))
        logger().error("a notice is given up", user=notice.user, channel=notice.channel, kind=notice.kind, why=why)
