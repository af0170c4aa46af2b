"""Sending: every User's schedule, and what a User's system does with an answer that it does not like."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sluicegate.simulate.sender.answers import Outcome, classify
from sluicegate.simulate.sender.client import Client, NoAnswerError
from sluicegate.simulate.sender.journey import Journey


@dataclass(frozen=True)
class RetryHabit:
    """A User's system tries ``tries`` times in all, after what it was told, else after ``pause`` seconds.

    After ``limit`` seconds from the moment at which it was meant to leave nobody wants a request any more: one that
    would have to come again later than that is given up.
    """

    tries: int = 4
    pause: float = 1.0
    limit: float = math.inf

    def ends(self, journey: Journey, again: float) -> bool:
        """Whether a request that could come ``again`` at that time, in seconds from the start, is given up."""
        return journey.attempts >= self.tries or again - journey.intended > self.limit


@dataclass(frozen=True)
class Load:
    """What one User sends: when (seconds from the start, rising), and how to write the next message."""

    times: Sequence[float]
    compose: Callable[[], tuple[str, bytes]]
    """Gives the path to POST to and the message; called once for each Service Request, in order."""
    client: Client
    habit: RetryHabit = RetryHabit()


Seen = Callable[[Journey, float, float, Outcome], None]
"""Called after each attempt with the Journey, when the attempt was sent, when answered, and its outcome."""


async def send(loads: Sequence[Load], start: float, until: float, seen: Seen) -> list[Journey]:
    """Run every load, and return one Journey for each request that left, in the order of leaving.

    ``start`` is a time of the running loop; ``until`` is in seconds from it. What is not answered by then is
    left as it is, and so are requests that wait to be tried again. Never waits for an answer before the next.
    """
    sender = _Sender(start, seen)
    walkers = [asyncio.create_task(sender.walk(user, load)) for user, load in enumerate(loads)]
    try:
        await asyncio.sleep(max(0.0, start + until - sender.loop.time()))
    finally:
        await sender.stop(walkers)
    if sender.broken:
        raise sender.broken
    return sender.journeys


class _Sender:
    def __init__(self, start: float, seen: Seen) -> None:
        self.loop = asyncio.get_running_loop()
        self.journeys: list[Journey] = []
        self.broken: BaseException | None = None  # a load that broke must not look like a quiet one
        self._start = start
        self._seen = seen
        self._under_way: set[asyncio.Task[None]] = set()

    def _now(self) -> float:
        return self.loop.time() - self._start

    async def walk(self, user: int, load: Load) -> None:
        for intended in load.times:
            if (wait := intended - self._now()) > 0:
                await asyncio.sleep(wait)
            journey = Journey(user, intended)
            self.journeys.append(journey)
            path, message = load.compose()
            task = asyncio.create_task(self._travel(journey, load, path, message))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception():
            self.broken = self.broken or task.exception()

    async def _travel(self, journey: Journey, load: Load, path: str, message: bytes) -> None:
        while True:
            sent = self._now()
            journey.attempts += 1
            outcome, wait = await self._attempt(load, path, message)
            answered = self._now()
            journey.last = outcome
            if outcome is Outcome.DELIVERED:
                journey.delivered_at = answered
            elif outcome is Outcome.THROTTLED:
                journey.throttled += 1
            elif outcome is Outcome.BEHIND:
                journey.behind += 1
            over = outcome is Outcome.DELIVERED or load.habit.ends(journey, answered + wait)
            journey.given_up = over and outcome is not Outcome.DELIVERED
            self._seen(journey, sent, answered, outcome)
            if over:
                return
            await asyncio.sleep(wait)

    async def _attempt(self, load: Load, path: str, message: bytes) -> tuple[Outcome, float]:
        try:
            answer = await load.client.post(path, message)
        except NoAnswerError:
            return Outcome.FAILED, load.habit.pause
        pause = load.habit.pause if answer.retry_after is None else answer.retry_after
        return classify(answer), pause

    async def stop(self, walkers: Sequence[asyncio.Task[None]]) -> None:
        tasks = [*walkers, *self._under_way]
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        errors = (end for end in ends if isinstance(end, Exception))
        self.broken = self.broken or next(errors, None)
