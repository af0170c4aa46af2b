"""A receiver that is real: an HTTP server that takes webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

PATIENCE = 60.0
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """Takes webhooks. `answers`: what the next ones are answered with, then 204; None: nothing, for ever."""

    def __init__(self):
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[bytes | None] = []
        self.server = None
        self.port = 0

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(fields["content-length"]))
            self.got.append((fields | {"request-line": head[0]}, body))
            answer = self.answers.pop(0) if self.answers else b"HTTP/1.1 204 No Content\r\n\r\n"
            if answer is None:
                await asyncio.sleep(3600)
            writer.write(answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def answer(status: int, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n{more}\r\n".encode()


async def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for something that happens beside the test."""
    ends = monotonic() + patience
    while not condition():
        assert monotonic() < ends, "it did not happen"
        await asyncio.sleep(0.005)


def webhook(name: str, port: int, more: str = "") -> str:
    return f'name = "{name}"\nwebhook = "http://127.0.0.1:{port}/hook"\nsecret = "file:secret"\n{more}'
