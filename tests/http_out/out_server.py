"""A server that does what a test tells it, on real sockets, in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from sluicegate.http.post import Caller
from sluicegate.settings import Timeouts, Upstream

PATIENCE = 60.0


@dataclass
class Line:
    """One connection at the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: Server

    async def head(self) -> str | None:
        """The next request's head; None where the connection has ended."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self.server.heads.append(head)
        return head

    async def request(self) -> bytes | None:
        """The next request's body; None where the connection has ended."""
        head = await self.head()
        if head is None:
            return None
        length = [line for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        body = await self.reader.readexactly(int(length[0].split(":")[1])) if length else b""
        self.server.bodies.append(body)
        return body

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    def answer(self, body: bytes = b"done", status: str = "200 OK", *fields: str) -> None:
        lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
        self.send("\r\n".join(lines).encode("latin-1") + body)

    def close(self) -> None:
        self.writer.close()

    async def gone(self) -> None:
        """Wait until the other side has ended the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Line], Awaitable[None]]


@dataclass
class Server:
    """What it has heard, and how to reach it."""

    tls: bool = False
    port: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    gone: int = 0

    def address(self, prefix: str = "", host: str = "127.0.0.1") -> Upstream:
        return Upstream("https" if self.tls else "http", host, self.port, prefix)


async def obliging(line: Line) -> None:
    """Answers every request."""
    while await line.request() is not None:
        line.answer()


@contextlib.asynccontextmanager
async def serving(script: Script = obliging, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server whose connections each run the script."""
    server = Server(tls is not None)
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        line = Line(reader, writer, server)
        server.lines.append(line)
        try:
            with contextlib.suppress(OSError, EOFError, RuntimeError, asyncio.CancelledError):
                await script(line)  # RuntimeError: uvloop's, where the other side has gone
        finally:
            server.gone += 1
            with contextlib.suppress(RuntimeError):
                writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in server.lines:
            if line.writer.transport is not None:
                line.writer.transport.abort()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def calling(
    server: Server, tls: ssl.SSLContext | None = None, most_body: int = 1_048_576, prefix: str = "", **timeouts: float
) -> AsyncIterator[Caller]:
    """A caller of that server; it must have nothing in flight at the end."""
    loop = asyncio.get_running_loop()
    caller = Caller(loop, server.address(prefix), Timeouts(**timeouts), tls, most_body=most_body)
    try:
        yield caller
        assert not caller._calls
    finally:
        caller.cut()
        await asyncio.sleep(0.01)


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)
