"""One process of a crew, as the crew sees it: started, waited for, told, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Final

from sluicegate.http.listening import HANDED_DOWN
from sluicegate.ledger.fleet.joining import new_name
from sluicegate.log import logger

LONGEST_START: Final = 60.0  # seconds until a worker serves


class Hired:
    """One process.

    Attributes:
        slot: its place in the crew, from 0.
        name: in the fleet: nobody else comes by it.
        leaving: whether it was told to end.
    """

    def __init__(self, slot: int, name: str, process: asyncio.subprocess.Process, ready: asyncio.Future[bool]) -> None:
        self.slot, self.name = slot, name
        self.process = process
        self.began = monotonic()
        self.leaving = False
        self._ready = ready

    async def serves(self) -> bool:
        """Wait until it does; False: it has ended, or takes too long."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._ready), LONGEST_START)
        except TimeoutError:
            logger().error("a worker does not begin to serve", pid=self.process.pid)
            return False

    def leave(self) -> None:
        """Tell it to drain and end."""
        self.leaving = True
        self._signal(signal.SIGTERM)

    def tell(self, number: int) -> None:
        """Send a signal once it serves: before, it would end by it."""
        self._ready.add_done_callback(lambda _ready: self._signal(number))

    async def ended(self, seconds: float) -> bool:
        """Wait for its end so long, then kill it; whether it had to be killed."""
        try:
            await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            logger().error("a worker was killed: it did not end", worker=self.slot + 1, pid=self.process.pid)
            await self.kill()
            return True
        return False

    async def kill(self) -> None:
        """End it at once."""
        self.leaving = True
        self._signal(signal.SIGKILL)
        await self.process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


async def hire(slot: int, command: Sequence[str], sockets: Mapping[str, socket.socket]) -> Hired:
    """Start a process with these listening sockets, by their keys. Raises OSError."""
    told, tells = os.pipe()
    name = new_name(os.getpid())
    environment = dict(os.environ)
    environment[HANDED_DOWN] = ",".join(f"{key}={one.fileno()}" for key, one in sockets.items())
    ours = ("--worker", str(slot + 1), "--tells", str(tells), "--parent", str(os.getpid()), "--called", name)
    try:
        process = await asyncio.create_subprocess_exec(
            *command, *ours, env=environment, pass_fds=(tells, *(one.fileno() for one in sockets.values()))
        )
    except OSError:
        os.close(told)
        raise
    finally:
        os.close(tells)
    return Hired(slot, name, process, _one_octet(told))


def _one_octet(descriptor: int) -> asyncio.Future[bool]:
    """Whether the other end says something before it closes. Closes this end."""
    loop = asyncio.get_running_loop()
    said: asyncio.Future[bool] = loop.create_future()

    def look() -> None:
        loop.remove_reader(descriptor)
        octet = os.read(descriptor, 1)
        os.close(descriptor)
        if not said.done():
            said.set_result(bool(octet))

    loop.add_reader(descriptor, look)
    return said
