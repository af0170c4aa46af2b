"""One question: may this request pass? It is decided, charged and counted as at the gateway's own door."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from sluicegate.front import problems
from sluicegate.front.problems import SENDERS_FAULT, Problem, rendered
from sluicegate.gateway.decision import Decision
from sluicegate.gateway.note import Note
from sluicegate.ledger import ASK
from sluicegate.throttle import THROTTLED

if TYPE_CHECKING:
    from sluicegate.duis import Header
    from sluicegate.front.identity import Sender
    from sluicegate.gateway.answers import ComeAgain
    from sluicegate.gateway.desk import Desk, Served


class Verdict(NamedTuple):
    """What the User is to be told.

    Attributes:
        status: 200: the request may pass; else of the refusal.
        fields: the RateLimit fields, each ended by CRLF.
        body: problem details, of a refusal.
        retry_after: seconds.
    """

    status: int
    fields: bytes = b""
    body: bytes = b""
    retry_after: int | None = None


def refusal(problem: Problem, detail: str, fields: bytes = b"", retry_after: int | None = None) -> Verdict:
    """A problem as a verdict."""
    return Verdict(problem.status, fields, rendered(problem, detail, retry_after=retry_after), retry_after)


class Question(Decision):
    """One question. First `put`, then `settle` or `take_back`.

    Attributes:
        verdict: what came of it; None before.
    """

    __slots__ = ("_header", "_heard", "_now", "_sender", "_size", "verdict")

    def __init__(self, desk: Desk, sender: Sender, size: int = 0) -> None:
        Decision.__init__(self, desk)
        now = monotonic()
        if sender.key and desk.offences.banished(sender.key, now):
            sender = sender.barred()
        self._sender = sender
        self._size = size
        self._now = now
        self._header: Header | None = None
        self.verdict: Verdict | None = None
        self._heard: asyncio.Future[None] | None = None

    async def put(self, header: Header, weight: float | None = None) -> bool:
        """Have it decided and charged; False where it is refused. `weight` in SR: that of its SRV unless given."""
        desk, now = self.desk, self._now
        served: Served | None = self._sender.served.get(header.originator)
        if served is None:
            self._turn_away(self._sender, header.originator)
            return self.verdict is not None and self.verdict.status == 200
        self._header = header
        note = Note(desk.recorder, None, now, served.name, header) if desk.recorder is not None else None
        self._meet(served, header, note)
        if desk.refusals is not None and self._is_behind(served, header, now):
            return False
        self._weigh(header)
        if weight is not None:
            self.weight = weight
        if served.drill is not None and served.drill.takes():
            self._practise(served, header, now)
            return False
        await self.decided(served, header, now)
        if self.outcome == THROTTLED and served.enforce:
            return self._settle(served, header, now)
        return True

    def names_nobody(self, detail: str) -> None:
        """It leaves open whose the request is."""
        if self._sender.known:
            self.refuse(problems.UNKNOWN_USER, detail)
        else:
            self._turn_away(self._sender, "")

    async def decided(self, served: Served, header: Header, now: float) -> None:
        """The decision. Where a ledger that others share has to be asked first, this is where it is waited for."""
        self._charge(served, header, now)
        if self.outcome == ASK:
            self._heard = asyncio.get_running_loop().create_future()
            self._ask(served, header, now)
            try:
                await self._heard
            except asyncio.CancelledError:  # the proxy has gone: what comes is given back when it does
                self._heard = None
                raise

    def _decided(self, served: Served, header: Header, now: float) -> None:  # noqa: ARG002 - as at the own door
        if self._heard is None:
            if self.outcome != THROTTLED:
                self._give_back()
        elif not self._heard.done():
            self._heard.set_result(None)

    def settle(self) -> None:
        """It passes: count it."""
        if self.verdict is None and self._served is not None and self._header is not None:
            self._settle(self._served, self._header, self._now)
            self._end(Verdict(200, self._fields), None)

    def take_back(self) -> None:
        """It would have passed, but what it belongs to does not: nothing is charged."""
        if self.verdict is None and self._served is not None:
            if self.outcome != THROTTLED:
                self._give_back()
            self._served.tally.rejected += 1
            self._end(Verdict(200, self._fields), None)

    def refuse(self, problem: Problem, detail: str, retry_after: int | None = None) -> None:
        """It cannot be decided: what is wrong."""
        ask = self.desk.settings.ask
        if problem in (problems.NO_CERTIFICATE, problems.UNKNOWN_USER) and ask is not None and ask.pass_unknown:
            self.verdict = Verdict(200)
            return
        if problem.name in SENDERS_FAULT and self._sender.key:  # the proxy's connection is others' too: none is slowed
            self.desk.offences.commit(self._sender.key, self._now)
        self.desk.totals.refuse(problem.name)
        self._end(refusal(problem, detail, self._fields, retry_after), problem.status)

    def _come_again(self, problem: str, answer: ComeAgain, seconds: int) -> None:
        self.desk.totals.refuse(problem)
        self._end(Verdict(answer.status, self._fields, answer.body(seconds), seconds), answer.status)

    def _end(self, verdict: Verdict, status: int | None) -> None:
        """`status` is what the User got, where that is known: what becomes of a request that passes nobody tells us."""
        self.verdict = verdict
        note, self._note = self._note, None
        if note is not None:
            note.end(self._size, status)
