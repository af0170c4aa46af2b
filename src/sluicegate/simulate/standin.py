"""A stand-in DSP: an HTTP/1.1 server around the Plant, to run a gateway against without a real one.

- POST, any path: answered when the plant has served it, with a DUIS Response Acknowledgement (I99). A body
  whose DUIS header cannot be read costs the plant nothing: 400.
- buffer full: 503 with the stand-in's own body, no ``Retry-After``.
- outage: what is held gets its connection reset, as by a process that dies; what arrives gets 503 at once, without
  ``Retry-After``. The listening socket stays open, so that the status can still be read and the port is kept.
- GET ``/stand-in/status``: JSON.

For tests, demonstrations and benchmarks, on a loopback address. It authenticates nobody.
"""

import asyncio
import json
from dataclasses import dataclass

from sluicegate.duis import MalformedMessage, read_header
from sluicegate.simulate.answering import MAX_HEAD_OCTETS, MAX_PIPELINED, Connection, Request
from sluicegate.simulate.desk import Desk
from sluicegate.simulate.messages import acknowledgement
from sluicegate.simulate.plant import Fate, PlantShape

__all__ = ["MAX_BODY_OCTETS", "MAX_HEAD_OCTETS", "MAX_LATENCY", "MAX_PIPELINED", "StandIn", "StandInSettings"]

MAX_BODY_OCTETS = 16 * 1024 * 1024
MAX_LATENCY = 3600.0


@dataclass(frozen=True)
class StandInSettings:
    """What to stand in for. ``shape`` None: unlimited. ``latency`` in seconds. Port 0: any free one."""

    shape: PlantShape | None = None
    latency: float = 0.0
    host: str = "127.0.0.1"
    port: int = 8080

    def __post_init__(self) -> None:
        """Raise ValueError for a latency that cannot be."""
        if not 0 <= self.latency <= MAX_LATENCY:
            raise ValueError(f"latency is 0 to {MAX_LATENCY:g} seconds, not {self.latency}")


class _Counter:
    """Where requests are taken for the desk."""

    title = "stand-in DSP"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def asked(self, request: Request) -> None:
        """Here is a whole request."""
        if request.method == b"POST":
            self._take(request)
        elif request.method == b"GET" and request.target.split(b"?")[0] == b"/stand-in/status":
            request.answer(200, "application/json", json.dumps(self._desk.status()).encode())
        elif request.method == b"GET":
            self._tell(request, 404, "there is GET /stand-in/status, and POST")
        else:
            self._tell(request, 405, "POST a Service Request")

    def _take(self, request: Request) -> None:
        try:
            header = read_header(request.body, complete=True)
        except MalformedMessage as error:
            self._tell(request, 400, str(error))
            return
        assert header is not None  # noqa: S101 - a complete body is read or malformed
        known = header

        def told(fate: Fate) -> None:
            if fate is Fate.SERVED:
                request.answer(200, "application/xml", acknowledgement(known))
            else:
                request.break_off()

        fate = self._desk.take(told)
        if fate is Fate.REFUSED:
            self._tell(request, 503, "the buffer is full")
        elif fate is Fate.LOST:
            self._tell(request, 503, "out of order")

    def _tell(self, request: Request, status: int, why: str) -> None:
        request.answer(status, "text/plain", f"{self.title}: {why}\n".encode())


class StandIn:
    """A running stand-in. Build it with `StandIn.start`; ``host`` and ``port`` say where it listens."""

    def __init__(self, desk: Desk, server: asyncio.Server, connections: set[Connection]) -> None:
        """Use `StandIn.start`."""
        self.desk = desk
        self._server = server
        self._connections = connections
        self.host, self.port = server.sockets[0].getsockname()[:2]

    @classmethod
    async def start(cls, settings: StandInSettings) -> "StandIn":
        """Listen. Raises OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        desk = Desk(loop, settings.shape, settings.latency)
        counter = _Counter(desk)
        connections: set[Connection] = set()
        server = await loop.create_server(
            lambda: Connection(counter, connections, MAX_BODY_OCTETS), settings.host, settings.port, backlog=1024
        )
        return cls(desk, server, connections)

    def heading(self) -> str:
        """What it is, and where it listens."""
        shape = self.desk.shape
        kind = f"{shape.capacity:g} SR/s, buffer {shape.buffer}" if shape else "unlimited"
        return f"stand-in DSP ({kind}) listens on http://{self.host}:{self.port}"

    def summary(self) -> str:
        """What became of the SRs so far."""
        status = self.desk.status()
        return f"served {status['served']}, refused {status['refused']}, lost {status['lost']}"

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        self._server.close()
        self.desk.close()
        for connection in list(self._connections):
            connection.close()
        await self._server.wait_closed()
