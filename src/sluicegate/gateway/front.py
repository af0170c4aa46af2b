"""A sender's connection: one exchange after the other, answers in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

from sluicegate.gateway import answers
from sluicegate.gateway.answers import Problem
from sluicegate.gateway.exchange import Exchange
from sluicegate.gateway.heads import KnownRequest, RequestHead
from sluicegate.gateway.wire import Wire

if TYPE_CHECKING:
    from sluicegate.gateway.carriage import Carriage
    from sluicegate.gateway.identity import Sender
    from sluicegate.gateway.reception import Reception

MOST_WAITING = 512  # pipelined requests of one connection that wait for their turn: more than one read brings
MOST_DISCARDED = 1_048_576  # octets of a refused body that are read, so that the sender sees the answer
LINGER = 2.0  # seconds for the same purpose
LAST_WORD = 0.2  # seconds that an idle connection has left when the gateway stops
FOREVER = float("inf")


class FrontConnection(asyncio.Protocol):
    """One sender's connection.

    Attributes:
        exchange: the request whose turn it is.
        at_end: called once when the connection has ended.
        deadline: when what the sender is to do next must have been done, in seconds of the monotonic clock.
    """

    __slots__ = (
        "_address",
        "_closing",
        "_deaf",
        "_discarded",
        "_eof",
        "_full",
        "_generation",
        "_incoming",
        "_paused",
        "_pumping",
        "_reception",
        "_sender",
        "_transport",
        "_waiting",
        "_wire",
        "at_end",
        "deadline",
        "exchange",
        "pool",
        "prefix",
    )

    def __init__(self, reception: Reception, address: str) -> None:
        self._reception = reception
        self._address = address
        limits = reception.desk.settings.gateway.limits
        self._wire = Wire(self, reception.known, limits.head_octets)
        self._transport: asyncio.Transport | None = None
        self._sender: Sender | None = None
        self._generation = -1
        self._discarded = 0
        self._closing = self._deaf = self._eof = self._paused = self._pumping = self._full = False
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
        elif desk.draining:  # its handshake took until now
            self.drain()

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
        if self._closing or self._deaf:
            self._discarded += len(data)
            if self._discarded > MOST_DISCARDED:
                self.cut()
            return
        at_start = self.exchange is None and self._incoming is None and not self._wire.in_head
        if at_start:
            end = data.find(b"\r\n\r\n") + 4
            known = self._reception.known.get(data[:end])
            if known is not None and len(data) - end == known.length and self._take_known(known, data[end:]):
                return
        self._wire.feed(data, at_start)
        if self._incoming is not None:
            self._incoming.flush()

    def eof_received(self) -> bool:
        if self._closing:
            return False
        self._eof = True
        if self._incoming is not None or self._wire.in_head:
            self.unreadable(answers.BAD_HTTP, "the connection was closed before the request was whole")
            return self._half_open()
        last = self._waiting[-1] if self._waiting else self.exchange
        if last is None:
            return False
        last.keep_alive = False  # a sender may close its half and wait for the answer, but nothing comes after that
        return self._half_open()

    def _half_open(self) -> bool:
        transport = self._transport
        return transport is not None and not transport.is_closing() and transport.can_write_eof()

    def pause_writing(self) -> None:
        """The sender does not read its answers: no more of them, and no more requests, until it does."""
        self._full = True
        self.deadline = monotonic() + self._reception.desk.settings.gateway.timeouts.body
        if self.exchange is not None and self.exchange.upstream is not None:
            self.exchange.upstream.hold_back()

    def resume_writing(self) -> None:
        self._full = False
        self.deadline = monotonic() + LINGER if self._closing else FOREVER
        if self.exchange is not None and self.exchange.upstream is not None:
            self.exchange.upstream.let_come()
        elif self.exchange is None and not self._closing:
            self._next()

    def pause(self) -> None:
        """Read no more for now: it is not the sender that is slow."""
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            if not self._full:
                self.deadline = FOREVER
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            if self._incoming is not None:
                self.deadline = monotonic() + self._reception.desk.settings.gateway.timeouts.body
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
        """The sender has taken too long: to send, to read, or to go."""
        self.deadline = FOREVER
        if self._full or (self._closing and self._transport is not None and self._transport.is_closing()):
            self.cut()
        elif self._closing or (self._incoming is None and self.exchange is None and not self._wire.in_head):
            self._closing = True
            if self._transport is not None:
                self._transport.close()
                self.deadline = now + LINGER
        else:
            self.unreadable(answers.SLOW_SENDER, "the whole request must arrive within the time allowed")

    def orphaned(self, carriage: Carriage) -> None:
        """A request of this connection, which has ended, is still at the upstream."""
        self._reception.orphans.add(carriage)

    def drain(self) -> None:
        """The gateway is stopping: the connection ends after its answer, an idle one soon.

        A request may be on its way on what is idle: it is still taken, and answered with `Connection: close`.
        """
        if self.exchange is None and self._incoming is None and not self._wire.in_head:
            self.deadline = min(self.deadline, monotonic() + LAST_WORD)

    # --- requests, as they are read

    def _take_known(self, known: KnownRequest, body: bytes) -> bool:
        """Take a whole request whose head was read before; False where it must go the long way."""
        desk = self._reception.desk
        if known.length > desk.max_body or desk.buffered > desk.most_buffered or self._full:
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

    def head_begins(self) -> None:
        if self.exchange is None:
            self.deadline = monotonic() + self._reception.desk.settings.gateway.timeouts.head

    def head_read(self, head: RequestHead, target: bytes, method: bytes, keep_alive: bool, old: bool) -> None:
        if self._closing or self._deaf:
            return
        desk = self._reception.desk
        if self._generation != desk.generation:
            self._identify()
        exchange = Exchange(self, desk)
        exchange.head, exchange.target, exchange.keep_alive, exchange.old = head, target, keep_alive, old
        exchange.sender = self._sender or desk.identities.of_field(head.certificate or b"", self._address)
        self._incoming = exchange
        if not self._refused_by_head(exchange, head, method):
            self.deadline = monotonic() + desk.settings.gateway.timeouts.body
            self._enqueue(exchange)

    def _refused_by_head(self, exchange: Exchange, head: RequestHead, method: bytes) -> bool:
        """Refuse what can be refused without the body."""
        desk = self._reception.desk
        sender = exchange.sender
        if method != b"POST":
            exchange.refuse(answers.NOT_POST, "send a Service Request with POST")
        elif not exchange.target:
            exchange.refuse(answers.BAD_HTTP, "the request target must be a path")
        elif head.length is not None and head.length > desk.max_body:
            exchange.refuse(answers.TOO_LARGE, f"a message has at most {desk.max_body} octets")
        elif head.encoded:
            exchange.refuse(answers.ENCODED, "send it without Content-Encoding")
        elif desk.buffered > desk.most_buffered:
            exchange.refuse(answers.NO_MEMORY, "too many messages are half read; send it again", retry_after=1)
        else:
            if self._sender is None and sender is not None and desk.offences.banished(sender.key, monotonic()):
                exchange.sender = sender.barred()  # refused once it is whole: the proxy's connection is others' too
            return False
        return True

    def body_read(self, octets: bytes) -> None:
        if self._incoming is not None:
            self._incoming.body(octets)

    def whole_read(self) -> int | None:
        exchange, self._incoming = self._incoming, None
        if exchange is None or exchange.ended:
            return None
        if not self._full:
            self.deadline = FOREVER
        exchange.end()
        return exchange.size if exchange.outcome >= 0 else None

    def unreadable(self, problem: Problem, why: str) -> None:
        """Refuse what came, and read nothing more."""
        if self._closing or self._deaf:
            return
        self._deaf = True
        exchange, self._incoming = self._incoming, None
        if exchange is not None and exchange.ended:  # it has its answer, or will have it in its turn
            exchange.keep_alive = False
            if self.exchange is None and not self._waiting:
                self._close_after(exchange)
            return
        if exchange is None:
            exchange = Exchange(self, self._reception.desk)
            exchange.sender = self._sender
        exchange.keep_alive = False
        exchange.refuse(problem, why)

    # --- exchanges, in order

    def _enqueue(self, exchange: Exchange) -> None:
        if self.exchange is None and not self._pumping and not self._full:
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
        if self._waiting:
            self._pumping = True
            while self._waiting and self.exchange is None and not self._closing and not self._full:
                exchange = self._waiting.popleft()
                self.exchange = exchange
                if exchange.late:
                    self.answer(exchange.late, exchange)
                elif exchange.ended:
                    self.exchange = None
                else:
                    exchange.begin()
            self._pumping = False
        if not self._closing and not self._waiting and not self._full:
            self.resume()
            if self.exchange is None and self._incoming is None:
                desk = self._reception.desk
                self.deadline = monotonic() + (desk.head_seconds if self._wire.in_head else desk.idle_seconds)

    def stays_open(self, exchange: Carriage) -> bool:
        """Whether the connection is to be used again after this exchange."""
        return exchange.keep_alive and not self._reception.desk.draining and not self._closing

    def connection_field(self, exchange: Carriage) -> bytes:
        """The Connection field of its answer, if there is to be one."""
        if not self.stays_open(exchange):
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if exchange.old else b""

    def _others_first(self, exchange: Carriage) -> bool:
        """Whether earlier requests of the connection have no answer yet."""
        if self.exchange is not None:
            return self.exchange is not exchange
        return bool(self._waiting) and not self._pumping and self._waiting[0] is not exchange

    def answer(self, octets: bytes, exchange: Carriage) -> None:
        """The last (or only) part of an exchange's answer: then it is the next one's turn."""
        if self._others_first(exchange):
            exchange.late = octets
            self._deaf = self._deaf or not exchange.keep_alive  # what comes after it would not be answered
            if exchange not in self._waiting:
                self._waiting.append(cast("Exchange", exchange))
            return
        self.write(octets)
        if self.stays_open(exchange):
            self._next()
        else:
            self._close_after(exchange)

    def _close_after(self, exchange: Carriage) -> None:
        self._closing = True
        waiting, self.exchange = [*self._waiting], None
        self._waiting.clear()
        for each in waiting:
            each.abandon()
        self.resume()
        self.deadline = monotonic() + LINGER
        if self._transport is None:
            return
        if exchange.whole or self._eof:  # it has until then to read the answer
            self.deadline += self._reception.desk.settings.gateway.timeouts.body
            self._transport.close()
        elif self._transport.can_write_eof():
            # Take in some of what is still coming, or the sender might never see the answer.
            self._transport.write_eof()

    def answer_an_offence(self, octets: bytes, exchange: Exchange) -> None:
        """The answer to what a sender ought not to send: the more of it, the later the answer, and then none."""
        desk = self._reception.desk
        sender = exchange.sender or self._sender
        wait = desk.offences.commit(sender.key if sender is not None else self._address, monotonic())
        others_first = self._others_first(exchange)
        if wait < 0 and self._sender is not None and not others_first:
            self.cut()
        elif wait <= 0 or others_first:
            exchange.keep_alive = exchange.keep_alive and wait >= 0
            self.answer(octets, exchange)
        else:
            self.pause()
            self.exchange = exchange
            self._reception.loop.call_later(wait, self._answer_late, octets, exchange)

    def _answer_late(self, octets: bytes, exchange: Exchange) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self.answer(octets, exchange)
