"""What is planned: "20-50:down,60-70:slow=2", in seconds since the start."""

import enum
import math
from dataclasses import dataclass
from typing import NamedTuple

MOST_PHASES = 1000
MOST_CHARACTERS = 64 * 1024

_MOST = {"slow": 10_000.0, "latency": 3600.0, "fail": 1.0}


class State(enum.IntEnum):
    """What the stand-in does with whoever comes. Of several at once the largest holds."""

    UP = 0
    HANG = 1
    """Takes connections and messages, and never answers."""
    DOWN = 2
    """Refuses connections."""


class Condition(NamedTuple):
    """What holds now, beside the behaviour."""

    state: State = State.UP
    slow: float = 1.0
    """The latency is multiplied by this."""
    latency: float = 0.0
    """Seconds that are added to the latency."""
    fail: float = 0.0
    """Probability of a 500, where it is above the behaviour's."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One entry: what holds from ``start`` (included) to ``end`` (excluded)."""

    start: float
    end: float
    condition: Condition


@dataclass(frozen=True, slots=True)
class Schedule:
    """Phases, which may overlap."""

    phases: tuple[Phase, ...] = ()

    @classmethod
    def read(cls, text: str) -> "Schedule":
        """Entries ``START-END:WHAT`` joined by commas; WHAT is `down`, `hang`, `slow=F`, `latency=S`, `fail=P`.

        Without WHAT it is `down`. END may be left out: until the end. Raises ValueError, which names the entry.
        """
        if len(text) > MOST_CHARACTERS or text.count(",") >= MOST_PHASES:
            raise ValueError(f"a schedule has at most {MOST_PHASES} entries")
        return cls(tuple(_phase(entry.strip()) for entry in text.split(",") if entry.strip()))

    def at(self, seconds: float) -> Condition:
        """What holds so many seconds after the start."""
        now = [phase.condition for phase in self.phases if phase.start <= seconds < phase.end]
        if not now:
            return Condition()
        return Condition(
            max(one.state for one in now),
            math.prod(one.slow for one in now),
            sum(one.latency for one in now),
            max(one.fail for one in now),
        )

    def next_change(self, seconds: float) -> float:
        """When something begins or ends next; infinity if nothing does."""
        edges = [edge for phase in self.phases for edge in (phase.start, phase.end) if edge > seconds]
        return min(edges, default=math.inf)

    @property
    def slows(self) -> bool:
        """Whether a phase multiplies the latency."""
        return any(phase.condition.slow != 1.0 for phase in self.phases)


def _phase(entry: str) -> Phase:
    when, _, what = entry.partition(":")
    first, dash, last = when.partition("-")
    try:
        start, end = float(first), float(last) if last.strip() else math.inf
    except ValueError:
        dash, start, end = "", 0.0, 0.0
    if not dash or not 0 <= start < end or math.isinf(start):
        raise ValueError(f"{entry!a:.80}: an entry is START-END:WHAT in seconds, such as 20-50:down")
    return Phase(start, end, _condition(what.strip() or "down", entry))


def _condition(what: str, entry: str) -> Condition:
    if what == "down":
        return Condition(State.DOWN)
    if what == "hang":
        return Condition(State.HANG)
    name, _, figure = what.partition("=")
    most = _MOST.get(name)
    if most is None:
        raise ValueError(f"{entry!a:.80}: there are down, hang, slow=FACTOR, latency=SECONDS and fail=P")
    try:
        value = float(figure)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:
        raise ValueError(f"{entry!a:.80}: {name} takes a number from 0 to {most:g}")
    if name == "slow":
        return Condition(slow=value)
    return Condition(latency=value) if name == "latency" else Condition(fail=value)
