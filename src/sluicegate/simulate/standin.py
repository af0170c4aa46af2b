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
import socket
import struct
from collections import deque
from dataclasses import dataclass
from typing import cast

import httptools

from sluicegate.duis import MAX_HEADER_OCTETS, Header, MalformedMessage, read_header
from sluicegate.simulate.desk import Desk
from sluicegate.simulate.messages import acknowledgement
from sluicegate.simulate.plant import Fate, PlantShape

MAX_BODY_OCTETS = 16 * 1024 * 1024
MAX_HEAD_OCTETS = 64 * 1024
MAX_PIPELINED = 64
MAX_LATENCY = 3600.0
LINGER_SECONDS = 1.0

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds


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


@dataclass(slots=True, eq=False)
class _Slot:
    """The place of one answer among the answers of its connection, which leave in the order of the requests."""

    answer: bytes | None = None
    close: bool = False


class Connection(asyncio.Protocol):
    """One client connection. Answers leave in order, whatever the order in which they are ready."""

    def __init__(self, desk: Desk, open_connections: set["Connection"]) -> None:
        """``open_connections`` is where the server keeps its connections, to close them at the end."""
        self._desk = desk
        self._open = open_connections
        self._slots: deque[_Slot] = deque()
        self._stopped = False
        self._reading = True
        self._writable = True
        self._transport: asyncio.Transport | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._forget()

    def _forget(self) -> None:
        self._url = b""
        self._head_octets = 0
        self._in_body = False
        self._body = bytearray()
        self._body_octets = 0

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the connection is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Asyncio: the connection is gone; answers that become ready later are dropped."""
        self._open.discard(self)
        self._transport = None
        self._stopped = True
        self._slots.clear()
        if self._linger:
            self._linger.cancel()

    def data_received(self, data: bytes) -> None:
        """Asyncio: octets from the client."""
        if self._stopped:
            return
        self._head_octets += len(data)  # set back whenever a head begins: what is left is one head's
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # ours, not the client's
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(400, "this is not an HTTP/1.1 request")
        if not self._in_body and self._head_octets > MAX_HEAD_OCTETS:
            self._refuse(431, f"the request head is above {MAX_HEAD_OCTETS} octets")

    def pause_writing(self) -> None:
        """Asyncio: the client does not read its answers; take no more requests from it."""
        self._writable = False
        self._pace()

    def resume_writing(self) -> None:
        """Asyncio: the client reads again."""
        self._writable = True
        self._pace()

    # The parser's side

    def on_message_begin(self) -> None:
        """Httptools: a request starts."""
        self._forget()

    def on_url(self, url: bytes) -> None:
        """Httptools: a part of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Httptools: one header field."""
        if len(name) == 6 and name.lower() == b"expect" and value.lower() == b"100-continue":
            self._slots.append(_Slot(_CONTINUE))
            self._flush()

    def on_headers_complete(self) -> None:
        """Httptools: the head is whole."""
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """Httptools: a part of the body; only its start is kept."""
        self._body_octets += len(body)
        if self._body_octets > MAX_BODY_OCTETS:
            self._refuse(413, f"the body is above {MAX_BODY_OCTETS} octets")
        elif len(self._body) < MAX_HEADER_OCTETS:
            self._body += body[: MAX_HEADER_OCTETS - len(self._body)]

    def on_message_complete(self) -> None:
        """Httptools: the request is whole."""
        if self._stopped:
            return
        slot = _Slot(close=not self._parser.should_keep_alive())
        self._slots.append(slot)
        self._stopped = slot.close
        method = self._parser.get_method()
        if method == b"POST":
            self._read(slot)
        elif method == b"GET" and self._url.split(b"?")[0] == b"/stand-in/status":
            self._fill(slot, 200, "application/json", json.dumps(self._desk.status()).encode())
        elif method == b"GET":
            self._fill(slot, 404, "text/plain", b"stand-in DSP: there is GET /stand-in/status, and POST\n")
        else:
            self._fill(slot, 405, "text/plain", b"stand-in DSP: POST a Service Request\n")
        self._pace()

    # Answers

    def _read(self, slot: _Slot) -> None:
        try:
            header = read_header(self._body, complete=True)
        except MalformedMessage as error:
            self._fill(slot, 400, "text/plain", f"stand-in DSP: {error}\n".encode())
            return
        assert header is not None  # noqa: S101 - a complete body is read or malformed
        self._take(slot, header)

    def _take(self, slot: _Slot, header: Header) -> None:
        def told(fate: Fate) -> None:
            if fate is Fate.SERVED:
                self._fill(slot, 200, "application/xml", acknowledgement(header))
            else:
                self._reset()

        fate = self._desk.take(told)
        if fate is Fate.REFUSED:
            self._fill(slot, 503, "text/plain", b"stand-in DSP: the buffer is full\n")
        elif fate is Fate.LOST:
            self._fill(slot, 503, "text/plain", b"stand-in DSP: out of order\n")

    def _fill(self, slot: _Slot, status: int, content_type: str, body: bytes) -> None:
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n{'connection: close' + chr(13) + chr(10) if slot.close else ''}\r\n"
        )
        slot.answer = head.encode("ascii") + body
        self._flush()

    def _flush(self) -> None:
        while self._transport and self._slots and self._slots[0].answer is not None:
            slot = self._slots.popleft()
            self._transport.write(slot.answer or b"")
            if slot.close:
                self._hang_up(self._transport)
                return
        self._pace()

    def _hang_up(self, transport: asyncio.Transport) -> None:
        """End our side; what the client still sends is read away for a while, lest it lose our answer."""
        transport.write_eof()
        self._linger = asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    def _refuse(self, status: int, why: str) -> None:
        if self._stopped:
            return
        slot = _Slot(close=True)
        self._slots.append(slot)
        self._stopped = True
        self._fill(slot, status, "text/plain", f"stand-in DSP: {why}\n".encode())

    def _reset(self) -> None:
        if self._transport:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()

    def _pace(self) -> None:
        wanted = self._writable and len(self._slots) < MAX_PIPELINED
        if self._transport and not self._transport.is_closing() and wanted is not self._reading:
            self._reading = wanted
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def close(self) -> None:
        """Cut the connection, whatever stands open on it."""
        if self._transport:
            self._transport.abort()


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
        connections: set[Connection] = set()
        server = await loop.create_server(
            lambda: Connection(desk, connections), settings.host, settings.port, backlog=1024
        )
        return cls(desk, server, connections)

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        self._server.close()
        self.desk.close()
        for connection in list(self._connections):
            connection.close()
        await self._server.wait_closed()
