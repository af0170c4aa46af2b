"""The words of the engine: states, habits and events as numbers, what it writes down, and the DSP's retry strategy."""

from typing import Final

from sluicegate.simulate.engine.tracks import Case

DELIVERED: Final = 0
RETURNED: Final = 1
GIVEN_UP: Final = 2
QUARANTINED: Final = 3
PENDING: Final = 4

IMMEDIATE: Final = 1
FIXED: Final = 2
EXPONENTIAL: Final = 3
HONOUR: Final = 4

HAIR: Final = 1e-6
SOONEST: Final = 0.01  # seconds: even who comes back at once needs that long
LATE: Final = 0.005  # seconds, the mean: timers and the wire; were they exact, who came second would at each attempt

COMES_BACK: Final = 0  # an event: a User's SR is sent again
PLACE: Final = 1  # a place in time that a User's queue has earned
AGAIN: Final = 2  # the DSP tries a CSP again
TICK: Final = 3


class Log:
    """What has been learnt since it was last taken. Lists of equal length, see `run.Output`."""

    def __init__(self) -> None:
        self.tags: list[int] = []
        self.born: list[float] = []
        self.ended: list[float] = []
        self.other_cases: list[Case] = []
        self.other_ended: list[float] = []
        self.other_states: list[int] = []
        self.throttled: list[int] = []
        self.throttled_at: list[float] = []
        self.failed: list[int] = []
        self.failed_at: list[float] = []
        self.retried: list[int] = []
        self.retried_at: list[float] = []


class Strategy:
    """The DSP's retry strategy towards a CSP, see `world.DspRetry`."""

    def __init__(self, first: float, factor: float, ceiling: float, attempts: int, work: float) -> None:
        self.first = first
        self.factor = factor
        self.ceiling = ceiling
        self.attempts = attempts
        self.work = work

    def pause(self, sent: int) -> float:
        """Seconds before the next attempt, after so many."""
        return float(min(self.ceiling, self.first * self.factor ** (sent - 1)))
