"""One connection to the upstream: keep-alive HTTP/1.1, over TCP or TLS."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from sluicegate.http.heads import MOST_FIELDS, AnswerHead, Fields, KnownAnswer, NotAnAnswer, read_answer_head

if TYPE_CHECKING:
    from sluicegate.http.pool import Pool

LARGEST_HEAD = 65_536  # octets of an answer's head


class Asker(Protocol):
    """Who waits for an answer. `whole` says that all of its request was sent."""

    whole: bool

    def connected(self, connection: UpstreamConnection) -> None:
        """Here is a connection: send the request on it."""

    def unreachable(self, why: str) -> None:
        """No connection could be made."""

    def answer_head(self, status: int, reason: bytes, head: AnswerHead) -> None:
        """The answer begins."""

    def answer_body(self, octets: bytes) -> None:
        """A piece of the answer's body."""

    def answer_whole(self, answer: KnownAnswer, body: bytes) -> None:
        """All of the answer at once; the connection is free already."""

    def answer_pause(self) -> None:
        """All that has come was handed over: pass it on."""

    def answer_ends(self) -> None:
        """The answer is whole."""

    def broken(self, why: str) -> None:
        """The connection ended, or spoke no HTTP, before the answer was whole."""

    def upstream_full(self) -> None:
        """The upstream takes no more of the request for now."""

    def upstream_ready(self) -> None:
        """The upstream takes more again."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to the upstream. Carries one request at a time."""

    __slots__ = (
        "_begun",
        "_body_octets",
        "_chunk",
        "_complete",
        "_fields",
        "_head",
        "_head_octets",
        "_interim",
        "_keep",
        "_parser",
        "_pool",
        "_reason",
        "_until_close",
        "asker",
        "full",
        "heard_at",
        "held",
        "idle_since",
        "transport",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self.asker: Asker | None = None
        self.transport: asyncio.Transport | None = None
        self.full = self.held = False
        self.heard_at = self.idle_since = 0.0
        self._fields: Fields = []
        self._reason = b""
        self._complete = self._interim = self._keep = self._until_close = False
        self._head_octets = self._body_octets = 0
        self._head: AnswerHead | None = None
        self._chunk = b""
        self._begun = False

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        asker = self.asker
        if asker is None:  # nobody asked: whatever it is, it cannot be trusted to be an answer
            self.abort()
            return
        if not self._begun:
            end = data.find(b"\r\n\r\n") + 4
            known = self._pool.known.get(data[:end])
            if known is not None and len(data) - end == known.length and asker.whole:
                self.asker = None
                # The connection is free before the answer goes back: the next request may be on its heels.
                if known.keep and not self.full:
                    self._pool.give(self)
                else:
                    self.close()
                asker.answer_whole(known, data[end:])
                return
            self._chunk = data
        self.heard_at = monotonic()
        body_octets = self._body_octets
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, NotAnAnswer):
                raise error.__context__ or error from None
            self._misspoken(asker, str(error.__context__))
            return
        except httptools.HttpParserError:
            self._misspoken(asker, "spoke no HTTP")
            return
        if body_octets == self._body_octets and not self._complete:
            self._head_octets += len(data)
            if self._head_octets > LARGEST_HEAD:  # an endless field or trailer, that the parser keeps to itself
                self.fail("sent an answer whose head is too large")
                return
        if self._complete:
            if self._chunk:
                self._learn(self._chunk)
            self._finish(asker)
        elif self.asker is asker:
            asker.answer_pause()
        self._chunk = b""

    def _learn(self, data: bytes) -> None:
        """A whole answer came in one piece: its head, octet for octet, will not have to be read again."""
        head = self._head
        end = data.find(b"\r\n\r\n") + 4
        if head is not None and head.length is not None and len(data) - end == head.length == self._body_octets:
            status = self._parser.get_status_code()
            back = b"HTTP/1.1 %d %b\r\n%bContent-Length: %d\r\n" % (status, self._reason, head.passed, head.length)
            self._pool.known.learn(data[:end], KnownAnswer(status, back, head.length, self._keep))

    def _misspoken(self, asker: Asker, why: str) -> None:
        if self._complete:  # the answer is whole: what comes after it is nobody's
            self._keep = False
            self._finish(asker)
        elif self.asker is not None:
            self.fail(why)

    def _finish(self, asker: Asker) -> None:
        self._complete = self._begun = False
        self.asker = None
        self.let_come()
        keep = self._keep and not self._until_close
        asker.answer_ends()
        if keep and self.transport is not None and not self.full:
            self._pool.give(self)
        else:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.forget(self)
        self.transport = None
        del self._parser  # it holds on to this: nothing is to be left in a circle
        asker, self.asker = self.asker, None
        if asker is None:
            return
        if self._until_close and exc is None:
            asker.answer_ends()
        else:
            asker.broken("the connection ended before the answer was whole")

    def pause_writing(self) -> None:
        self.full = True
        if self.asker is not None:
            self.asker.upstream_full()

    def resume_writing(self) -> None:
        self.full = False
        if self.asker is not None:
            self.asker.upstream_ready()

    def hold_back(self) -> None:
        """Read no more of the answer for now: its sender takes no more."""
        if self.transport is not None and not self.held and not self.transport.is_closing():
            self.held = True
            self.transport.pause_reading()

    def let_come(self) -> None:
        """Read on."""
        if self.transport is not None and self.held and not self.transport.is_closing():
            self.held = False
            self.heard_at = monotonic()
            self.transport.resume_reading()

    def fail(self, why: str) -> None:
        """Give up on the request that it carries."""
        asker, self.asker = self.asker, None
        self.abort()
        if asker is not None:
            asker.broken(why)

    def abort(self) -> None:
        """End it at once."""
        self.asker = None
        self._pool.forget(self)
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """End it once what was written has left."""
        self._pool.forget(self)
        if self.transport is not None:
            self.transport.close()

    def send(self, asker: Asker, octets: bytes) -> None:
        """Begin a request."""
        self.asker = asker
        self.heard_at = monotonic()
        self._until_close = False
        if self.transport is not None:
            self.transport.write(octets)

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            raise NotAnAnswer("sent two answers to one request")
        self._begun = True
        self._head = None
        self._body_octets = 0
        self._fields = []
        self._reason = b""
        self._head_octets = 0

    def on_status(self, reason: bytes) -> None:
        self._reason += reason  # it may come in pieces

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_octets += len(name) + len(value)
        if self._head_octets > LARGEST_HEAD or len(self._fields) > MOST_FIELDS:
            raise NotAnAnswer("sent an answer whose head is too large")
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 100:
            raise NotAnAnswer("sent an answer whose status is no status")
        self._interim = 100 <= status < 200
        if self._interim:  # 100 Continue and its like: the answer is still to come
            if status == 101:
                raise NotAnAnswer("switched to a protocol that nobody asked for")
            self._chunk = b""  # this piece holds more than one head: nothing is learnt from it
            return
        head = read_answer_head(self._fields)
        self._until_close = head.length is None and not head.chunked and status not in (204, 304)
        self._fields = []  # trailers are not passed on
        self._head = head
        if self.asker is not None:
            self.asker.answer_head(status, self._reason, head)

    def on_body(self, octets: bytes) -> None:
        self._body_octets += len(octets)
        if self.asker is not None:
            self.asker.answer_body(octets)

    def on_message_complete(self) -> None:
        if not self._interim:
            self._complete = True
            self._keep = self._parser.should_keep_alive()  # the parser knows only here
