"""One request on the pool's connections, and its answer whole: for who asks by itself and carries for nobody."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from time import monotonic
from typing import NamedTuple

from sluicegate.http.heads import AnswerHead, KnownAnswer, KnownHeads
from sluicegate.http.pool import Pool, Waits
from sluicegate.http.upstream import UpstreamConnection
from sluicegate.settings import Upstream as Address

PIECE = 262_144  # octets of a body that are written at once
MOST_BODY = 1_048_576  # octets of an answer's body, unless said otherwise
MOST_STARTS, LONGEST_START = 256, 4096
"""Starts of requests that are remembered, and octets of each: a sender writes the same ones again and again."""

_PATH = re.compile(r"/[!-~]*")  # RFC 9112, 3.2: no white space, no control characters
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1
_VALUE = re.compile(r"[\t -~\x80-\xff]*")  # RFC 9110, 5.5
_OURS = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "expect", "te", "trailer", "upgrade", "keep-alive")
)
"""Fields that frame the request: they are written here and nowhere else."""
_PORTS = {"http": 80, "https": 443}


class CallFailed(OSError):  # noqa: N818 - named after what has happened
    """There is no answer. `str()` is fit for a log: it names the address, and nothing of the request.

    Attributes:
        sent: whether any octet of the request may have reached the other side.
    """

    def __init__(self, why: str, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class Answer(NamedTuple):
    """An answer, whole.

    Attributes:
        status: 200 to 999.
        fields: by lower-case name; those of one name are joined by commas. Those for this hop only, and
            Content-Length, are not among them. Not to be changed.
        body: without its coding for the transfer.
    """

    status: int
    fields: dict[bytes, bytes]
    body: bytes


Told = Callable[[Answer | CallFailed], None]


class Caller:
    """Sends requests to one address, each on a connection of its own, which is used again for the next one.

    Nothing is sent twice: a connection that turns out to be closed is a failure like any other, and who asked decides.
    So that this is rare, a connection that was idle for `upstream_idle` seconds is not used: choose less than the other
    side keeps it.

    Args:
        loop: the event loop. All methods are called from within it.
        address: where to. Its prefix stands before every path.
        timeouts: `upstream_connect` and `upstream_idle`, in seconds.
        tls: a context for https, or None.
        most_body: octets of an answer's body; a longer answer fails.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: Address,
        timeouts: Waits,
        tls: ssl.SSLContext | None,
        *,
        most_body: int = MOST_BODY,
    ) -> None:
        if (address.scheme == "https") is not (tls is not None):
            raise ValueError(f"{address}: a TLS context belongs to https, and to nothing else")
        self.address = address
        self.most_body = most_body
        self._loop = loop
        self._pool = _Pool(loop, address, timeouts, None, tls)
        self._prefix = address.prefix.encode("ascii")
        self._host = b"Host: %b\r\n" % _host(address).encode("ascii")
        self._calls: set[_Call] = set()
        self._known: KnownHeads[dict[bytes, bytes]] = KnownHeads()
        self._starts: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}
        self._closed = False

    def __len__(self) -> int:
        """Connections that are open."""
        return len(self._pool)

    async def post(self, path: str, body: bytes, fields: Mapping[str, str], timeout: float) -> Answer:
        """POST a body.

        Args:
            path: from `/` on, with its query if it has one.
            body: sent with its length, at the other side's pace.
            fields: HTTP fields of the request. Those that frame it are not among them.
            timeout: seconds for all of it, from connecting to the last octet of the answer.

        Raises:
            CallFailed: no connection, no answer in time, none that is HTTP, or one that is too large.
            ValueError: the path or a field cannot be sent. Nothing was.
        """
        return await self._ask(self._head(path, body, fields), body, timeout)

    def begin(self, path: str, body: bytes, fields: Mapping[str, str], timeout: float, told: Told) -> None:
        """POST a body, as `post`, for who makes no task of it.

        Args:
            told: is called with the answer, or with why there is none; once, and not within this call.

        Raises ValueError as `post`. `told` is not called then.
        """
        self._start(self._head(path, body, fields), body, timeout, told)

    async def get(self, path: str, timeout: float) -> Answer:
        """GET a path. As `post`."""
        head = b"GET %b%b HTTP/1.1\r\n%b\r\n" % (self._prefix, _path(path), self._host)
        return await self._ask(head, b"", timeout)

    def _head(self, path: str, body: bytes, fields: Mapping[str, str]) -> bytes:
        which = path, tuple(fields.items())
        start = self._starts.get(which)
        if start is None:
            start = b"POST %b%b HTTP/1.1\r\n%b%b" % (self._prefix, _path(path), self._host, _fields(fields))
            if len(self._starts) >= MOST_STARTS:
                self._starts.clear()
            if len(start) <= LONGEST_START:
                self._starts[which] = start
        return b"%bContent-Length: %d\r\n\r\n" % (start, len(body))

    async def _ask(self, head: bytes, body: bytes, seconds: float) -> Answer:
        answer: asyncio.Future[Answer] = self._loop.create_future()

        def told(what: Answer | CallFailed) -> None:
            if answer.done():
                return
            if isinstance(what, CallFailed):
                answer.set_exception(what)
            else:
                answer.set_result(what)

        call = self._start(head, body, seconds, told)
        try:
            return await answer
        finally:
            call.drop()

    def _start(self, head: bytes, body: bytes, seconds: float, told: Told) -> _Call:
        call = _Call(self, head, body, told)
        if self._closed:
            self._loop.call_soon(call.fail, "no more requests are sent: it was closed")
            return call
        call.timer = self._loop.call_later(seconds, call.overdue, seconds)
        self._calls.add(call)
        self._pool.sweep(monotonic())  # what has been idle for too long may be closed on the other side
        connection = self._pool.take()
        if connection is not None:
            call.connected(connection)
        else:
            call.call_off = self._pool.connect(call)
        return call

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long. `now`: seconds of the monotonic clock. Every request does it, too."""
        self._pool.sweep(now)

    def close(self) -> None:
        """Send nothing more, and close each connection once it has its answer."""
        self._closed = True
        self._pool.close()

    def cut(self) -> None:
        """End all connections at once: what waits for an answer fails."""
        self._closed = True
        for call in list(self._calls):
            call.fail("it was cut off")
        self._pool.cut()

    # --- for its calls

    def over(self, call: _Call) -> None:
        """One has come to its end."""
        self._calls.discard(call)

    def give(self, connection: UpstreamConnection) -> None:
        """A connection that nobody needs after all."""
        self._pool.give(connection)

    def known(self, back: bytes) -> dict[bytes, bytes]:
        """The fields of an answer whose head was read before, octet for octet."""
        found = self._known.get(back)
        if found is None:
            found = _read(back)
            self._known.learn(back, found)
        return found


class _Pool(Pool):
    """Its asker learns why there is no connection, and logs that itself or not."""

    def _why(self, error: Exception) -> str:
        if isinstance(error, TimeoutError) and not str(error):
            return f"no connection within {self._timeouts.upstream_connect:g} s"
        return f"no connection ({str(error) or type(error).__name__})"


class _Call:
    """One request: who waits for the answer (an `Asker`).

    Attributes:
        done: whether there is an end, told or not wanted.
        timer: until it is overdue.
        whole: whether all of the request was handed to its connection.
        call_off: what calls off the connecting, while that goes on.
    """

    __slots__ = (
        "_body",
        "_caller",
        "_connection",
        "_fields",
        "_parts",
        "_sent",
        "_start",
        "_status",
        "_told",
        "_written",
        "call_off",
        "done",
        "timer",
        "whole",
    )

    def __init__(self, caller: Caller, head: bytes, body: bytes, told: Told) -> None:
        self._caller = caller
        self._start = head
        self._body = body
        self._written = 0
        self._sent = False
        self._connection: UpstreamConnection | None = None
        self._status = 0
        self._fields: dict[bytes, bytes] = {}
        self._parts = bytearray()
        self._told = told
        self.done = False
        self.timer: asyncio.TimerHandle | None = None
        self.call_off: Callable[[], object] | None = None
        self.whole = False

    # --- the request

    def connected(self, connection: UpstreamConnection) -> None:
        self.call_off = None
        if self.done:
            self._caller.give(connection)
            return
        self._connection = connection
        self._sent = True
        if len(self._body) <= PIECE:
            self.whole = True
            connection.send(self, self._start + self._body)
        else:
            connection.send(self, self._start)
            self._write(connection)

    def _write(self, connection: UpstreamConnection) -> None:
        """Write as much of the body as the connection takes for now."""
        transport, view = connection.transport, memoryview(self._body)
        while transport is not None and not connection.full and not self.whole and not self.done:
            start = self._written
            self._written = min(start + PIECE, len(view))
            self.whole = self._written == len(view)
            transport.write(view[start : self._written])

    def upstream_full(self) -> None:
        """It is seen in `full`."""

    def upstream_ready(self) -> None:
        if self._connection is not None:
            self._write(self._connection)

    # --- the answer

    def answer_whole(self, answer: KnownAnswer, body: bytes) -> None:
        self._connection = None
        if len(body) > self._caller.most_body:
            self.fail(self._too_large())
        else:
            self._succeed(answer.status, self._caller.known(answer.back), body)

    def answer_head(self, status: int, reason: bytes, head: AnswerHead) -> None:  # noqa: ARG002 - an Asker's
        if head.length is not None and head.length > self._caller.most_body:
            self.fail(self._too_large())
            return
        self._status = status
        self._fields = _read(head.passed)

    def answer_body(self, octets: bytes) -> None:
        if self.done:
            return
        self._parts += octets
        if len(self._parts) > self._caller.most_body:
            self.fail(self._too_large())

    def answer_pause(self) -> None:
        """Nothing is passed on."""

    def answer_ends(self) -> None:
        connection, self._connection = self._connection, None
        if not self.whole and connection is not None:
            connection.abort()  # the rest of the request would be taken for the next one
        self._succeed(self._status, self._fields, bytes(self._parts))

    def _succeed(self, status: int, fields: dict[bytes, bytes], body: bytes) -> None:
        if not self.done:
            self._end()
            self._told(Answer(status, fields, body))

    # --- its failures

    def unreachable(self, why: str) -> None:
        self.call_off = None
        self.fail(why)

    def broken(self, why: str) -> None:
        self._connection = None
        self.fail(why)

    def overdue(self, seconds: float) -> None:
        """There was no answer in time."""
        self.fail(f"no {'answer' if self._sent else 'connection'} within {seconds:g} s")

    def fail(self, why: str) -> None:
        """Give it up."""
        if self.done:
            return
        self.drop()
        self._told(CallFailed(f"{self._caller.address}: {why}", self._sent))

    def _end(self) -> None:
        self.done = True
        if self.timer is not None:
            self.timer.cancel()
        self._caller.over(self)

    def _too_large(self) -> str:
        return f"its answer has more than {self._caller.most_body} octets"

    def drop(self) -> None:
        """Nobody waits any more: a connection that still carries it cannot be used again."""
        self._end()
        call_off, self.call_off = self.call_off, None
        if call_off is not None:
            call_off()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()


def _host(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return host if address.port == _PORTS.get(address.scheme) else f"{host}:{address.port}"


def _path(path: str) -> bytes:
    if _PATH.fullmatch(path) is None:
        raise ValueError(f"{path[:80]!a} is no path: it begins with / and has visible ASCII characters only")
    return path.encode("ascii")


def _fields(fields: Mapping[str, str]) -> bytes:
    lines = []
    for name, value in fields.items():
        if _NAME.fullmatch(name) is None or name.lower() in _OURS:
            raise ValueError(f"{name[:80]!a} is not the name of a field that can be sent")
        if _VALUE.fullmatch(value) is None:
            raise ValueError(f"the value of the field {name} has characters that cannot be sent")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("latin-1")


def _read(lines: bytes) -> dict[bytes, bytes]:
    """Fields from their lines as `http.heads` writes them, each ended by CRLF. A status line is passed over."""
    found: dict[bytes, bytes] = {}
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = name.lower()
        if colon and b" " not in name and name != b"content-length":
            before = found.get(name)
            value = value.strip(b" \t")
            found[name] = value if before is None else b"%b, %b" % (before, value)
    return found
