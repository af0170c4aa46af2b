"""Requests on a pool's connections, each with its answer whole: for who asks by itself and carries for nobody."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from time import monotonic

from sluicegate.http.call import Answer, Call, CallFailed, Told, read_fields
from sluicegate.http.heads import KnownHeads
from sluicegate.http.pool import Pool, Waits
from sluicegate.http.upstream import UpstreamConnection
from sluicegate.settings import Upstream as Address

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
        self._calls: set[Call] = set()
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

    def _start(self, head: bytes, body: bytes, seconds: float, told: Told) -> Call:
        call = Call(self, head, body, told)
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

    def over(self, call: Call) -> None:
        """One has come to its end."""
        self._calls.discard(call)

    def give(self, connection: UpstreamConnection) -> None:
        """A connection that nobody needs after all."""
        self._pool.give(connection)

    def known(self, back: bytes) -> dict[bytes, bytes]:
        """The fields of an answer whose head was read before, octet for octet."""
        found = self._known.get(back)
        if found is None:
            found = read_fields(back)
            self._known.learn(back, found)
        return found


class _Pool(Pool):
    """Its asker learns why there is no connection, and logs that itself or not."""

    def _why(self, error: Exception) -> str:
        if isinstance(error, TimeoutError) and not str(error):
            return f"no connection within {self._timeouts.upstream_connect:g} s"
        return f"no connection ({str(error) or type(error).__name__})"


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
