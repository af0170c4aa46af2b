"""One request and its answer: read, decided, forwarded, answered."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.duis import MAX_HEADER_OCTETS, Header, MalformedMessage, read_header
from sluicegate.gateway import answers
from sluicegate.gateway.answers import SENDERS_FAULT, Problem, problem_answer
from sluicegate.gateway.heads import AnswerHead, KnownAnswer, KnownRequest, RequestHead
from sluicegate.throttle import EXCESS, WITHIN

if TYPE_CHECKING:
    from sluicegate.gateway.desk import Desk, Served
    from sluicegate.gateway.front import FrontConnection
    from sluicegate.gateway.identity import Sender
    from sluicegate.gateway.upstream import UpstreamConnection

FIRST_LOOK = 8_192  # octets: below, a message is read once it is whole
MOST_HELD = 262_144  # octets of a body that wait for a connection before the sender is held back


class Exchange:
    """One request and its answer. The front connection feeds it, the upstream connection answers it.

    Attributes:
        head: what the request's fields say.
        whole: whether all of the body has come.
        answering: whether an answer has begun.
        ended: whether the answer is whole, or will never be.
        upstream: the connection that carries it, if one does.
        late: its answer, where earlier requests of the connection must have theirs first.
        sent_at: when it was forwarded, in seconds of the monotonic clock, or 0.
    """

    __slots__ = (
        "_call_off",
        "_chunk_in",
        "_chunk_out",
        "_fields",
        "_held",
        "_next_look",
        "_out",
        "_parts",
        "_served",
        "answering",
        "began",
        "desk",
        "ended",
        "front",
        "head",
        "keep_alive",
        "known",
        "late",
        "old",
        "outcome",
        "sender",
        "sent_at",
        "size",
        "target",
        "upstream",
        "weight",
        "whole",
    )

    def __init__(self, front: FrontConnection, desk: Desk) -> None:
        self.front = front
        self.desk = desk
        self.head: RequestHead | None = None
        self.sender: Sender | None = None
        self.target = b""
        self.keep_alive = True
        self.late = b""
        self.known: KnownRequest | None = None
        self.old = False
        self.whole = self.answering = self.ended = self.began = False
        self.upstream: UpstreamConnection | None = None
        self.sent_at = 0.0
        self.outcome = -1
        self.weight = 1.0
        self._served: Served | None = None
        self._parts: list[bytes] = []
        self.size = self._held = 0
        self._next_look = FIRST_LOOK
        self._out: list[bytes] = []
        self._fields = b""
        self._chunk_in = self._chunk_out = False
        self._call_off: Callable[[], object] | None = None

    # --- from the front: the request

    def body(self, octets: bytes) -> None:
        """A piece of the request's body."""
        if self.ended:
            return
        self.size += len(octets)
        if self.size > self.desk.max_body:
            self.refuse(answers.TOO_LARGE, f"a message has at most {self.desk.max_body} octets")
            return
        if self.outcome >= 0:
            self._stream(octets)
            return
        self._parts.append(octets)
        if self.began and self.size >= self._next_look:
            self._next_look = min(self._next_look * 2, MAX_HEADER_OCTETS)
            self._consider()
        elif not self.began:
            self._hold(len(octets))

    def end(self) -> None:
        """The request is whole."""
        self.whole = True
        if self.ended or not self.began:
            return
        if self.outcome < 0:
            self._consider()
        elif self.upstream is not None and self._chunk_in:
            self._write(b"0\r\n\r\n")

    def take_whole(self, body: bytes) -> None:
        """All of the request at once, when its turn has come already."""
        self.began = self.whole = True
        self.size = len(body)
        self._parts.append(body)
        self._consider()

    def begin(self) -> None:
        """Its turn has come: all earlier requests of the connection have their answers."""
        self.began = True
        self._release()
        if self.whole or self.size >= self._next_look:
            self._consider()

    def _hold(self, octets: int) -> None:
        self._held += octets
        self.desk.buffered += octets

    def _release(self) -> None:
        self.desk.buffered -= self._held
        self._held = 0

    # --- the decision

    def _consider(self) -> None:
        parts = self._parts
        message = parts[0] if len(parts) == 1 else b"".join(parts)
        desk = self.desk
        started = monotonic()
        try:
            header = read_header(message, self.whole)
        except MalformedMessage as error:
            self.refuse(answers.MALFORMED, str(error))
            return
        if header is None:
            self._parts = [message]
            self._release()
            self._hold(len(message))
            if desk.buffered > desk.settings.gateway.limits.buffered_octets:
                self.refuse(answers.NO_MEMORY, "too many messages are half read; send it again", retry_after=1)
            return
        self._release()
        sender = self.sender
        served = sender.served.get(header.originator) if sender is not None else None
        if served is None:
            self._turn_away(header)
            return
        self._served = served
        tally = served.tally
        tally.saw_version(header.version)
        blocked = desk.breaker.blocks(started)
        if blocked:
            self._reject(answers.UNREACHABLE, "it did not answer lately; it is tried again soon", blocked)
            return
        if not desk.places.take(served.seats):
            desk.breaker.unanswered()
            self._reject(answers.NO_PLACE, "its answers take long; send the request again", 1.0)
            return
        weight = desk.weights.get(header.srv, 1.0) if desk.weights else 1.0
        account = served.account
        outcome = desk.decide(account, weight, started)
        self.outcome = outcome
        self.weight = weight
        self._fields = served.fields.render(account.level)
        desk.totals.decision.observe(monotonic() - started)
        if outcome == WITHIN:
            tally.within += 1
        elif outcome == EXCESS:
            tally.excess += 1
        else:
            tally.throttled += 1
            if served.enforce:
                desk.places.leave(served.seats)
                desk.breaker.unanswered()
                self._throttle(served, header, started)
                return
            tally.passed += 1
        self._parts = [message]
        self._forward()

    def _turn_away(self, header: Header) -> None:
        """Nobody for whom this sender may speak."""
        if self.sender is None or not self.sender.known:
            self.refuse(answers.NO_CERTIFICATE, "the certificate (or its absence) belongs to no User")
        elif header.originator in self.desk.identities.by_id:
            self.refuse(answers.FOREIGN_ORIGINATOR, f"{header.originator} is not among the certificate's User IDs")
        else:
            self.refuse(answers.UNKNOWN_USER, f"{header.originator} is no User's ID")

    def _reject(self, problem: Problem, detail: str, seconds: float) -> None:
        """Our own limit, or the upstream's state; nothing was charged."""
        if self._served is not None:
            self._served.tally.rejected += 1
        self.refuse(problem, detail, retry_after=max(1, round(seconds)))

    def _throttle(self, served: Served, header: Header, now: float) -> None:
        desk = self.desk
        seconds = desk.ledger.retry_after(served.account, self.weight, now)
        at_least = desk.from_version
        if served.always_429 or (at_least is not None and header.version >= at_least):
            served.tally.answered_429 += 1
            answer = served.answer_429
        else:
            served.tally.answered_503 += 1
            answer = served.answer_503
        desk.totals.refuse(answers.THROTTLED)
        self.ended = True
        self.front.answer(answer.render(seconds, self._fields, self.front.connection_field(self)), self)

    def refuse(self, problem: Problem, detail: str, retry_after: int | None = None) -> None:
        """Answer with a problem, unless an answer has begun: then the connection is cut."""
        self._drop_upstream()
        if self.ended:
            return
        self.ended = True
        self._release()
        self._parts = []
        self.desk.totals.refuse(problem.name)
        if self.answering:
            self.front.cut()
            return
        if not self.whole:
            self.keep_alive = False  # what is left of the request would be taken for the next one
        answer = problem_answer(
            problem, detail, self._fields, retry_after, not self.front.stays_open(self), self.old and self.keep_alive
        )
        if problem.name in SENDERS_FAULT:
            self.front.answer_an_offence(answer, self)
        else:
            self.front.answer(answer, self)

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
        if self.upstream is None:  # still connecting
            self._parts.append(octets)
            self._hold(len(octets))
            if self._held > MOST_HELD:
                self.front.pause()
        elif self._chunk_in:
            self._write(b"%x\r\n%b\r\n" % (len(octets), octets))
        else:
            self._write(octets)

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
        self.refuse(answers.UNREACHABLE, f"no connection could be made ({why}); the request was not sent", 1)

    def _give_back(self) -> None:
        served = self._served
        if served is not None:
            self.desk.ledger.give_back(served.account, self.weight, self.outcome, monotonic())

    def broken(self, why: str) -> None:
        self.upstream = None
        self.refuse(answers.BROKEN, f"{why}: whether it took the request is not known")

    def too_slow(self) -> None:
        """The upstream did not answer in time."""
        self.refuse(answers.TOO_SLOW, "whether it took the request is not known")

    # --- the answer

    def answer_whole(self, answer: KnownAnswer, body: bytes) -> None:
        """All of the answer at once, its head read before."""
        self.upstream = None
        if self.ended:
            self._leave_place()
            return
        totals = self.desk.totals
        status = answer.status
        totals.upstream[status] = totals.upstream.get(status, 0) + 1
        totals.response.observe(monotonic() - self.sent_at)
        self._leave_place()
        self.ended = True
        front = self.front
        front.answer(b"".join((answer.back, self._fields, front.connection_field(self), b"\r\n", body)), self)

    def answer_head(self, status: int, reason: bytes, head: AnswerHead) -> None:
        totals = self.desk.totals
        totals.upstream[status] = totals.upstream.get(status, 0) + 1
        totals.response.observe(monotonic() - self.sent_at)
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
        if self._out and not self.ended:
            self.front.write(b"".join(self._out))
            self._out.clear()

    def answer_ends(self) -> None:
        if self._chunk_out:
            self._out.append(b"0\r\n\r\n")
        upstream, self.upstream = self.upstream, None
        self._leave_place()
        if upstream is not None and not self.whole:
            upstream.abort()  # the rest of the request will not come: the connection cannot be used again
        if self.ended:
            return
        self.ended = True
        self.front.answer(b"".join(self._out), self)

    # --- the end

    def abandon(self) -> None:
        """The sender has gone. A request that was sent whole gets its answer taken in, and thrown away."""
        self.desk.totals.abandoned += not self.ended
        self.ended = True
        self._release()
        if not self.whole or self.upstream is None:
            self._drop_upstream()

    def _drop_upstream(self) -> None:
        if self._call_off is not None:
            self._call_off()
            self._call_off = None
            self._give_back()
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abort()
        self._leave_place()

    def _leave_place(self) -> None:
        if self.sent_at and self._served is not None:
            self.sent_at = 0.0
            self.desk.places.leave(self._served.seats)
