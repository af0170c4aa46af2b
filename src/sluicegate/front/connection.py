"""A sender's connection: one exchange after the other, answers in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

from sluicegate.front import problems
from sluicegate.front.exchange import Answered, Exchange
from sluicegate.front.problems import Problem
from sluicegate.front.reception import one_less
from sluicegate.front.turns import FOREVER, LINGER, Turns
from sluicegate.front.wire import Wire
from sluicegate.http.heads import KnownRequest, RequestHead

if TYPE_CHECKING:
    from sluicegate.front.exchange import Answered, Exchange
    from sluicegate.front.reception import Reception
    from sluicegate.http.pool import Pool

MOST_DISCARDED = 1_048_576  # octets of a refused body that are read, so that the sender sees the answer
LAST_WORD = 0.2  # seconds that an idle connection has left when the gateway stops


class FrontConnection(Turns):
    """One sender's connection.

    Attributes:
        at_end: called once when the connection has ended.
        pool: the connections to the upstream that its requests use.
        prefix: what stands before every path at the upstream.
    """

    __slots__ = (
        "_certificate",
        "_discarded",
        "_generation",
        "at_end",
        "pool",
        "prefix",
    )

    def __init__(self, reception: Reception, address: str) -> None:
        super().__init__(reception, address)
        self._wire = Wire(self, reception.known, reception.desk.limits.head_octets)
        self._generation = -1
        self._discarded = 0
        self._certificate = ""
        self.at_end: Callable[[], None] | None = None
        self.pool = cast("Pool", reception.pool)  # None only where no exchange asks for it
        self.prefix = reception.prefix

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._reception.connections.add(self)
        desk = self._reception.desk
        desk.totals.connections += 1
        self.deadline = monotonic() + desk.timeouts.head
        self._identify()
        if self._sender is not None and desk.offences.banished(self._sender.key, monotonic()):
            self.cut()
        elif not self._counted():
            desk.totals.refuse(problems.NO_CONNECTION.name)
            self._closing = True
            self._transport.write(
                problems.problem_answer(
                    problems.NO_CONNECTION, "too many with this certificate", retry_after=1, close=True
                )
            )
            self._transport.close()
        elif desk.draining:  # its handshake took until now
            self.drain()

    def _counted(self) -> bool:
        """Count the connection for its certificate; False where that has as many as it may have."""
        desk, sender = self._reception.desk, self._sender
        if sender is None or desk.identities.mode != "certificate":
            return True
        of_each = self._reception.of_certificate
        if of_each.get(sender.key, 0) >= desk.limits.connections_per_address:
            return False
        of_each[sender.key] = of_each.get(sender.key, 0) + 1
        self._certificate = sender.key
        return True

    def _identify(self) -> None:
        """Who sends, by the rules in force now."""
        desk = self._reception.desk
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        certificate = tls.getpeercert(True) if tls is not None else None
        self._sender = desk.identities.of_connection(self._address, certificate)
        self._generation = desk.generation
        self.pool = cast("Pool", self._reception.pool)
        self.prefix = self._reception.prefix

    def connection_lost(self, _error: Exception | None) -> None:
        self._reception.connections.discard(self)
        self._reception.desk.totals.connections -= 1
        if self._certificate:
            one_less(self._reception.of_certificate, self._certificate)
        self._transport = None
        self._closing = True
        self.leave()
        gone = [exchange for exchange in (self.exchange, self._incoming, *self._waiting) if exchange is not None]
        self._waiting.clear()
        for exchange in dict.fromkeys(gone):
            exchange.abandon()
        self.exchange = self._incoming = None
        self._wire.forget()

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
            self.unreadable(problems.BAD_HTTP, "the connection was closed before the request was whole")
            return self._half_open()
        last = self._waiting[-1] if self._waiting else self.exchange
        if last is None or self._reception.desk.half_is_gone:
            return False
        last.keep_alive = False  # a sender may close its half and wait for the answer, but nothing comes after that
        return self._half_open()

    def _half_open(self) -> bool:
        transport = self._transport
        return transport is not None and not transport.is_closing() and transport.can_write_eof()

    def pause_writing(self) -> None:
        """The sender does not read its answers: no more of them, and no more requests, until it does."""
        self._full = True
        self.deadline = monotonic() + self._reception.desk.timeouts.body
        if self.exchange is not None:
            self.exchange.hold_back()

    def resume_writing(self) -> None:
        self._full = False
        self.deadline = monotonic() + LINGER if self._closing else FOREVER
        if self.exchange is not None:
            self.exchange.let_come()
        elif not self._closing:
            self._next()

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
            self.unreadable(problems.SLOW_SENDER, "the whole request must arrive within the time allowed")

    def orphaned(self, carriage: Answered) -> None:
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
        exchange = self._reception.make(self)
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
            self.deadline = monotonic() + self._reception.desk.timeouts.head

    def head_read(self, head: RequestHead, target: bytes, method: bytes, keep_alive: bool, old: bool) -> None:
        if self._closing or self._deaf:
            return
        desk = self._reception.desk
        if self._generation != desk.generation:
            self._identify()
        exchange = self._reception.make(self)
        exchange.head, exchange.target, exchange.keep_alive, exchange.old = head, target, keep_alive, old
        exchange.sender = self._sender or desk.identities.of_field(head.certificate or b"", self._address)
        self._incoming = exchange
        if not self._refused_by_head(exchange, head, method):
            self.deadline = monotonic() + desk.timeouts.body
            self._enqueue(exchange)

    def _refused_by_head(self, exchange: Exchange, head: RequestHead, method: bytes) -> bool:
        """Refuse what can be refused without the body."""
        desk = self._reception.desk
        sender = exchange.sender
        if method != b"POST":
            exchange.bodiless = method == b"HEAD"
            exchange.refuse(problems.NOT_POST, "send a Service Request with POST")
        elif not exchange.target:
            exchange.refuse(problems.BAD_HTTP, "the request target must be a path")
        elif head.length is not None and head.length > desk.max_body:
            exchange.refuse(problems.TOO_LARGE, f"a message has at most {desk.max_body} octets")
        elif head.encoded:
            exchange.refuse(problems.ENCODED, "send it without Content-Encoding")
        elif desk.buffered > desk.most_buffered:
            exchange.refuse(problems.NO_MEMORY, "too many messages are half read; send it again", retry_after=1)
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
        return exchange.size if exchange.taken else None

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
            exchange = self._reception.make(self)
            exchange.sender = self._sender
        exchange.keep_alive = False
        exchange.refuse(problem, why)
