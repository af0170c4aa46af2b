"""The order of a connection: one exchange after the other, answers as their requests came."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, cast

from sluicegate.front.exchange import Answered, Exchange

if TYPE_CHECKING:
    from sluicegate.front.exchange import Answered, Exchange
    from sluicegate.front.identity import Sender
    from sluicegate.front.reception import Reception
    from sluicegate.front.wire import Wire

MOST_WAITING = 512  # pipelined requests of one connection that wait for their turn: more than one read brings
LINGER = 2.0  # seconds in which a refused body is still read, so that the sender sees the answer
FOREVER = float("inf")


class Turns(asyncio.Protocol):
    """What of a sender's connection keeps the order. `FrontConnection` is the rest.

    Attributes:
        exchange: the request whose turn it is.
        deadline: when what the sender is to do next must have been done, in seconds of the monotonic clock.
    """

    __slots__ = (
        "_address",
        "_closing",
        "_deaf",
        "_eof",
        "_full",
        "_incoming",
        "_paused",
        "_pumping",
        "_reception",
        "_sender",
        "_transport",
        "_waiting",
        "_wire",
        "deadline",
        "exchange",
    )

    _wire: Wire

    def __init__(self, reception: Reception, address: str) -> None:
        self._reception = reception
        self._address = address
        self._sender: Sender | None = None
        self._transport: asyncio.Transport | None = None
        self._closing = self._deaf = self._eof = self._paused = self._pumping = self._full = False
        self._incoming: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self.exchange: Exchange | None = None
        self.deadline = FOREVER

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
                self.deadline = monotonic() + self._reception.desk.timeouts.body
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

    def stays_open(self, exchange: Answered) -> bool:
        """Whether the connection is to be used again after this exchange."""
        return exchange.keep_alive and not self._reception.desk.draining and not self._closing

    def connection_field(self, exchange: Answered) -> bytes:
        """The Connection field of its answer, if there is to be one."""
        if not self.stays_open(exchange):
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if exchange.old else b""

    def _others_first(self, exchange: Answered) -> bool:
        """Whether earlier requests of the connection have no answer yet."""
        if self.exchange is not None:
            return self.exchange is not exchange
        return bool(self._waiting) and not self._pumping and self._waiting[0] is not exchange

    def answer(self, octets: bytes, exchange: Answered) -> None:
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

    def _close_after(self, exchange: Answered) -> None:
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
            self.deadline += self._reception.desk.timeouts.body
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
            if wait < 0 and self._sender is not None:
                exchange.keep_alive = False
            self.answer(octets, exchange)
        else:
            self.pause()
            self.exchange = exchange
            self._reception.loop.call_later(wait, self._answer_late, octets, exchange)

    def _answer_late(self, octets: bytes, exchange: Exchange) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self.answer(octets, exchange)
