"""One request: read as far as its header, decided, and then carried or refused."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.duis import MAX_HEADER_OCTETS, Header, MalformedMessage, read_header
from sluicegate.front import problems
from sluicegate.front.exchange import MANY_PIECES, SMALL_PIECE
from sluicegate.front.problems import SENDERS_FAULT, Problem, problem_answer
from sluicegate.gateway import answers
from sluicegate.gateway.answers import ComeAgain
from sluicegate.gateway.carriage import Carriage
from sluicegate.gateway.note import DECIDED
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN

if TYPE_CHECKING:
    from sluicegate.allocation import Profile
    from sluicegate.front.connection import FrontConnection
    from sluicegate.front.identity import Sender
    from sluicegate.gateway.desk import Desk, Served
    from sluicegate.gateway.news import Behind
    from sluicegate.operations.screens.throttled import Throttled

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
            self._turn_away(header)
            return
        self._served = served
        tally = served.tally
        tally.saw_version(header.version)
        if desk.noting is not None:
            self._note = desk.noting.of(self, started, served.name, header)
        blocked = desk.breaker.blocks(started)
        if blocked:
            self._reject(problems.UNREACHABLE, "it did not answer lately; it is tried again soon", blocked)
            return
        if desk.refusals is not None:
            refused = desk.refusals.of(served.name, header)
            if refused is not None:
                self._fall_behind(served, header, *refused, started)
                return
        if not desk.places.room_for(served.seats):
            self._reject(problems.NO_PLACE, "its answers take long; send the request again", 1.0)
            return
        weight = desk.weights.get(header.srv, 1.0) if desk.weights else 1.0
        account = served.account
        if served.drill is not None and served.drill.takes():
            self._practise(served, header, weight, started)
            return
        if served.profile is None:
            outcome = desk.decide(account, weight, started)
            self._fields = served.fields.render(account.level)
        else:
            outcome = self._decide_by(served, served.profile, header, weight, started)
        self.outcome = outcome
        self.weight = weight
        desk.totals.decision.observe(monotonic() - started)
        if self._note is not None:
            self._note.outcome = DECIDED[outcome]
        (tally.srvs.get(header.srv) or tally.saw_srv(header.srv))[outcome] += 1
        if outcome == WITHIN:
            tally.within += 1
        elif outcome == EXCESS:
            tally.excess += 1
        else:
            tally.throttled += 1
            if served.enforce:
                self._throttle(served, header, started)
                return
            tally.passed += 1
            if self._note is not None:
                self._note.outcome = "passed"
            if desk.throttled is not None:
                self._explain(desk.throttled, served, header, started, _place(served, header)[1], None, None)
        self._parts = [message]
        desk.places.take(served.seats)
        desk.breaker.probe(started)
        self._forward()

    def _decide_by(self, served: Served, profile: Profile, header: Header, weight: float, now: float) -> int:
        """Decide by the User's own priorities. `weight` in SR, `now` in seconds of the monotonic clock."""
        desk = self.desk
        srv, variant = header.srv, header.command_variant
        rank, reserve = profile.known[srv, variant] or profile.place(srv, variant, header.target)
        if profile.teams:
            self.team = profile.team(srv, variant, header.target)
            outcome = desk.ledger.decide_team(served.account, weight, now, reserve, self.team)
        else:
            outcome = desk.decide(served.account, weight, now, reserve)
        served.tally.classes[rank][1][outcome] += 1
        self._fields = served.fields.render(served.account.level, reserve)
        return outcome

    def _practise(self, served: Served, header: Header, weight: float, now: float) -> None:
        """A drill: throttled as it would be, but nothing is charged, and nobody else is touched."""
        self.weight = weight
        self.outcome = THROTTLED
        self._fields = served.fields.render(served.account.level_at(now))
        if self._note is not None:
            self._note.outcome = DECIDED[THROTTLED]
        tally = served.tally
        (tally.srvs.get(header.srv) or tally.saw_srv(header.srv))[THROTTLED] += 1
        tally.throttled += 1
        tally.drilled += 1
        self._throttle(served, header, now, drill=True)

    def _turn_away(self, header: Header) -> None:
        """Nobody for whom this sender may speak."""
        if self.sender is not None and self.sender.cut_off:
            self.refuse(problems.CUT_OFF, "wait, and send what this gateway can take")
        elif self.sender is None or not self.sender.known:
            self.refuse(problems.NO_CERTIFICATE, "the certificate (or its absence) belongs to no User")
        elif header.originator in self.desk.identities.by_id:
            self.refuse(problems.FOREIGN_ORIGINATOR, f"{header.originator} is not among the certificate's User IDs")
        else:
            self.refuse(problems.UNKNOWN_USER, f"{header.originator} is no User's ID")

    def _reject(self, problem: Problem, detail: str, seconds: float) -> None:
        """Our own limit, or the upstream's state; nothing was charged."""
        if self._served is not None:
            self._served.tally.rejected += 1
        self.refuse(problem, detail, retry_after=max(1, round(seconds)))

    def _throttle(self, served: Served, header: Header, now: float, drill: bool = False) -> None:
        rank, reserve = _place(served, header)
        seconds = self.desk.ledger.retry_after(served.account, self.weight, now, rank, reserve)
        if self._takes_429(served, header):
            served.tally.answered_429 += 1
            answer = served.answer_429
        else:
            served.tally.answered_503 += 1
            answer = served.answer_503
        if self.desk.throttled is not None:
            self._explain(self.desk.throttled, served, header, now, reserve, answer.status, seconds, drill)
        self._come_again(answers.THROTTLED, answer, seconds)

    def _explain(
        self,
        ring: Throttled,
        served: Served,
        header: Header,
        now: float,
        reserve: float,
        status: int | None,
        seconds: int | None,
        drill: bool = False,
    ) -> None:
        """Keep what the banks hold at this moment, for who asks why."""
        throttle = self.desk.ledger.throttle
        ring.take(throttle, served.account, header, now, self.weight, reserve, status, seconds, drill)

    def _fall_behind(self, served: Served, header: Header, behind: Behind, seconds: int, now: float) -> None:
        """The device's CSP is full for this User. Nothing is charged, in observe mode neither: it is no throttling."""
        served.tally.refuse_for(behind.csp)
        self._fields = served.fields.render(served.account.level_at(now))
        if self._note is not None:
            self._note.outcome = answers.BACKLOG
        answer = behind.answer_429 if self._takes_429(served, header) else behind.answer_503
        self._come_again(answers.BACKLOG, answer, seconds)

    def _takes_429(self, served: Served, header: Header) -> bool:
        """Whether a 429 is understood: by the version of the message itself, or because the User said so."""
        at_least = self.desk.from_version
        return served.always_429 or (at_least is not None and header.version >= at_least)

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


def _place(served: Served, header: Header) -> tuple[int, float]:
    """The rank of a request among its User's own priorities, and what is reserved above it; without any, 0 and 0."""
    profile = served.profile
    return (0, 0.0) if profile is None else profile.place(header.srv, header.command_variant, header.target)
