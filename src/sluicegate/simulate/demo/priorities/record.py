"""What is kept of a run: enough for the screen while it lasts, and for the verdict and the page after it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sluicegate.simulate.demo.priorities.scenario import FLOWS, PrioritiesScenario
from sluicegate.simulate.demo.record import TICK, Moment
from sluicegate.simulate.demo.statuses import DspStatus, GatewayStatus
from sluicegate.simulate.sender import Journey, Outcome


@dataclass
class PrioritiesRecord:
    """One run, under way or over. ``Journey.user`` is the number of a flow."""

    scenario: PrioritiesScenario
    moments: list[Moment] = field(default_factory=list)
    journeys: Sequence[Journey] = ()
    top_ups: dict[int, list[Journey]] = field(default_factory=lambda: {n: [] for n, f in enumerate(FLOWS) if f.urgent})
    """By flow, those that have been answered once at least. They go on changing until the run is over."""
    delivered: Counter[tuple[int, int]] = field(default_factory=Counter)
    """By flow, and the bucket of TICK seconds in which it was."""
    answered: Counter[int] = field(default_factory=Counter)
    """Requests that have been answered once at least, by flow."""
    held: Counter[int] = field(default_factory=Counter)
    """Throttled answers, by flow."""
    failed: int = 0
    """Attempts that were neither delivered nor throttled."""

    def seen(self, journey: Journey, _sent: float, answered: float, outcome: Outcome) -> None:
        """Count one attempt."""
        flow = journey.user
        if journey.attempts == 1:
            self.answered[flow] += 1
            if flow in self.top_ups:
                self.top_ups[flow].append(journey)
        if outcome is Outcome.DELIVERED:
            self.delivered[flow, int(answered / TICK)] += 1
        elif outcome is Outcome.THROTTLED:
            self.held[flow] += 1
        else:
            self.failed += 1

    @property
    def last(self) -> Moment:
        """The latest moment; a quiet one before the first."""
        return self.moments[-1] if self.moments else Moment(0.0, GatewayStatus(), DspStatus())


Watch = Callable[[PrioritiesRecord], None]
