"""What is kept of a run: enough for the screen while it lasts, and for the verdict after it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from sluicegate.simulate.demo.figures import quantile
from sluicegate.simulate.demo.outage.scenario import FLOWS, NORTH, SOUTH, OutageScenario
from sluicegate.simulate.demo.outage.statuses import CspStatus, DispatcherStatus
from sluicegate.simulate.sender import Journey, Outcome

TICK = 0.25
"""Seconds between two looks."""
LATELY = 3.0
"""Seconds over which the live screen measures."""


@dataclass(frozen=True)
class Moment:
    """Dispatcher and gateway, ``at`` seconds from the start. ``refused`` by CSP, in all."""

    at: float = 0.0
    dispatcher: DispatcherStatus = field(default_factory=DispatcherStatus)
    refused: Mapping[str, int] = field(default_factory=dict)

    def csp(self, name: str) -> CspStatus:
        """One of the CSPs."""
        return self.dispatcher.csps.get(name, CspStatus())


class Acknowledged(NamedTuple):
    """One acknowledgement: when it came, to which flow, after how many seconds (of the attempt that it answers)."""

    at: float
    flow: int
    seconds: float


@dataclass
class OutageRecord:
    """One run, under way or over. Times are seconds from the start."""

    scenario: OutageScenario
    moments: list[Moment] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """Answers that the CSP is behind, by region."""
    failed: int = 0
    """Attempts that ended in another way: no answer, an error."""
    request_ids: list[list[str]] = field(default_factory=lambda: [[] for _ in FLOWS])
    """By flow, in the order in which they left."""
    journeys: Sequence[Journey] = ()
    behind: bool = False
    """Whether the gateway was told that north is full, and it has not become much less."""
    down_at: float | None = None
    up_at: float | None = None
    executed: dict[str, float] = field(default_factory=dict)
    """RequestIDs that a CSP has executed, and when each arrived."""
    executed_twice: int = 0
    repeated: int = 0
    """Arrivals of a RequestID that a CSP had seen."""
    returned: set[str] = field(default_factory=set)
    """RequestIDs that came back to their Users (E20, E21)."""
    outcomes: set[str] = field(default_factory=set)
    """RequestIDs whose success (I0) reached their Users."""

    def seen(self, journey: Journey, sent: float, answered: float, outcome: Outcome) -> None:
        """Count one attempt of the sender."""
        if outcome is Outcome.DELIVERED:  # open loop: the first attempt counts from when it was meant to leave
            began = journey.intended if journey.attempts == 1 else sent
            self.acknowledged.append(Acknowledged(answered, journey.user, answered - began))
        elif outcome is Outcome.BEHIND:
            self.refused[FLOWS[journey.user].region] += 1
        else:
            self.failed += 1

    def say(self, at: float, what: str) -> None:
        """Something has happened."""
        self.events.append((at, what))

    @property
    def last(self) -> Moment:
        """The latest moment; a quiet one before the first."""
        return self.moments[-1] if self.moments else Moment()

    def p99(self, region: str, since: float, until: float) -> float:
        """Seconds that 99 in 100 acknowledgements of that time did not exceed; 0 where there was none."""
        lately = takewhile(lambda one: one.at >= since, reversed(self.acknowledged))
        return quantile((one.seconds for one in lately if one.at < until and FLOWS[one.flow].region == region), 0.99)

    def rate(self, now: float) -> float:
        """Acknowledgements a second, lately."""
        since = max(0.0, now - LATELY)
        count = sum(1 for _ in takewhile(lambda one: one.at >= since, reversed(self.acknowledged)))
        return count / (now - since) if now > since else 0.0

    def look(self, moment: Moment) -> None:
        """Keep what was seen, and say what is new in it."""
        before = self.last
        self.moments.append(moment)
        was, now, at = before.csp(NORTH), moment.csp(NORTH), moment.at
        if was.breaker == "closed" and now.breaker == "open":
            self.say(at, "The breaker of north opens: what is for north is acknowledged, and waits on the disk")
        if was.breaker != "closed" and now.breaker == "closed":
            self.say(at, "A probe was answered: the breaker closes, delivery starts slowly, top-ups first")
        if now.full and not self.behind:
            self.behind = True
            self.say(at, "The backlog of north is full: the gateway refuses for north, and says when to come again")
        if self.behind and now.backlog < _ROOM * self.scenario.ceiling:
            self.behind = False
            self.say(at, "The backlog of north has room: nothing is refused any more")
        if self.up_at is not None and was.backlog > _LITTLE >= now.backlog:
            self.say(at, "The backlog of north is delivered")
        if moment.refused.get(SOUTH, 0) > before.refused.get(SOUTH, 0):
            self.say(at, "The gateway refuses for south: that should not be")


_LITTLE = 10
"""SRs: what is on its way at any moment."""
_ROOM = 0.9
"""Of the ceiling. At the ceiling itself each SR that is delivered lets another one in."""

Watch = Callable[[OutageRecord], None]
