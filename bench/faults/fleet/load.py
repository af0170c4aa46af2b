"""Senders: one User in surges, the others evenly within their allocations, to a worker at random."""

from __future__ import annotations

import asyncio
import random
import time
from typing import NamedTuple

from bench.faults.fleet.site import USERS, octets

PATIENCE = 4.0  # seconds for an answer
LOST = 0  # a status: no answer
SURGES = (0.1, 1.0, 2.0)
"""Of what the first User sends, for a while each: banks fill, and are wanted all at once, whatever fails meanwhile."""
LONGEST = 1.2  # seconds of one of them


class Sent(NamedTuple):
    """One request: when it was sent and answered (seconds, monotonic), whose, to which worker, its status."""

    at: float
    answered: float
    user: int
    worker: int
    status: int


class Line(asyncio.Protocol):
    """One connection to a worker, one request at a time."""

    def __init__(self) -> None:
        self._octets = b""
        self.answer: asyncio.Future[int] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._octets += data
        head, end, rest = self._octets.partition(b"\r\n\r\n")
        if not end:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(rest) >= int(fields.get(b"content-length", b"0")):
            self._octets = b""
            self.closed = self.closed or fields.get(b"connection") == b"close"
            self._tell(int(head[9:12]))

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed = True
        self._tell(LOST)

    def _tell(self, status: int) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(status)


class Load:
    """All senders.

    Attributes:
        up: the workers that requests are sent to.
        sent: what was sent so far and answered, or not.
    """

    def __init__(self, ports: list[int], seed: int) -> None:
        self._ports = ports
        self._chance = random.Random(seed)
        self._idle: list[list[Line]] = [[] for _ in ports]
        self._octets = [octets(user) for user in USERS]
        self._asked: set[asyncio.Task[None]] = set()
        self.up = set(range(len(ports)))
        self.sent: list[Sent] = []

    def start(self) -> None:
        """Begin. Within the loop."""
        evenly = (self._evenly(user) for user in range(1, len(USERS)))
        self._tasks = [asyncio.create_task(each) for each in (self._in_surges(), *evenly)]

    async def stop(self) -> None:
        """What is under way is waited for."""
        for task in self._tasks:
            task.cancel()
        if self._asked:
            await asyncio.wait(self._asked)
        for lines in self._idle:
            for line in lines:
                line.transport.close()  # type: ignore[attr-defined]

    async def _in_surges(self) -> None:
        """The first User: at random times."""
        at = until = time.monotonic()
        rate = USERS[0].sends
        while True:
            if at >= until:
                until = at + self._chance.uniform(LONGEST / 4, LONGEST)
                rate = USERS[0].sends * self._chance.choice(SURGES)
            at += self._chance.expovariate(rate)
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            self._send(0)

    async def _evenly(self, user: int) -> None:
        """One that stays within its allocation, whatever the dice say."""
        at = time.monotonic()
        while True:
            at += self._chance.uniform(0.9, 1.1) / USERS[user].sends
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            self._send(user)

    def _send(self, user: int) -> None:
        task = asyncio.create_task(self._ask(user, self._chance.choice(sorted(self.up))))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _ask(self, user: int, worker: int) -> None:
        idle = self._idle[worker]
        while idle and idle[-1].closed:
            idle.pop()
        at, status = time.monotonic(), LOST
        try:
            async with asyncio.timeout(PATIENCE):
                line = idle.pop() if idle else await self._connect(worker)
                line.answer = asyncio.get_running_loop().create_future()
                at = time.monotonic()
                line.transport.write(self._octets[user])  # type: ignore[attr-defined]
                status = await line.answer
            if not line.closed:
                idle.append(line)
        except (OSError, TimeoutError):
            status = LOST
        self.sent.append(Sent(at, time.monotonic(), user, worker, status))

    async def _connect(self, worker: int) -> Line:
        _, line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self._ports[worker])
        return line
