"""Who goes to the gateway next, and when; and what waits for an attempt of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from random import random
from typing import TYPE_CHECKING

from sluicegate.http.call import Answer
from sluicegate.http.strategy import RetryStrategy
from sluicegate.relay.attempts import Attempts, Concluded, Way
from sluicegate.relay.clock import Clock
from sluicegate.relay.errand import Errand, Stage
from sluicegate.relay.judging import Verdict
from sluicegate.relay.tally import Tally

if TYPE_CHECKING:
    from sluicegate.relay.pace import Pace
    from sluicegate.relay.waiting import WaitingLine

LOOK = 0.5  # seconds: the longest that nobody looks while something waits
STRATEGY = RetryStrategy(first=1.0, factor=2.0, jitter=0.2, ceiling=60.0, attempts=2**31)
"""Of one SR whose attempt failed. That the gateway itself fails, the pace knows."""


class Sending:
    """Sends what is next, as fast as the pace permits. An errand is in the line, under way, or set aside.

    Args:
        line, pace: who is next, and when.
        way: to the gateway.
        tally: counts attempts.
        connections: attempts at once.
        timeout, body, concluded: see `attempts.Attempts`.
        expired: is told what has passed its deadline while it waited; it is out of the line then.
    """

    def __init__(
        self,
        line: WaitingLine[Errand],
        pace: Pace,
        way: Way,
        tally: Tally,
        *,
        connections: int,
        timeout: float,
        body: Callable[[Errand], Awaitable[bytes | None]],
        concluded: Concluded,
        expired: Callable[[Errand], None],
        clock: Clock,
    ) -> None:
        self.line = line
        self.pace = pace
        self.attempts = Attempts(way, pace, timeout=timeout, body=body, concluded=self._attempt_ended, clock=clock)
        self._under_way = self.attempts.under_way
        self._tally = tally
        self._connections = connections
        self._concluded = concluded
        self._expired = expired
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._aside: dict[int, Errand] = {}
        self._due: list[tuple[float, int]] = []
        """When, and whose number: those that are not in `_aside` any more are passed over."""
        self._soon: asyncio.Handle | None = None
        self._timed = False
        self._ending = False

    @property
    def in_flight(self) -> int:
        """Attempts that have begun and not ended."""
        return len(self._under_way)

    # --- in

    def straight(self, errand: Errand) -> bool:
        """Send a new errand at once, if it is its turn. False: it is not, and nothing has happened to it."""
        if self._ending or not self._room(errand.rank):
            return False
        if self.line.pass_by(errand):
            self._send(errand)
            return True
        now = self._clock.now()
        self.line.add(errand)
        while self._room(errand.rank):
            found = self._next(now, errand.rank)
            if found is None:
                break
            self._send(found)
            if found is errand:
                return True
        if errand.stage is Stage.ENDED:  # its time was over at once
            return True
        self.line.remove(errand.seq)
        return False

    def add(self, errand: Errand) -> None:
        """An errand that waits from now on."""
        errand.stage = Stage.WAITING
        self.line.add(errand)
        self._pump_soon()

    def again(self, errand: Errand, wait: float = 0.0) -> None:
        """One whose attempt has ended without an end: it waits in the line, or so many seconds for itself.

        Its lane waits with it, either way.
        """
        if wait > 0:
            errand.stage = Stage.ASIDE
            self._aside[errand.seq] = errand
            heappush(self._due, (min(self._clock.now() + wait, errand.deadline), errand.seq))
        else:
            errand.stage = Stage.WAITING
            self.line.give_back(errand)
            self._pump_soon()

    def failed(self, errand: Errand) -> None:
        """The same after a failure: later and later."""
        self.again(errand, STRATEGY.delay(max(1, errand.attempts), random()))  # noqa: S311 - jitter, no secret

    def tick(self) -> None:
        """Look whose own time has come, and whose deadline has passed."""
        now = self._clock.now()
        for errand in self.line.overdue(now):
            self.line.remove(errand.seq)
            self._expired(errand)
        while self._due and self._due[0][0] <= now:
            _, seq = heappop(self._due)
            errand_aside = self._aside.pop(seq, None)
            if errand_aside is not None:
                self.again(errand_aside)
        if len(self.line):
            self.pump()

    # --- out

    def ended(self, errand: Errand) -> None:
        """It has come to its end: who waits for it may go."""
        self.line.ended(errand)
        if len(self.line):
            self._pump_soon()

    def withdraw(self, errand: Errand) -> bool:
        """Take out one that waits. False: it is under way."""
        if self._aside.pop(errand.seq, None) is not None:
            self.line.ended(errand)
            return True
        if errand.stage is not Stage.WAITING:
            return False
        self.line.remove(errand.seq)
        return True

    def set_aside(self) -> list[Errand]:
        """What waits for an attempt of its own."""
        return list(self._aside.values())

    def under_way(self) -> list[Errand]:
        """What is being sent."""
        return list(self._under_way.values())

    # --- sending

    def _room(self, rank: int) -> bool:
        return len(self._under_way) < self._connections and self.pace.may(self._clock.now(), rank)

    def _pump_soon(self) -> None:
        """At the end of this turn of the loop, whatever else is being waited for."""
        if self._soon is not None and self._timed:
            self._soon.cancel()
            self._soon = None
        if self._soon is None:
            self._soon, self._timed = self._loop.call_soon(self.pump), False

    def pump(self) -> None:
        """Begin as many attempts as may begin now."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        while not self._ending and len(self._under_way) < self._connections:
            now = self._clock.now()
            found: Errand | None = None
            for rank in self.line.ranks():
                if not self.pace.may(now, rank):
                    self._soon, self._timed = self._loop.call_later(self._wait(now), self.pump), True
                    return
                found = self._next(now, rank)
                if found is not None:
                    break
            if found is None:
                return  # nothing waits, or all of it for what is under way
            self._send(found)

    def _next(self, now: float, rank: int) -> Errand | None:
        """Who is next, and in time."""
        while (found := self.line.pop(now, rank)) is not None and found.deadline <= now:
            self.line.ended(found)
            self._expired(found)
        return found

    def _wait(self, now: float) -> float:
        waits = [self.pace.wait(now, rank) for rank in self.line.ranks()]
        return min(LOOK, max(0.001, min(waits, default=LOOK)))

    def _send(self, errand: Errand) -> None:
        errand.stage = Stage.SENDING
        self.pace.sent(self._clock.now(), errand.rank)
        self._tally.sent(errand)
        self.attempts.begin(errand)

    def _attempt_ended(self, errand: Errand, verdict: Verdict, answer: Answer | None) -> None:
        self._concluded(errand, verdict, answer)
        if len(self.line):
            self._pump_soon()

    # --- the end

    async def end(self, until: float) -> list[Errand]:
        """Begin nothing more, let what is under way end until then, and break off the rest: it is returned, marked."""
        self._ending = True
        if self._soon is not None:
            self._soon.cancel()
        return await self.attempts.end(until - self._clock.now())
