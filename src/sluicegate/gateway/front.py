"""A sender's connection: HTTP/1.1 in, one exchange after the other, answers in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

import httptools

from sluicegate.gateway import answers
from sluicegate.gateway.answers import Problem
from sluicegate.gateway.exchange import Exchange
from sluicegate.gateway.heads import (
    MOST_FIELDS,
    BadHead,
    Fields,
    KnownHeads,
    KnownRequest,
    RequestHead,
    read_request_head,
)

if TYPE_CHECKING:
    from sluicegate.gateway.desk import Desk
    from sluicegate.gateway.identity import Sender
    from sluicegate.gateway.upstream import Pool

MOST_WAITING = 64  # pipelined requests of one connection that wait for their turn
LONGEST_TARGET = 8_192
MOST_DISCARDED = 1_048_576  # octets of a refused body that are read, so that the sender sees the answer
LINGER = 2.0  # seconds for the same purpose
FOREVER = float("inf")


class Reception:
    """What all connections of a gateway have in common.

    Attributes:
        loop: the event loop.
        desk: the rules in force.
        pool: the connections to the upstream. A reload may put another one in its place.
        prefix: what stands before every path at the upstream.
        connections: those that are open.
        known: request heads that were read before.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, desk: Desk, pool: Pool) -> None:
        self.loop = loop
        self.desk = desk
        self.pool = pool
        self.prefix = pool.upstream.prefix.encode()
        self.connections: set[FrontConnection] = set()
        self.known: KnownHeads[KnownRequest] = KnownHeads()

    def sweep(self, now: float) -> None:
        """End what has taken too long. Called a few times a second; nothing on the path of a request keeps a timer."""
        for connection in [c for c in self.connections if c.deadline <= now]:
            connection.overdue(now)
        timeouts = self.desk.settings.gateway.timeouts
        for connection in list(self.connections):
            exchange = connection.exchange
            if exchange is not None and exchange.sent_at and exchange.upstream is not None:
                silent = now - exchange.upstream.heard_at >= timeouts.upstream_response and exchange.whole
                if silent or now - exchange.sent_at >= timeouts.upstream_total:
                    exchange.too_slow()
        self.pool.sweep(now)


class FrontConnection(asyncio.Protocol):
    """One sender's connection.

    Attributes:
        exchange: the request whose turn it is.
        at_end: called once when the connection has ended.
        deadline: when what the sender is to do next must have been done, in seconds of the monotonic clock.
    """

    __slots__ = (
        "_address",
        "_chunk",
        "_closing",
        "_discarded",
        "_fields",
        "_generation",
        "_head_octets",
        "_in_head",
        "_incoming",
        "_known_fields",
        "_known_head",
        "_known_version",
        "_parser",
        "_paused",
        "_pumping",
        "_reception",
        "_refused_at_door",
        "_sender",
        "_target",
        "_transport",
        "_waiting",
        "at_end",
        "deadline",
        "exchange",
        "pool",
        "prefix",
    )

    def __init__(self, reception: Reception, address: str, refused_at_door: Problem | None = None) -> None:
        self._reception = reception
        self._address = address
        self._refused_at_door = refused_at_door
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._sender: Sender | None = None
        self._generation = -1
        self._fields: Fields = []
        self._known_fields: Fields | None = None
        self._known_head: RequestHead | None = None
        self._known_version = ""
        self._target = self._chunk = b""
        self._head_octets = self._discarded = 0
        self._in_head = self._closing = self._paused = self._pumping = False
        self._incoming: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self.exchange: Exchange | None = None
        self.at_end: Callable[[], None] | None = None
        self.deadline = FOREVER
        self.pool = reception.pool
        self.prefix = reception.prefix

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._reception.connections.add(self)
        desk = self._reception.desk
        desk.totals.connections += 1
        self.deadline = monotonic() + desk.settings.gateway.timeouts.head
        self._identify()
        if self._sender is not None and desk.offences.banished(self._sender.key, monotonic()):
            self.cut()

    def _identify(self) -> None:
        """Who sends, by the rules in force now."""
        desk = self._reception.desk
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        certificate = tls.getpeercert(True) if tls is not None else None
        self._sender = desk.identities.of_connection(self._address, certificate)
        self._generation = desk.generation
        self.pool = self._reception.pool
        self.prefix = self._reception.prefix

    def connection_lost(self, _error: Exception | None) -> None:
        self._reception.connections.discard(self)
        self._reception.desk.totals.connections -= 1
        self._transport = None
        self._closing = True
        self.leave()
        gone = [exchange for exchange in (self.exchange, self._incoming, *self._waiting) if exchange is not None]
        self._waiting.clear()
        for exchange in dict.fromkeys(gone):
            exchange.abandon()

    def leave(self) -> None:
        """Tell whoever counts connections that this one has ended; once."""
        at_end, self.at_end = self.at_end, None
        if at_end is not None:
            at_end()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._discarded += len(data)
            if self._discarded > MOST_DISCARDED:
                self.cut()
            return
        if self.exchange is None and self._incoming is None and not self._in_head:
            end = data.find(b"\r\n\r\n") + 4
            known = self._reception.known.get(data[:end])
            if known is not None and len(data) - end == known.length and self._take_known(known, data[end:]):
                return
            self._chunk = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse_http("another protocol was asked for, and this gateway speaks HTTP/1.1 only")
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            self._refuse_http(str(error) or "it cannot be read")
        self._chunk = b""
        if self._in_head and not self._closing:
            self._head_octets += len(data)
            if self._head_octets > self._reception.desk.settings.gateway.limits.head_octets:
                self._refuse_head()

    def _take_known(self, known: KnownRequest, body: bytes) -> bool:
        """Take a whole request whose head was read before; False where it must go the long way."""
        reception = self._reception
        desk = reception.desk
        if (
            known.length > desk.max_body
            or desk.buffered > desk.settings.gateway.limits.buffered_octets
            or self._refused_at_door is not None
        ):
            return False
        if self._generation != desk.generation:
            self._identify()
        sender = self._sender
        if sender is None:
            sender = desk.identities.of_field(known.head.certificate or b"", self._address)
            if desk.offences.banished(sender.key, monotonic()):
                return False
        exchange = Exchange(self, desk)
        exchange.head = known.head
        exchange.known = known
        exchange.target = known.target
        exchange.sender = sender
        exchange.keep_alive = known.keep_alive
        exchange.old = known.old
        self.deadline = FOREVER
        self.exchange = exchange
        exchange.take_whole(body)
        return True

    def _learn(self, exchange: Exchange, head: RequestHead) -> None:
        """A whole request came in one piece: its head, octet for octet, will not have to be read again."""
        data, self._chunk = self._chunk, b""
        end = data.find(b"\r\n\r\n") + 4
        length = head.length
        if length is None or head.expects or len(data) - end != length or exchange.size != length:
            return
        forward = b"%bContent-Length: %d\r\n\r\n" % (head.passed, length)
        self._reception.known.learn(
            data[:end],
            KnownRequest(head, exchange.target, exchange.keep_alive, exchange.old, length, forward),
        )

    def eof_received(self) -> bool:
        if self._incoming is not None and not self._closing:
            if not self._incoming.ended:
                self._refuse_http("the connection was closed before the request was whole")
            return self._half_open()
        # A sender may close its half and wait for the answer.
        return self.exchange is not None and not self._closing and self._half_open()

    def _half_open(self) -> bool:
        transport = self._transport
        return transport is not None and not transport.is_closing() and transport.can_write_eof()

    def pause_writing(self) -> None:
        exchange = self.exchange
        if exchange is not None and exchange.upstream is not None and exchange.upstream.transport is not None:
            exchange.upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        exchange = self.exchange
        if exchange is not None and exchange.upstream is not None and exchange.upstream.transport is not None:
            exchange.upstream.transport.resume_reading()

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def write(self, octets: bytes) -> None:
        """Write a part of an answer."""
        if self._transport is not None:
            self._transport.write(octets)

    def cut(self) -> None:
        """End the connection at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def overdue(self, now: float) -> None:
        """The sender, or its linger, has taken too long."""
        self.deadline = FOREVER
        if self._closing or (self._incoming is None and self.exchange is None and not self._in_head):
            self._closing = True
            if self._transport is not None:
                self._transport.close()
                self.deadline = now + LINGER
                if self._transport.get_write_buffer_size():
                    self._transport.abort()
            return
        exchange = self._incoming or self._start(self._reception.desk)
        self._incoming = None
        exchange.refuse(answers.SLOW_SENDER, "the whole request must arrive within the time allowed")

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        self._fields = []
        self._target = b""
        self._head_octets = 0
        self._in_head = True
        if self.exchange is None:
            self.deadline = monotonic() + self._reception.desk.settings.gateway.timeouts.head

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes after a chunked body is not passed on
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._closing:
            return
        desk = self._reception.desk
        if self._generation != desk.generation:
            self._identify()
        exchange = Exchange(self, desk)
        self._incoming = exchange
        parser = self._parser
        exchange.keep_alive = parser.should_keep_alive()
        fields = self._fields
        version = parser.get_http_version()
        exchange.old = version == "1.0"
        head = self._known_head
        if head is None or fields != self._known_fields or version != self._known_version:
            # A sender's requests mostly have the same head: one that was read is kept, with what it said.
            if sum(len(name) + len(value) for name, value in fields) > desk.settings.gateway.limits.head_octets:
                self._refuse_head()
                return
            try:
                head = read_request_head(fields, version)
            except BadHead as error:
                exchange.refuse(answers.BAD_HTTP, str(error))
                return
            self._known_head, self._known_fields, self._known_version = head, fields, version
        exchange.head = head
        target = self._target
        if target[:1] != b"/":
            target = _origin_form(target)
        exchange.target = target
        exchange.sender = self._sender
        if self._check_head(exchange, head, desk):
            self.deadline = monotonic() + desk.settings.gateway.timeouts.body
            self._enqueue(exchange)

    def _check_head(self, exchange: Exchange, head: RequestHead, desk: Desk) -> bool:
        """Refuse what can be refused without the body."""
        limits = desk.settings.gateway.limits
        if self._refused_at_door is not None:
            exchange.refuse(self._refused_at_door, "try again soon, on a new connection", retry_after=1)
        elif self._parser.get_method() != b"POST":
            exchange.refuse(answers.NOT_POST, "send a Service Request with POST")
        elif not exchange.target:
            exchange.refuse(answers.BAD_HTTP, "the request target must be a path")
        elif len(exchange.target) > LONGEST_TARGET or len(self._fields) > MOST_FIELDS:
            exchange.refuse(answers.HEAD_TOO_LARGE, f"at most {MOST_FIELDS} fields and {LONGEST_TARGET} octets of path")
        elif head.length is not None and head.length > desk.max_body:
            exchange.refuse(answers.TOO_LARGE, f"a message has at most {desk.max_body} octets")
        elif head.encoded:
            exchange.refuse(answers.ENCODED, "send it without Content-Encoding")
        elif desk.buffered > limits.buffered_octets:
            exchange.refuse(answers.NO_MEMORY, "too many messages are half read; send it again", retry_after=1)
        else:
            if exchange.sender is None:
                exchange.sender = desk.identities.of_field(head.certificate or b"", self._address)
            if self._sender is None and desk.offences.banished(exchange.sender.key, monotonic()):
                exchange.refuse(answers.CUT_OFF, "wait, and send what this gateway can take")
                return False
            if head.expects and self.exchange is None:
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return True
        return False

    def on_body(self, octets: bytes) -> None:
        if self._incoming is not None:
            self._incoming.body(octets)

    def on_message_complete(self) -> None:
        exchange, self._incoming = self._incoming, None
        if exchange is not None and not exchange.ended:
            self.deadline = FOREVER
            if self._chunk and exchange.head is not None:
                self._learn(exchange, exchange.head)
            exchange.end()

    # --- exchanges, in order

    def _start(self, desk: Desk) -> Exchange:
        """An exchange for a request that never got as far as its own."""
        return Exchange(self, desk)

    def _enqueue(self, exchange: Exchange) -> None:
        if self.exchange is None and not self._pumping:
            self.exchange = exchange
            exchange.begin()
        else:
            self._waiting.append(exchange)
            if len(self._waiting) > MOST_WAITING:
                self.cut()
            else:
                self.pause()

    def _next(self) -> None:
        """Let the requests that wait have their turn, one after the other."""
        self.exchange = None
        if self._pumping:
            return
        self._pumping = True
        while self._waiting and self.exchange is None and not self._closing:
            exchange = self._waiting.popleft()
            self.exchange = exchange
            if exchange.late:
                self.answer(exchange.late, exchange)
            elif exchange.ended:
                self.exchange = None
            else:
                exchange.begin()
        self._pumping = False
        if not self._closing and not self._waiting:
            self.resume()
            if self.exchange is None and self._incoming is None:
                self.deadline = monotonic() + self._reception.desk.settings.gateway.timeouts.idle

    def stays_open(self, exchange: Exchange) -> bool:
        """Whether the connection is to be used again after this exchange."""
        return exchange.keep_alive and not self._reception.desk.draining and not self._closing

    def connection_field(self, exchange: Exchange) -> bytes:
        """The Connection field of its answer, if there is to be one."""
        if not self.stays_open(exchange):
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if exchange.old else b""

    def answer(self, octets: bytes, exchange: Exchange) -> None:
        """The last (or only) part of an exchange's answer: then it is the next one's turn."""
        if self.exchange is not None and self.exchange is not exchange:  # earlier requests are answered first
            exchange.late = octets
            if exchange not in self._waiting:
                self._waiting.append(exchange)
            return
        self.write(octets)
        if self.stays_open(exchange):
            self._next()
            return
        self._closing = True
        self._waiting.clear()
        self.exchange = None
        self.resume()
        if exchange.whole:
            if self._transport is not None:
                self._transport.close()
        else:  # take in some of what is still coming, or the sender might never see the answer
            self.deadline = monotonic() + LINGER
            if self._transport is not None and self._transport.can_write_eof():
                self._transport.write_eof()

    def answer_an_offence(self, octets: bytes, exchange: Exchange) -> None:
        """The answer to what a sender ought not to send: the more of it, the later the answer, and then none."""
        desk = self._reception.desk
        sender = exchange.sender or self._sender
        wait = desk.offences.commit(sender.key if sender is not None else self._address, monotonic())
        if wait < 0 and self._sender is not None:
            self.cut()
        elif wait <= 0 or (self.exchange is not None and self.exchange is not exchange):
            self.answer(octets, exchange)
        else:
            self.pause()
            self.deadline = FOREVER
            self.exchange = exchange
            self._reception.loop.call_later(wait, self._answer_late, octets, exchange)

    def _answer_late(self, octets: bytes, exchange: Exchange) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self.answer(octets, exchange)

    def _refuse_http(self, why: str) -> None:
        exchange = self._incoming or self._start(self._reception.desk)
        self._incoming = None
        self._in_head = False
        exchange.refuse(answers.BAD_HTTP, why)

    def _refuse_head(self) -> None:
        self._in_head = False
        self._incoming = None
        limit = self._reception.desk.settings.gateway.limits.head_octets
        self._start(self._reception.desk).refuse(answers.HEAD_TOO_LARGE, f"it may have {limit} octets")

    def drain(self) -> None:
        """The gateway is stopping: an idle connection ends now, another one after its answer."""
        if self.exchange is None and self._incoming is None and not self._in_head and self._transport is not None:
            self._closing = True
            self._transport.close()


def _origin_form(target: bytes) -> bytes:
    """The path of a request target in absolute form (RFC 9112, 3.2.2); nothing for any other."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return b""
    _authority, slash, path = rest.partition(b"/")
    return slash + path if slash else b"/"
