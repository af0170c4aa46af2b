"""Spans on their way to the collector: a line of bounded length, emptied in batches, each tried until it is taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from random import random
from typing import Final

from sluicegate.operations.beside import beside
from sluicegate.operations.telemetry.collector import Collector, NotTaken
from sluicegate.operations.telemetry.encoding import spans_message
from sluicegate.operations.telemetry.span import Span

PATH: Final = "/v1/traces"
BATCH: Final = 512
EVERY: Final = 1.0  # seconds that a span waits for others, at the most
FIRST: Final = 1.0  # seconds before the second attempt; each later one waits twice as long
CEILING: Final = 30.0  # seconds before any attempt, at the most

Told = Callable[[str, str], None]
"""Told after each attempt: the path, and why it failed; empty where it did not."""


class Spans:
    """The spans that wait.

    Args:
        most: so many may wait; a span that finds no room is lost. What is under way is not among them.
        resource: attributes of who sends them.
        told: is told of every attempt.
        sleep: waits, in seconds.

    Attributes:
        sent, lost: spans that the collector took; and that had no room, or that it did not take.
    """

    def __init__(
        self,
        most: int,
        resource: Mapping[str, str],
        told: Told,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._most = most
        self._resource = resource
        self._told = told
        self._sleep = sleep
        self._line: deque[Span] = deque()
        self._under_way: list[Span] = []
        self._many = asyncio.Event()
        self.sent = self.lost = 0

    @property
    def waiting(self) -> int:
        """Spans that wait, or are under way."""
        return len(self._line) + len(self._under_way)

    def take(self, span: Span) -> None:
        """One more. Never waits."""
        line = self._line
        if len(line) >= self._most:
            self.lost += 1
            return
        line.append(span)
        if len(line) == BATCH:
            self._many.set()

    async def run(self, collector: Collector) -> None:
        """Send what comes, until cancelled."""
        while True:
            if len(self._line) < BATCH:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EVERY):
                        await self._many.wait()
            self._many.clear()
            while self._line:
                await self._deliver(collector)

    async def flush(self, collector: Collector) -> None:
        """Send what waits; each batch is tried once, and nothing after one that was not taken."""
        with contextlib.suppress(NotTaken):
            while self._line or self._under_way:
                await self._attempt(collector)

    def give_up(self) -> None:
        """Whatever still waits is lost."""
        self.lost += self.waiting
        self._line.clear()
        self._under_way = []

    async def _deliver(self, collector: Collector) -> None:
        delay = FIRST
        while True:
            try:
                await self._attempt(collector)
            except NotTaken as error:
                if not error.again:
                    return
                jitter = 1.0 + 0.2 * random()  # noqa: S311 - jitter, no secret
                await self._sleep(max(delay, error.after) * jitter)
                delay = min(delay * 2, CEILING)
            else:
                return

    async def _attempt(self, collector: Collector) -> None:
        """Send the batch that is under way, or the next one. Raises NotTaken; it is under way still, or lost."""
        if not self._under_way:
            self._under_way = [self._line.popleft() for _ in range(min(BATCH, len(self._line)))]
        batch = self._under_way
        try:
            rejected, why = await collector.take(PATH, await beside(self._message, batch))
        except NotTaken as error:
            self._told(PATH, str(error))
            if not error.again:
                self._under_way = []
                self.lost += len(batch)
            raise
        self._under_way = []
        rejected = min(rejected, len(batch))
        self.sent += len(batch) - rejected
        self.lost += rejected
        self._told(PATH, f"it rejected {rejected} spans: {why}" if rejected else "")

    def _message(self, batch: list[Span]) -> bytes:
        """Raises NotTaken for what is no message of OTLP: one such span must not stop all that come after it."""
        try:
            return spans_message(self._resource, batch)
        except Exception as error:
            raise NotTaken(f"a span cannot be written: {type(error).__name__}", again=False) from error
