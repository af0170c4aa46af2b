"""An HTTP/1.1 server around "take this body, answer later": what every stand-in is built on.

A stand-in is an `Answerer`. It gets each `Request` once it is whole, and answers it then or later, from the same event
loop: with an answer, with a part of one, or by breaking the connection. Answers of one connection leave in the order of
its requests, whatever the order in which they are ready.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

import httptools

MAX_HEAD_OCTETS = 64 * 1024
MAX_PIPELINED = 64
KEPT_BODY_OCTETS = 64 * 1024
"""Of a body only so much is kept, from its start: the `Header` of a message ends there."""
LINGER_SECONDS = 1.0

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds
_OUR_FIELDS = b"sluicegate-"


class Request:
    """One request, and the place of its answer. Answer it once; what comes after that, or after it has gone, is lost.

    ``body`` is the start of the body; ``fields`` are those named ``Sluicegate-*``, with names in lower case;
    ``when_gone`` is called if the client leaves before the answer.
    """

    __slots__ = ("_close", "_connection", "_cut", "_octets", "body", "fields", "method", "target", "when_gone")

    def __init__(self, connection: "Connection", close: bool, octets: bytes | None = None) -> None:
        """``close``: the connection ends with this answer. ``octets``: the answer, where it is known already."""
        self._connection: Connection | None = connection
        self._close = close
        self._cut = False
        self._octets = octets
        self.method = self.target = b""
        self.body: bytes = b""
        self.fields: dict[bytes, bytes] = {}
        self.when_gone: Callable[[], None] | None = None

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._connection is None

    def answer(self, status: int, content_type: str, body: bytes, fields: str = "") -> None:
        """Answer. ``fields`` are further HTTP fields, each ended by CRLF."""
        self._fill(_written(status, content_type, body, fields, self._close))

    def answer_in_part(self, part: float, status: int, content_type: str, body: bytes) -> None:
        """Send ``part`` (0 to 1) of an answer, at least an octet and never all, and end the connection."""
        whole = _written(status, content_type, body, "", self._close)
        self._cut = True
        self._fill(whole[: 1 + int(part * (len(whole) - 2))])

    def break_off(self) -> None:
        """Reset the connection, as a process that dies does."""
        self.when_gone = None
        if self._connection is not None:
            self._connection.reset()

    def _fill(self, octets: bytes) -> None:
        self.when_gone = None
        if self._connection is not None:
            self._octets = octets
            self._connection.flush()


def _written(status: int, content_type: str, body: bytes, fields: str, close: bool) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {content_type}\r\n{fields}"
        f"content-length: {len(body)}\r\n{'connection: close' + chr(13) + chr(10) if close else ''}\r\n"
    )
    return head.encode("ascii") + body


class Answerer(Protocol):
    """Who answers. ``title`` says who it is, in answers to what is no request."""

    title: str

    def asked(self, request: Request) -> None:
        """Here is a whole request."""


class Connection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, answerer: Answerer, open_connections: set["Connection"], most_octets: int) -> None:
        """``open_connections`` is where the server keeps its connections; a body above ``most_octets`` is refused."""
        self._answerer = answerer
        self._open = open_connections
        self._most_octets = most_octets
        self._waiting: deque[Request] = deque()
        self._stopped = False
        self._reading = True
        self._writable = True
        self._transport: asyncio.Transport | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()

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
        if self._linger:
            self._linger.cancel()
        while self._waiting:
            request = self._waiting.popleft()
            request._connection = None
            if request.when_gone is not None:
                request.when_gone()

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
        self._url = b""
        self._head_octets = 0
        self._in_body = False
        self._body = b""
        self._body_octets = 0
        self._fields: dict[bytes, bytes] = {}

    def on_url(self, url: bytes) -> None:
        """Httptools: a part of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Httptools: one header field."""
        length = len(name)
        if length == 6:
            if name.lower() == b"expect" and value.lower() == b"100-continue":
                self._waiting.append(Request(self, close=False, octets=_CONTINUE))
                self.flush()
        elif length > 11 and (lower := name.lower()).startswith(_OUR_FIELDS):
            self._fields[lower] = value

    def on_headers_complete(self) -> None:
        """Httptools: the head is whole."""
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """Httptools: a part of the body; only its start is kept."""
        self._body_octets += len(body)
        if self._body_octets > self._most_octets:
            self._refuse(413, f"the body is above {self._most_octets} octets")
        elif len(self._body) < KEPT_BODY_OCTETS:
            self._body += body[: KEPT_BODY_OCTETS - len(self._body)]

    def on_message_complete(self) -> None:
        """Httptools: the request is whole."""
        if self._stopped:
            return
        request = Request(self, close=not self._parser.should_keep_alive())
        request.method = self._parser.get_method()
        request.target, request.body, request.fields = self._url, self._body, self._fields
        self._waiting.append(request)
        self._stopped = request._close
        self._answerer.asked(request)
        self._pace()

    # Answers

    @property
    def waited_for(self) -> bool:
        """Whether it has a request that was not answered."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Send what is ready and whose turn it is."""
        while self._transport and self._waiting and (octets := self._waiting[0]._octets) is not None:
            request = self._waiting.popleft()
            self._transport.write(octets)
            if request._cut:
                self._stopped = True
                self._transport.close()
                return
            if request._close:
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
        request = Request(self, close=True)
        self._waiting.append(request)
        self._stopped = True
        request.answer(status, "text/plain", f"{self._answerer.title}: {why}\n".encode())

    def _pace(self) -> None:
        wanted = self._writable and len(self._waiting) < MAX_PIPELINED
        if wanted is not self._reading and self._transport and not self._transport.is_closing():
            self._reading = wanted
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def reset(self) -> None:
        """Reset the connection: the client is told that it broke."""
        self._stopped = True
        if self._transport:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()

    def close(self) -> None:
        """Cut the connection, whatever stands open on it."""
        if self._transport:
            self._transport.abort()
