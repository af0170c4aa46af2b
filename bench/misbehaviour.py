"""Clients that misbehave, for the soak: slow, gone half-way, too large, refused, or no HTTP at all."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from bench.messages import User, post, top_up, users

UNKNOWN = User("nobody", "90-B3-D5-1F-FF-00-00-00", 0, "5.4")

Dialogue = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[str]]


async def answer_of(reader: asyncio.StreamReader) -> str:
    """The status that came, or what happened instead."""
    try:
        line = await asyncio.wait_for(reader.readline(), 15)
    except TimeoutError:
        return "no answer"
    return line[9:12].decode("latin-1") or "closed"


async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
    """A slow sender that does finish."""
    for at in range(0, len(request), 64):
        writer.write(request[at : at + 64])
        await writer.drain()
        await asyncio.sleep(0.05)
    return await answer_of(reader)


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
    """Goes away in the middle of its message."""
    writer.write(request[: random.randrange(1, len(request))])
    await writer.drain()
    return "left"


async def never_read(_: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
    """Sends, and goes away with its answer unread."""
    writer.write(request)
    await writer.drain()
    await asyncio.sleep(0.01)
    return "left"


async def too_large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
    """Announces a body beyond every limit."""
    writer.write(request.replace(b"Content-Length: ", b"Content-Length: 99999"))
    await writer.drain()
    return await answer_of(reader)


async def firmware(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
    """A message of two million octets: streamed, not held."""
    _, _, body = request.partition(b"\r\n\r\n")
    writer.write(post(body.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>" + b"A" * 2_000_000)))
    await writer.drain()
    return await answer_of(reader)


async def malformed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
    """No `Header` in the message: refused each time."""
    writer.write(request.replace(b"Header>", b"Haeder>"))
    await writer.drain()
    return await answer_of(reader)


async def unknown(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: bytes) -> str:
    """A User that the gateway does not know: refused each time."""
    writer.write(post(top_up(UNKNOWN, 1, random.Random(1))))
    await writer.drain()
    return await answer_of(reader)


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: bytes) -> str:
    """Speaks no HTTP."""
    writer.write(random.randbytes(300) + b"\r\n\r\n")
    await writer.drain()
    return await answer_of(reader)


DIALOGUES: tuple[tuple[Dialogue, float], ...] = (
    (dribble, 1.0),
    (hang_up, 8.0),
    (never_read, 8.0),
    (too_large, 1.0),
    (firmware, 0.5),
    (malformed, 5.0),
    (unknown, 5.0),
    (babble, 1.0),
)
"""What misbehaving clients do, and how many of each begin a second."""


async def misbehave(port: int, until: float, counts: Counter[str]) -> None:
    """All dialogues at their rates, each kind from an address of its own, until `until` (monotonic)."""

    async def once(dialogue: Dialogue, source: str, request: bytes) -> None:
        name = dialogue.__name__.replace("_", " ")
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        except OSError:
            counts[f"{name}: refused"] += 1
            return
        try:
            counts[f"{name}: {await dialogue(reader, writer, request)}"] += 1
        except OSError:
            counts[f"{name}: cut off"] += 1
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def kind(number: int, dialogue: Dialogue, rate: float) -> None:
        chance, everybody = random.Random(number), users()
        async with asyncio.TaskGroup() as group:
            while time.monotonic() < until:
                request = post(top_up(chance.choice(everybody), 0, chance))
                group.create_task(once(dialogue, f"127.0.1.{number + 1}", request))
                await asyncio.sleep(1 / rate)

    async with asyncio.TaskGroup() as group:
        for number, (dialogue, rate) in enumerate(DIALOGUES):
            group.create_task(kind(number, dialogue, rate))
