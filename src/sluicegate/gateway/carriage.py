"""How a request is carried to the upstream, and its answer back."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.front import problems
from sluicegate.gateway.decision import Decision
from sluicegate.http.heads import AnswerHead, KnownAnswer, KnownRequest, RequestHead

if TYPE_CHECKING:
    from sluicegate.front.connection import FrontConnection
    from sluicegate.gateway.desk import Desk
    from sluicegate.http.upstream import UpstreamConnection

MOST_HELD = 262_144  # octets of a body that wait for a connection before the sender is held back


class Carriage(Decision):
    """One request on its way to the upstream, and its answer on the way back.

    Attributes:
        head: what the request's fields say.
        known: the same, where the head was read before octet for octet.
        whole: whether all of the body has come.
        answering: whether an answer has begun.
        ended: whether the answer is whole, or will never be.
        late: its answer, where earlier requests of the connection must have theirs first.
        upstream: the connection that carries it, if one does.
        sent_at: when it was forwarded, in seconds of the monotonic clock, or 0.
    """

    __slots__ = (
        "_call_off",
        "_chunk_in",
        "_chunk_out",
        "_held",
        "_out",
        "_parts",
        "answering",
        "ended",
        "front",
        "head",
        "keep_alive",
        "known",
        "late",
        "old",
        "sent_at",
        "size",
        "target",
        "upstream",
        "whole",
    )

    def __init__(self, front: FrontConnection, desk: Desk) -> None:
        Decision.__init__(self, desk)
        self.front = front
        self.head: RequestHead | None = None
        self.known: KnownRequest | None = None
        self.target = self.late = b""
        self.keep_alive = True
        self.old = self.whole = self.answering = self.ended = False
        self.upstream: UpstreamConnection | None = None
        self.sent_at = 0.0
        self.size = self._held = 0
        self._parts: list[bytes] = []
        self._out: list[bytes] = []
        self._chunk_in = self._chunk_out = False
        self._call_off: Callable[[], object] | None = None

    def _hold(self, octets: int) -> None:
        """So many octets of the body are kept in memory until something else happens."""
        self._held += octets
        self.desk.buffered += octets

    def _hold_back(self, octets: int) -> None:
        """As `_hold`, and no more is to come once that is much."""
        self._hold(octets)
        if self._held > MOST_HELD:
            self.front.pause()

    def _release(self) -> None:
        if self._held:
            self.desk.buffered -= self._held
            self._held = 0

    # --- the way to the upstream

    def _forward(self) -> None:
        pool = self.front.pool
        self.sent_at = monotonic()
        connection = pool.take()
        if connection is not None:
            self.connected(connection)
        else:
            if not self.whole:
                self._hold(len(self._parts[0]))
            self._call_off = pool.connect(self)

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection is there: send what has come so far."""
        self._call_off = None
        self._release()
        if self.ended:
            self.front.pool.give(connection)
            return
        self.upstream = connection
        head = self.head
        assert head is not None  # noqa: S101 - a request without a head is not forwarded
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        if self.known is not None:
            start = b"POST %b%b HTTP/1.1\r\n" % (self.front.prefix, self.target)
            connection.send(self, b"".join((start, self.known.forward, body)))
            return
        start = b"POST %b%b HTTP/1.1\r\n%b" % (self.front.prefix, self.target, head.passed)
        if self.whole:
            connection.send(self, b"%bContent-Length: %d\r\n\r\n%b" % (start, len(body), body))
        elif head.length is not None:
            connection.send(self, b"%bContent-Length: %d\r\n\r\n%b" % (start, head.length, body))
        else:
            self._chunk_in = True
            connection.send(self, b"%bTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (start, len(body), body))
        if not self.whole and not connection.full:
            self.front.resume()

    def _stream(self, octets: bytes) -> None:
        self._parts.append(octets)
        if self.upstream is None:  # still connecting
            self._hold_back(len(octets))

    def flush(self) -> None:
        """Pass on what has come of the body. Called once for all that was read at once: a chunk may be one octet."""
        if self._parts and self.upstream is not None:
            octets = b"".join(self._parts)
            self._parts.clear()
            self._write(b"%x\r\n%b\r\n" % (len(octets), octets) if self._chunk_in else octets)

    def _write(self, octets: bytes) -> None:
        if self.upstream is not None and self.upstream.transport is not None:
            self.upstream.transport.write(octets)

    def upstream_full(self) -> None:
        if not self.whole:
            self.front.pause()

    def upstream_ready(self) -> None:
        if not self.whole:
            self.front.resume()

    def unreachable(self, why: str) -> None:
        """No connection: the upstream has certainly not seen the request, so its weight is given back."""
        self._call_off = None
        self._give_back()
        self._leave_place()
        self.refuse(problems.UNREACHABLE, f"no connection could be made ({why}); the request was not sent", 1)

    @property
    def waits(self) -> bool:
        """Whether the upstream has it."""
        return bool(self.sent_at)

    @property
    def taken(self) -> bool:
        """Whether it was decided on, or is about to be."""
        return self.outcome >= 0 or self.asking

    def hold_back(self) -> None:
        """The sender does not read: let no more of the upstream's answer come."""
        if self.upstream is not None:
            self.upstream.hold_back()

    def let_come(self) -> None:
        """It reads again."""
        if self.upstream is not None:
            self.upstream.let_come()

    def overdue(self, now: float) -> bool:
        """Whether the upstream has been silent for `upstream_response` seconds, or took more than `upstream_total`."""
        timeouts = self.desk.timeouts
        response, total = timeouts.upstream_response, timeouts.upstream_total
        upstream = self.upstream
        if not self.sent_at or upstream is None:
            return False
        silent = self.whole and not upstream.held and now - upstream.heard_at >= response
        return silent or now - self.sent_at >= total

    def broken(self, why: str) -> None:
        self._note_that_it_was_sent()
        self.upstream = None
        self.refuse(problems.BROKEN, f"{why}: whether it took the request is not known")

    def too_slow(self) -> None:
        """The upstream did not answer in time."""
        self.refuse(problems.TOO_SLOW, "whether it took the request is not known")

    # --- the answer

    def answer_whole(self, answer: KnownAnswer, body: bytes) -> None:
        """All of the answer at once, its head read before."""
        self.upstream = None
        status = answer.status
        seconds = monotonic() - self.sent_at
        if self._note is not None:
            self._note.answered(status, self.sent_at, seconds)
            self._record(None if self.ended else status)
        if self.ended:
            self._leave_place()
            return
        totals = self.desk.totals
        totals.upstream[status] = totals.upstream.get(status, 0) + 1
        totals.response.observe(seconds)
        self.desk.breaker.answered()
        self._leave_place()
        self.ended = True
        front = self.front
        front.answer(b"".join((answer.back, self._fields, front.connection_field(self), b"\r\n", body)), self)

    def answer_head(self, status: int, reason: bytes, head: AnswerHead) -> None:
        totals = self.desk.totals
        seconds = monotonic() - self.sent_at
        if self._note is not None:
            self._note.answered(status, self.sent_at, seconds)
        totals.upstream[status] = totals.upstream.get(status, 0) + 1
        totals.response.observe(seconds)
        self.desk.breaker.answered()
        self.answering = True
        if not self.whole:
            self.keep_alive = False
        if head.length is not None:
            framing = b"Content-Length: %d\r\n" % head.length
        elif status in (204, 304):
            framing = b""
        elif self.old:
            framing = b""
            self.keep_alive = False
        else:
            framing = b"Transfer-Encoding: chunked\r\n"
            self._chunk_out = True
        self._out.append(
            b"HTTP/1.1 %d %b\r\n%b%b%b%b\r\n"
            % (status, reason, head.passed, framing, self._fields, self.front.connection_field(self))
        )

    def answer_body(self, octets: bytes) -> None:
        self._out.append(b"%x\r\n%b\r\n" % (len(octets), octets) if self._chunk_out else octets)

    def answer_pause(self) -> None:
        if self._out:
            if not self.ended:
                self.front.write(b"".join(self._out))
            self._out.clear()

    def answer_ends(self) -> None:
        if self._chunk_out:
            self._out.append(b"0\r\n\r\n")
        upstream, self.upstream = self.upstream, None
        self._leave_place()
        if upstream is not None and not self.whole:
            upstream.abort()  # the rest of the request will not come: the connection cannot be used again
        if self._note is not None:
            self._record(None if self.ended else self._note.upstream_status)
        if self.ended:
            return
        self.ended = True
        self.front.answer(b"".join(self._out), self)

    def abandon(self) -> None:
        """The sender has gone. A request that was sent whole gets its answer taken in, and thrown away."""
        self.desk.totals.abandoned += not self.ended
        self.ended = True
        self._release()
        if not self.whole or self.upstream is None:
            self._drop_upstream()
            self._record(None)
        else:
            self.upstream.let_come()
            self.front.orphaned(self)

    def _drop_upstream(self) -> None:
        if self._call_off is not None:
            self._call_off()
            self._call_off = None
            self._give_back()
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            self._note_that_it_was_sent()
            upstream.abort()
        self._leave_place()

    def unanswered(self) -> None:
        """The gateway stops: nobody waits for the upstream's answer any more."""
        self._note_that_it_was_sent()
        self._record(None)

    def _note_that_it_was_sent(self) -> None:
        """The upstream has it, and may never answer."""
        if self._note is not None and not self._note.sent_at:
            self._note.sent_at = self.sent_at

    def _record(self, status: int | None) -> None:
        """Nothing more will happen to it, and the User got `status`; None where it left before its answer was whole."""
        note, self._note = self._note, None
        if note is not None:
            note.end(self.size, status)

    def _leave_place(self) -> None:
        if self.sent_at and self._served is not None:
            self.sent_at = 0.0
            self.desk.places.leave(self._served.seats)
