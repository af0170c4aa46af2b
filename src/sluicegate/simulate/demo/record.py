"""What is kept of a run: enough for the screen while it lasts, and for the table and the picture after it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sluicegate.simulate.demo.scenario import Scenario
from sluicegate.simulate.demo.statuses import DspStatus, GatewayStatus
from sluicegate.simulate.sender import Journey, Outcome

TICK = 0.25
"""Seconds between two looks at the gateway and the DSP, and the width of one bucket of attempts."""


@dataclass(frozen=True)
class Moment:
    """The gateway and the DSP ``at`` seconds from the start of the run."""

    at: float
    gateway: GatewayStatus
    dsp: DspStatus


@dataclass
class RunRecord:
    """One run, under way or over.

    ``attempts`` counts by (bucket of TICK seconds, User, outcome), the bucket being the one in which an attempt
    was sent; in ``answers`` it is the one in which it was answered.
    """

    scenario: Scenario
    enforce: bool
    moments: list[Moment] = field(default_factory=list)
    attempts: Counter[tuple[int, int, Outcome]] = field(default_factory=Counter)
    answers: Counter[tuple[int, int, Outcome]] = field(default_factory=Counter)
    journeys: Sequence[Journey] = ()

    def seen(self, journey: Journey, sent: float, answered: float, outcome: Outcome) -> None:
        """Count one attempt, in the buckets in which it was sent and answered."""
        self.attempts[int(sent / TICK), journey.user, outcome] += 1
        self.answers[int(answered / TICK), journey.user, outcome] += 1

    def offered(self, bucket: int, user: int) -> int:
        """Attempts that User number ``user`` sent in that bucket and that have been answered."""
        return sum(self.attempts[bucket, user, outcome] for outcome in Outcome)

    @property
    def last(self) -> Moment:
        """The latest moment; a quiet one before the first."""
        return self.moments[-1] if self.moments else Moment(0.0, GatewayStatus(), DspStatus())
