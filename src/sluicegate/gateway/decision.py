"""The decision on one request: what it is charged, what is counted of it, and what its sender is told of it.

Whoever has a request decided builds on this: the gateway's own front door, and what answers a proxy that asks.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.front import problems
from sluicegate.front.problems import Problem
from sluicegate.gateway import answers
from sluicegate.gateway.note import DECIDED
from sluicegate.ledger import ASK
from sluicegate.throttle import EXCESS, NO_TEAM, THROTTLED, WITHIN

if TYPE_CHECKING:
    from sluicegate.allocation import Profile
    from sluicegate.duis import Header
    from sluicegate.front.identity import Sender
    from sluicegate.gateway.answers import ComeAgain
    from sluicegate.gateway.desk import Desk, Served
    from sluicegate.gateway.note import Note
    from sluicegate.operations.screens.throttled import Throttled


class Decision:
    """One request as far as its decision goes. Times are seconds of the monotonic clock.

    Attributes:
        desk: the rules in force.
        outcome: what was decided; below 0 before.
        asking: whether it waits for the ledger of a fleet.
        weight: in SR.
        team: of its User, with which it was decided on.
    """

    __slots__ = ("_class_counts", "_fields", "_note", "_served", "asking", "desk", "outcome", "team", "weight")

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.outcome = -1
        self.asking = False
        self.weight = 1.0
        self.team = NO_TEAM
        self._fields = b""
        self._served: Served | None = None
        self._note: Note | None = None
        self._class_counts: list[int] | None = None

    def refuse(self, problem: Problem, detail: str, retry_after: int | None = None) -> None:
        """Answer with a problem."""
        raise NotImplementedError

    def _come_again(self, problem: str, answer: ComeAgain, seconds: int) -> None:
        """Answer with a refusal that the sender may repeat after so many seconds."""
        raise NotImplementedError

    def _meet(self, served: Served, header: Header, note: Note | None) -> None:
        """The User is known; what the record and a trace are to say of it is noted from now on."""
        self._served = served
        self._note = note
        served.tally.saw_version(header.version)

    def _turn_away(self, sender: Sender | None, originator: str) -> None:
        """Nobody for whom this sender may speak."""
        if sender is not None and sender.cut_off:
            self.refuse(problems.CUT_OFF, "wait, and send what this gateway can take")
        elif sender is None or not sender.known:
            self.refuse(problems.NO_CERTIFICATE, "the certificate (or its absence) belongs to no User")
        elif originator in self.desk.identities.by_id:
            self.refuse(problems.FOREIGN_ORIGINATOR, f"{originator} is not among the certificate's User IDs")
        else:
            self.refuse(problems.UNKNOWN_USER, f"{originator} is no User's ID")

    def _is_behind(self, served: Served, header: Header, now: float) -> bool:
        """Whether the device's CSP is full for this User: then it is refused.

        Nothing is charged, in observe mode neither: it is no throttling.
        """
        refused = self.desk.refusals.of(served.name, header) if self.desk.refusals is not None else None
        if refused is None:
            return False
        behind, seconds = refused
        served.tally.refuse_for(behind.csp)
        self._fields = served.fields.render(served.shown.level_at(now))
        if self._note is not None:
            self._note.outcome = answers.BACKLOG
        answer = behind.answer_429 if self._takes_429(served, header) else behind.answer_503
        self._come_again(answers.BACKLOG, answer, seconds)
        return True

    def _passes(self, served: Served, header: Header, now: float) -> bool:
        """Decide, charge, count; False where it is throttled, and has its answer."""
        self._weigh(header)
        if served.drill is not None and served.drill.takes():
            self._practise(served, header, now)
            return False
        self._charge(served, header, now)
        if self.outcome == ASK:
            self._ask(served, header, now)
            return False
        return self._settle(served, header, now)

    def _ask(self, served: Served, header: Header, now: float) -> None:
        """By what this worker of a fleet knows, the ledger may have a token: wait for its answer, a moment at most."""
        self.outcome = -1
        self.asking = True
        reserve = _place(served, header)[1]
        self.desk.ledger.waiting(partial(self._told, served, header, now), served.account, self.weight, now, reserve)

    def _told(self, served: Served, header: Header, now: float, outcome: int) -> None:
        """What the ledger said."""
        self.asking = False
        self.outcome = outcome
        self._fields = served.fields.render(served.shown.level, _place(served, header)[1])
        self._decided(served, header, now)

    def _decided(self, served: Served, header: Header, now: float) -> None:
        """The decision that it waited for is there: `outcome`."""
        raise NotImplementedError

    def _weigh(self, header: Header) -> None:
        weights = self.desk.weights
        self.weight = weights.get(header.srv, 1.0) if weights else 1.0

    def _charge(self, served: Served, header: Header, now: float) -> None:
        """The decision itself. What was charged can be given back until it is settled."""
        if served.profile is None:
            self.outcome = self.desk.decide(served.account, self.weight, now)
            self._fields = served.fields.render(served.shown.level)
        else:
            self.outcome = self._decide_by(served, served.profile, header, now)
        self.desk.totals.decision.observe(monotonic() - now)

    def _decide_by(self, served: Served, profile: Profile, header: Header, now: float) -> int:
        """Decide by the User's own priorities."""
        desk = self.desk
        srv, variant = header.srv, header.command_variant
        rank, reserve = profile.known[srv, variant] or profile.place(srv, variant, header.target)
        self._class_counts = served.tally.classes[rank][1]
        if profile.teams:
            self.team = profile.team(srv, variant, header.target)
            outcome = desk.ledger.decide_team(served.account, self.weight, now, reserve, self.team)
        else:
            outcome = desk.decide(served.account, self.weight, now, reserve)
        self._fields = served.fields.render(served.shown.level, reserve)
        return outcome

    def _give_back(self) -> None:
        """What it was charged: the upstream has certainly not seen it."""
        served = self._served
        if served is not None:
            self.desk.ledger.give_back(served.account, self.weight, self.outcome, monotonic(), self.team)

    def _settle(self, served: Served, header: Header, now: float) -> bool:
        """Count what was decided; False where it is throttled, and has its answer."""
        outcome, tally = self.outcome, served.tally
        if self._note is not None:
            self._note.outcome = DECIDED[outcome]
        if self._class_counts is not None:
            self._class_counts[outcome] += 1
        (tally.srvs.get(header.srv) or tally.saw_srv(header.srv))[outcome] += 1
        if outcome == WITHIN:
            tally.within += 1
        elif outcome == EXCESS:
            tally.excess += 1
        else:
            tally.throttled += 1
            if served.enforce:
                self._throttle(served, header, now)
                return False
            tally.passed += 1
            if self._note is not None:
                self._note.outcome = "passed"
            if self.desk.throttled is not None:
                self._explain(self.desk.throttled, served, header, now, _place(served, header)[1], None, None)
        return True

    def _practise(self, served: Served, header: Header, now: float) -> None:
        """A drill: throttled as it would be, but nothing is charged, and nobody else is touched."""
        self.outcome = THROTTLED
        self._fields = served.fields.render(served.shown.level_at(now))
        if self._note is not None:
            self._note.outcome = DECIDED[THROTTLED]
        tally = served.tally
        (tally.srvs.get(header.srv) or tally.saw_srv(header.srv))[THROTTLED] += 1
        tally.throttled += 1
        tally.drilled += 1
        self._throttle(served, header, now, drill=True)

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
        ring.take(throttle, served.shown, header, now, self.weight, reserve, status, seconds, drill)

    def _takes_429(self, served: Served, header: Header) -> bool:
        """Whether a 429 is understood: by the version of the message itself, or because the User said so."""
        at_least = self.desk.from_version
        return served.always_429 or (at_least is not None and header.version >= at_least)


def _place(served: Served, header: Header) -> tuple[int, float]:
    """The rank of a request among its User's own priorities, and what is reserved above it; without any, 0 and 0."""
    profile = served.profile
    return (0, 0.0) if profile is None else profile.place(header.srv, header.command_variant, header.target)
