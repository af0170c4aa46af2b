"""One destination: takes the parcel that is next, sends it, and says what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from math import inf
from random import random
from time import monotonic, time
from typing import Protocol

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.circuit import Circuit
from sluicegate.dispatch.fair import FairQueue
from sluicegate.dispatch.judge import Ruling, Verdict
from sluicegate.dispatch.pace import Pace
from sluicegate.dispatch.parcel import Kind, Parcel, Settlement, State
from sluicegate.duis import LARGE_OCTETS
from sluicegate.http.call import Answer, CallFailed
from sluicegate.http.strategy import RetryStrategy
from sluicegate.log import logger

LOOK = 0.5  # seconds: the longest that a courier sleeps while something waits


class Way(Protocol):
    """How parcels get there: `http.post.Caller`, or a stand-in of it."""

    async def post(self, path: str, body: bytes, fields: Mapping[str, str], timeout: float) -> Answer:
        """POST, and the answer. Raises CallFailed."""

    def cut(self) -> None:
        """End all connections at once."""


class Office(Protocol):
    """Who keeps the parcels."""

    def may_send(self) -> bool:
        """Whether the claims of this dispatcher still hold."""

    async def body(self, parcel: Parcel) -> bytes | None:
        """Its body, read from the store where it is not in memory. None: it was deleted. Raises StoreError."""

    def settle(self, parcel: Parcel, settlement: Settlement, outcome: bytes | None = None) -> None:
        """A parcel leaves memory. `outcome` is the Response that came with the answer."""

    def send_back(self, parcel: Parcel, code: str, attempts: int) -> None:
        """It cannot be delivered: its sender is told."""


@dataclass(slots=True)
class Counts:
    """What became of attempts, since the start."""

    attempts: int = 0
    delivered: int = 0
    no_answer: int = 0
    busy: int = 0
    failed: int = 0
    refused: int = 0
    returned: int = 0


class Courier:
    """Delivers to one destination.

    Args:
        name: the destination, such as `csp:north`.
        way: how to reach it.
        queue: what is in memory for it.
        circuit, pace, strategy: whether at all, how fast, when again.
        judge: what an answer means.
        office: who keeps the parcels.
        timeout: seconds for one attempt.
        base: stands before the paths of parcels.
    """

    def __init__(
        self,
        name: str,
        way: Way,
        queue: FairQueue,
        circuit: Circuit,
        pace: Pace,
        strategy: RetryStrategy,
        judge: Callable[[Answer, float], Verdict],
        office: Office,
        timeout: float,
        base: str = "",
    ) -> None:
        self.name = name
        self.queue = queue
        self.circuit = circuit
        self.pace = pace
        self.strategy = strategy
        self.counts = Counts()
        self.paused = False
        self.last_failure = ""
        self._way = way
        self._judge = judge
        self._office = office
        self._timeout = timeout
        self._base = base
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[int, tuple[asyncio.Task[None], Parcel]] = {}
        """By the number of the attempt."""
        self._told: dict[int, str] = {}
        self._soon: asyncio.Handle | None = None
        self._timed = False
        self._ending = False

    @property
    def in_flight(self) -> int:
        """Parcels that are being delivered."""
        return len(self._tasks)

    def offer(self, parcel: Parcel) -> None:
        """A parcel that this dispatcher has claimed."""
        self.queue.add(parcel)
        if self._soon is None:
            self._pump_soon()

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
        now = monotonic()
        while len(self.queue) and not self.paused and not self._ending:
            if not (self.circuit.may(now) and self.pace.may(now) and self._office.may_send()):
                wait = max(self.circuit.wait(now), self.pace.wait(now), 0.001)
                self._soon, self._timed = self._loop.call_later(min(wait, LOOK), self.pump), True
                return
            parcel = self.queue.pop()
            if parcel is None:
                return
            if parcel.deadline <= time():
                self._give_up(parcel)
                continue
            attempt = self.circuit.began(now)
            self.pace.began(now)
            task = self._loop.create_task(self._deliver(parcel, attempt))
            self._tasks[attempt] = (task, parcel)

    async def _deliver(self, parcel: Parcel, attempt: int) -> None:
        try:
            found = await self._attempt(parcel)
        except Exception as error:  # ours, and not the destination's: the parcel must not be lost with it
            logger().exception("an attempt failed by our own fault", destination=self.name, seq=parcel.seq)
            found = _parked(parcel, repr(error))
        self._tasks.pop(attempt, None)
        now = monotonic()
        self.pace.ended(now)
        if isinstance(found, Verdict):
            self._conclude(parcel, found, attempt, now)
        else:
            self.circuit.unclear(now, attempt)
            self._office.settle(parcel, found)
        if len(self.queue):
            self._pump_soon()

    async def _attempt(self, parcel: Parcel) -> Verdict | Settlement:
        """What the answer means; where nothing could be sent, what becomes of the parcel."""
        try:
            body = parcel.body if parcel.body is not None else await self._office.body(parcel)
        except StoreError:  # the writer has said so; it goes back as soon as the store works
            return _as_it_was(parcel, time(), parcel.repeated)
        if body is None:
            return _parked(parcel, "its body is not there any more")
        self.counts.attempts += 1
        try:
            answer = await self._way.post(self._base + parcel.path, body, _fields(parcel), self._timeout)
        except CallFailed as error:
            return Verdict(Ruling.FAILED, why=str(error))
        if len(answer.body) > LARGE_OCTETS:  # it is read whole: others must not wait for that
            return await asyncio.to_thread(self._judge, answer, time())
        return self._judge(answer, time())

    def _conclude(self, parcel: Parcel, verdict: Verdict, attempt: int, now: float) -> None:
        self._learn(verdict, attempt, now)
        told = self._told.pop(parcel.seq, None)
        ruling = verdict.ruling
        if ruling is Ruling.DELIVERED:
            self._delivered(parcel, verdict.code, verdict.outcome)
        elif told is not None:  # an outcome counts more than what became of the answer
            self._delivered(parcel, told)
        elif ruling is Ruling.FAILED:
            self._again(parcel, "E20", verdict.why)
        elif ruling is Ruling.BUSY:
            self.queue.give_back(replace(parcel, repeated=True))
        elif ruling is Ruling.NO_ANSWER:
            self._again(parcel, verdict.code, verdict.code)
        else:
            self._office.settle(parcel, _parked(parcel, verdict.why))

    def _learn(self, verdict: Verdict, attempt: int, now: float) -> None:
        """What an answer says of the destination."""
        counts, ruling = self.counts, verdict.ruling
        if ruling is Ruling.FAILED:
            counts.failed += 1
            self.last_failure = verdict.why
            was = self.circuit.state(now)
            self.circuit.failed(now, attempt)
            if was == "closed" and self.circuit.state(now) == "open":
                logger().warning("a destination fails, and is left alone", destination=self.name, why=verdict.why)
            return
        if ruling is Ruling.BUSY:
            counts.busy += 1
            self.circuit.busy(now + verdict.seconds, now, attempt)
            return
        if self.circuit.succeeded(now, attempt):
            self.pace.recovered(now)
            logger().warning("a destination has recovered", destination=self.name)
        if ruling is Ruling.DELIVERED:
            counts.delivered += 1
        elif ruling is Ruling.NO_ANSWER:
            counts.no_answer += 1
        else:
            counts.refused += 1
            self.last_failure = verdict.why

    def _delivered(self, parcel: Parcel, code: str, outcome: bytes | None = None) -> None:
        settlement = Settlement(parcel.seq, State.DELIVERED, time(), attempts=parcel.attempts + 1, code=code)
        self._office.settle(parcel, settlement, outcome)

    def concluded(self, seq: int, code: str) -> None:
        """The destination told the outcome of an SR that is here, before it answered or in spite of its answer."""
        waiting = next((parcel for parcel in self.queue if parcel.seq == seq), None)
        if waiting is not None:
            if waiting.attempts or waiting.repeated:  # what was never sent can have no outcome
                self.queue.remove(seq)
                self._delivered(waiting, code)
        elif any(one.seq == seq for _task, one in self._tasks.values()):
            self._told[seq] = code

    def _again(self, parcel: Parcel, code: str, why: str) -> None:
        """The next attempt by the retry strategy, or the parcel goes back."""
        attempts, at = parcel.attempts + 1, time()
        due = self.strategy.next_attempt(attempts, at, parcel.deadline, random())  # noqa: S311 - jitter, no secret
        if due is None:
            self._office.send_back(parcel, code, attempts)
        else:
            settlement = Settlement(parcel.seq, State.DELAYED, at, due, attempts, why[:200], repeated=True)
            self._office.settle(parcel, settlement)

    def _give_up(self, parcel: Parcel) -> None:
        self._office.send_back(parcel, "E20", parcel.attempts)

    def withdraw(self, deadline: float = inf) -> list[Parcel]:
        """Take out what waits here with a deadline up to that one: whoever does it settles them."""
        found = [parcel for parcel in self.queue if parcel.deadline <= deadline]
        for parcel in found:
            self.queue.remove(parcel.seq)
        return found

    def overdue(self, at: float) -> None:
        """Send back what waits here past its deadline, whatever keeps it."""
        for parcel in self.withdraw(at):
            self._give_up(parcel)

    def break_off(self) -> None:
        """The lease has ended: another dispatcher may begin what is being delivered here. It waits, marked."""
        for parcel in self._cancel():
            self.queue.give_back(replace(parcel, repeated=True))

    def _cancel(self) -> list[Parcel]:
        """Break off all attempts. A task that never ran tells nothing, so what they hold is given back here."""
        now, broken = monotonic(), list(self._tasks.items())
        self._tasks.clear()
        for attempt, (task, _parcel) in broken:
            task.cancel()
            self.circuit.unclear(now, attempt)
            self.pace.ended(now)
        return [parcel for _attempt, (_task, parcel) in broken]

    def drop(self) -> list[Parcel]:
        """Forget what waits here, and break off what is being delivered: nothing of it is said to the store."""
        dropped = self._cancel()
        while (parcel := self.queue.pop()) is not None:
            dropped.append(parcel)
        return dropped

    async def end(self, until: float) -> None:
        """Begin nothing more; let what is being delivered end until then, and break off the rest.

        What is left is given back: what was broken off may have been taken, and says so.
        """
        self._ending = True
        if self._soon is not None:
            self._soon.cancel()
        while self._tasks and monotonic() < until:
            await asyncio.wait([task for task, _parcel in self._tasks.values()], timeout=until - monotonic())
        at = time()
        while (parcel := self.queue.pop()) is not None:
            self._office.settle(parcel, _as_it_was(parcel, at, parcel.repeated))
        tasks = [task for task, _parcel in self._tasks.values()]
        broken = self._cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for parcel in broken:
            told = self._told.pop(parcel.seq, None)
            if told is not None:
                self._delivered(parcel, told)
            else:
                self._office.settle(parcel, _as_it_was(parcel, at, repeated=True))
        self._way.cut()


def _as_it_was(parcel: Parcel, at: float, repeated: bool) -> Settlement:
    return Settlement(parcel.seq, State.READY, at, attempts=parcel.attempts, repeated=repeated)


def _parked(parcel: Parcel, why: str) -> Settlement:
    attempts = parcel.attempts + 1
    return Settlement(parcel.seq, State.PARKED, time(), attempts=attempts, code=why[:200], repeated=True)


def _fields(parcel: Parcel) -> dict[str, str]:
    """What goes with it: which attempt it is, since when it waits, and whether it may have come before."""
    fields = {"Content-Type": "application/xml", "Sluicegate-Attempt": str(parcel.attempts + 1)}
    if parcel.kind is Kind.REQUEST:
        fields["Sluicegate-Accepted"] = formatdate(parcel.accepted_at, usegmt=True)
    if parcel.attempts or parcel.repeated:
        fields["Sluicegate-Repeat"] = "yes"
    fields.update(parcel.fields)
    return fields
