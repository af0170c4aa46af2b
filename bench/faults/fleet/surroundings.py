"""What is around the workers, in a process of its own: the system behind, which notes when each request arrived, and
each worker's way to the Valkey, which can be slow or cut.

    python -m bench.faults.fleet.surroundings UPSTREAM TARGET WAY...     (ports)

Lines of JSON on standard input, each answered with one: {"way": 0, "open": false}, {"way": 0, "delay": 0.05},
{"target": 7001} (connections end, and new ones go there), {"arrivals": true}.

A way that is cut keeps what it is given until it heals, as TCP does: what comes late then is part of the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from typing import Any

from bench.faults.fleet.lag import Lag
from bench.faults.fleet.site import USERS

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
LOOK = 0.01  # seconds
MARKS = [user.eui64.encode() for user in USERS]


class Behind(asyncio.Protocol):
    """A connection to the system behind: each request is noted and answered at once."""

    def __init__(self, arrivals: list[tuple[float, int]]) -> None:
        self._arrivals = arrivals
        self._octets = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._octets += data
        while b"\r\n\r\n" in self._octets:
            head, _, rest = self._octets.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            length = int(fields.get(b"content-length", b"0"))
            if len(rest) < length:
                return
            body, self._octets = rest[:length], rest[length:]
            who = next((number for number, mark in enumerate(MARKS) if mark in body), -1)
            self._arrivals.append((now, who))
            self._transport.write(ANSWER)


class Way:
    """From one worker to the Valkey."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, port: int) -> None:
        self._port = port
        self._server = await asyncio.start_server(self._through, "127.0.0.1", port)

    async def _refuse(self) -> None:
        """While nobody listens where it leads to: the worker is refused, as it would be there."""
        if not self._server.is_serving():
            return
        self._server.close()
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.target)
                writer.close()
                break
            await asyncio.sleep(LOOK)
        await self.serve(self._port)

    def turn_to(self, target: int) -> None:
        """What is under way is lost."""
        self.target = target
        for task in self._tasks:
            task.cancel()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [writer]
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self.open.wait()
            inner, outer = await asyncio.open_connection("127.0.0.1", self.target)
            writers.append(outer)
            pumps = [asyncio.create_task(self._pump(*pair)) for pair in ((reader, outer), (inner, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
        self._tasks.discard(task)
        for each in writers:
            each.close()
        if not await self._leads_to_somebody():
            await self._refuse()

    async def _leads_to_somebody(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return False
        writer.close()
        return True

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await reader.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self.open.wait()
                writer.write(octets)
                await writer.drain()


async def main(upstream: int, target: int, *ports: int) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    arrivals: list[tuple[float, int]] = []
    ways = [Way(target) for _ in ports]
    await loop.create_server(lambda: Behind(arrivals), "127.0.0.1", upstream)
    for way, port in zip(ways, ports, strict=True):
        await way.serve(port)
    lag = Lag()
    told = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    print("{}", flush=True)
    while line := await told.readline():
        word = json.loads(line)
        answer: dict[str, Any] = {}
        if "target" in word:
            for way in ways:
                way.turn_to(word["target"])
        elif "arrivals" in word:
            answer = {"arrivals": arrivals[:], "lags": lag.taken()}
            arrivals.clear()
        else:
            way = ways[word["way"]]
            way.delay = word.get("delay", way.delay)
            if word.get("open", True):
                way.open.set()
            else:
                way.open.clear()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
