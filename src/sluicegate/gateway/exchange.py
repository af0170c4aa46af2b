"""One request: read as far as its header, decided, and then carried or refused."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.duis import MAX_HEADER_OCTETS, Header, MalformedMessage, read_header
from sluicegate.front import problems
from sluicegate.front.exchange import MANY_PIECES, SMALL_PIECE
from sluicegate.front.problems import SENDERS_FAULT, Problem, problem_answer
from sluicegate.gateway.carriage import Carriage

if TYPE_CHECKING:
    from sluicegate.front.connection import FrontConnection
    from sluicegate.front.identity import Sender
    from sluicegate.gateway.answers import ComeAgain
    from sluicegate.gateway.desk import Desk, Served

FIRST_LOOK = 8_192  # octets: below, a message is read once it is whole


class Exchange(Carriage):
    """One request and its answer. The front connection feeds it, the upstream connection answers it.

    Attributes:
        sender: who sends it.
        bodiless: whether its answer is to have no body (HEAD).
        began: whether its turn has come: all earlier requests of the connection have their answers.
    """

    __slots__ = ("_next_look", "_pieces", "began", "bodiless", "sender")

    def __init__(self, front: FrontConnection, desk: Desk) -> None:
        Carriage.__init__(self, front, desk)
        self.sender: Sender | None = None
        self.began = self.bodiless = False
        self._next_look = FIRST_LOOK
        self._pieces = 0

    # --- from the front: the request

    def body(self, octets: bytes) -> None:
        """A piece of the request's body."""
        if self.ended:
            return
        self.size += len(octets)
        self._pieces += 1
        if self._pieces > MANY_PIECES and self.size < SMALL_PIECE * self._pieces and self.head and self.head.chunked:
            self.refuse(problems.BAD_HTTP, f"its chunks have fewer than {SMALL_PIECE} octets")
            return
        if self.size > self.desk.max_body:
            self.refuse(problems.TOO_LARGE, f"a message has at most {self.desk.max_body} octets")
            return
        if self.outcome >= 0:
            self._stream(octets)
            return
        self._parts.append(octets)
        if self.asking:
            self._hold_back(len(octets))
        elif self.began and self.size >= self._next_look:
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
            if not self.asking:
                self._consider()
        elif self.upstream is not None:
            self.upstream.heard_at = monotonic()  # its time begins when it has all of the request
            self.flush()
            if self._chunk_in:
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
        if self.head is not None and self.head.expects and not self.size and not self.old:
            self.front.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.whole or self.size >= self._next_look:
            self._consider()

    # --- the decision

    def _consider(self) -> None:
        parts = self._parts
        message = parts[0] if len(parts) == 1 else b"".join(parts)
        desk = self.desk
        started = monotonic()
        try:
            header = read_header(message, self.whole)
        except MalformedMessage as error:
            self.refuse(problems.MALFORMED, str(error))
            return
        if header is None:
            self._parts = [message]
            self._release()
            self._hold(len(message))
            if desk.buffered > desk.most_buffered:
                self.refuse(problems.NO_MEMORY, "too many messages are half read; send it again", retry_after=1)
            return
        self._release()
        sender = self.sender
        served = sender.served.get(header.originator) if sender is not None else None
        if served is None:
            self._turn_away(sender, header.originator)
            return
        noting = desk.noting
        note = noting.of(self, started, served.name, header) if noting is not None else None
        self._meet(served, header, note)
        blocked = desk.breaker.blocks(started)
        if blocked:
            self._reject(problems.UNREACHABLE, "it did not answer lately; it is tried again soon", blocked)
            return
        if desk.refusals is not None and self._is_behind(served, header, started):
            return
        if not desk.places.room_for(served.seats):
            self._reject(problems.NO_PLACE, "its answers take long; send the request again", 1.0)
            return
        self._parts = [message]
        if self._passes(served, header, started):
            self._carry(served, started)

    def _carry(self, served: Served, now: float) -> None:
        self.desk.places.take(served.seats)
        self.desk.breaker.probe(now)
        self._forward()

    def _decided(self, served: Served, header: Header, now: float) -> None:
        if self.ended:  # the sender has gone meanwhile
            self._give_back()
            return
        self._release()
        self.front.resume()
        if not self.desk.places.room_for(served.seats):
            self._give_back()
            self._reject(problems.NO_PLACE, "its answers take long; send the request again", 1.0)
        elif self._settle(served, header, now):
            self._carry(served, now)

    def _reject(self, problem: Problem, detail: str, seconds: float) -> None:
        """Our own limit, or the upstream's state; nothing was charged."""
        if self._served is not None:
            self._served.tally.rejected += 1
        self.refuse(problem, detail, retry_after=max(1, round(seconds)))

    def _come_again(self, problem: str, answer: ComeAgain, seconds: int) -> None:
        desk = self.desk
        desk.totals.refuse(problem)
        self._record(answer.status)
        self.ended = True
        self.front.answer(answer.render(seconds, self._fields + desk.date, self.front.connection_field(self)), self)

    def refuse(self, problem: Problem, detail: str, retry_after: int | None = None) -> None:
        """Answer with a problem, unless an answer has begun: then the connection is cut."""
        self._drop_upstream()
        if self._note is not None:
            got = self._note.upstream_status if self.answering else problem.status
            self._record(None if self.ended else got)
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
            problem,
            detail,
            self._fields + self.desk.date,
            retry_after,
            not self.front.stays_open(self),
            self.old and self.keep_alive,
        )
        if self.bodiless:
            answer = answer[: answer.index(b"\r\n\r\n") + 4]
        if problem.name in SENDERS_FAULT:
            self.front.answer_an_offence(answer, self)
        else:
            self.front.answer(answer, self)
