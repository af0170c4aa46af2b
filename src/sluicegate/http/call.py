"""One request of a `Caller`, from its connection to the end of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from sluicegate.http.heads import AnswerHead, KnownAnswer
from sluicegate.http.upstream import UpstreamConnection
from sluicegate.settings import Upstream as Address

PIECE = 262_144  # octets of a body that are written at once


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


class Asked(Protocol):
    """Who sends it."""

    address: Address
    most_body: int

    def over(self, call: Call) -> None:
        """One has come to its end."""

    def give(self, connection: UpstreamConnection) -> None:
        """A connection that nobody needs after all."""

    def known(self, back: bytes) -> dict[bytes, bytes]:
        """The fields of an answer whose head was read before, octet for octet."""


class Call:
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

    def __init__(self, caller: Asked, head: bytes, body: bytes, told: Told) -> None:
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
        self._fields = read_fields(head.passed)

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


def read_fields(lines: bytes) -> dict[bytes, bytes]:
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
