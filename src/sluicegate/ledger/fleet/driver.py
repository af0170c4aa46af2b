"""Draws for a worker, on asyncio: one task, one draw under way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Final

from sluicegate.ledger.fleet.messages import Answer, Ask, Look
from sluicegate.ledger.fleet.shard import AwayError, GoneError, Shard, StaleError
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.ledger.fleet.writing import MalformedError

GIVEN_UP: Final = 5.0  # seconds: an answer that comes later is not waited for
FAILED: Final = (AwayError, StaleError, MalformedError, TimeoutError)


class Driver:
    """Drives a worker from the running loop: sends what it asks for when it is due, and tells it what came of it.

    Args:
        worker: nobody else drives it; its requests come from the same loop.
        shard: the ledger.
        clock: seconds, as those with which the worker decides.
    """

    def __init__(self, worker: Worker, shard: Shard, clock: Callable[[], float] = monotonic) -> None:
        self._worker, self._shard, self._clock = worker, shard, clock
        self._woken = asyncio.Event()
        self._draws: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._between: Callable[[], None] | None = None
        worker.wake = self._woken.set

    def start(self) -> None:
        """Begin to draw."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Draw no more; what is in hand is given back, if the ledger answers in time."""
        await _end(self._task)
        for draw in list(self._draws):
            await _end(draw)
        worker = self._worker
        worker.lost(self._clock())
        with contextlib.suppress(*FAILED):
            async with asyncio.timeout(worker.wait):
                await self._shard.leave(worker.last_ask(self._clock()))

    def once_between(self, what: Callable[[], None]) -> None:
        """Call it as soon as no draw is under way, once, before the next one is sent."""
        self._between = what
        self._woken.set()

    async def look(self) -> Look:
        """The fleet as the ledger sees it. Raises AwayError."""
        return await self._shard.look()

    async def _run(self) -> None:
        worker, clock, loop = self._worker, self._clock, asyncio.get_running_loop()
        while True:
            self._woken.clear()
            now = clock()
            worker.tick(now)
            if self._between is not None and worker.sent is None:
                what, self._between = self._between, None
                what()
            ask = worker.next_ask(now)
            if ask is not None:
                draw = asyncio.create_task(self._draw(ask))
                self._draws.add(draw)
                draw.add_done_callback(self._draws.discard)
            now = clock()
            alarm = loop.call_later(max(0.0, worker.due(now) - now), self._woken.set)
            try:
                await self._woken.wait()
            finally:
                alarm.cancel()

    async def _draw(self, ask: Ask) -> None:
        worker = self._worker
        answer: Answer | None = None
        gone = False
        try:
            async with asyncio.timeout(GIVEN_UP):
                answer = await self._shard.draw(ask)
        except FAILED as error:
            self._worker.trouble = str(error) or type(error).__name__
            gone = isinstance(error, GoneError)
        under_way = worker.sent is not None and worker.sent[0] is ask
        if under_way and answer is not None:
            worker.take(answer, self._clock())
        elif under_way and gone:
            worker.gone(self._clock())
        elif under_way:
            worker.lost(self._clock())
        elif answer is not None:
            worker.too_late(answer, ask)
        self._woken.set()


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
