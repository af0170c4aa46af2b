"""The plant: a DSP with a finite capacity, a buffer, and the failure that traffic management prevents.

Pure and clockless: times are passed in. The live stand-in runs it; when the buffer is full, when the DSP fails and
when it is up again is for `engine.server.Server` to say, which the simulator runs too.

One server, first in, first out, each Service Request (SR) takes ``1 / capacity`` seconds. An SR that
finds the buffer full is refused. When overload has lasted ``outage_after`` seconds the DSP fails: what it
holds is lost, and so is whatever arrives until it has restarted. Work that finishes at the very instant
at which the outage would begin is finished first, and may end the overload.
"""

import enum
import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from sluicegate.simulate.engine import server

Ticket = TypeVar("Ticket")


class State(enum.Enum):
    """Where the plant is; see the picture in `engine.server`."""

    UP = "up"
    OVERLOADED = "overloaded"
    DOWN = "down"


class Fate(enum.Enum):
    """What became of one arrival. Every arrival ends in exactly one of the last three."""

    HELD = "held"
    SERVED = "served"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True)
class PlantShape:
    """How big the plant is and how it fails.

    ``capacity`` is in SR/s, ``buffer`` in SRs (the one in service included), ``outage_after`` and
    ``restart`` in seconds. ``high_mark`` is the part of the buffer from which on the plant counts as
    overloaded.
    """

    capacity: float
    buffer: int
    outage_after: float = math.inf
    restart: float = 0.0
    high_mark: float = 0.6

    def __post_init__(self) -> None:
        """Raise ValueError, naming the figure, for a plant that cannot be."""
        if not 0 < self.capacity < math.inf:
            raise ValueError(f"capacity must be a finite number of SR/s above 0, not {self.capacity}")
        if self.buffer < 1:
            raise ValueError(f"buffer must hold at least 1 SR, not {self.buffer}")
        if not self.outage_after > 0:
            raise ValueError(f"outage_after must be above 0 seconds, not {self.outage_after}")
        if not 0 <= self.restart < math.inf:
            raise ValueError(f"restart must be 0 seconds or more, not {self.restart}")
        if not 0 < self.high_mark <= 1:
            raise ValueError(f"high_mark is a part of the buffer, above 0 and at most 1, not {self.high_mark}")

    @property
    def mark(self) -> int:
        """SRs held from which on the plant is overloaded."""
        return max(1, math.ceil(self.buffer * self.high_mark))


@dataclass(slots=True)
class Counts:
    """SRs since the start. ``arrived`` = ``served`` + ``refused`` + ``lost`` + what is held now."""

    arrived: int = 0
    served: int = 0
    refused: int = 0
    lost: int = 0
    outages: int = 0


_STATES = {server.UP: State.UP, server.OVERLOADED: State.OVERLOADED, server.DOWN: State.DOWN}
_FATES = {server.REFUSED: Fate.REFUSED, server.LOST: Fate.LOST}


class Plant(Generic[Ticket]):
    """One DSP. ``arrive`` and ``advance`` move it on; a time that lies back counts as the latest."""

    def __init__(self, shape: PlantShape, now: float = 0.0) -> None:
        """Start up and empty at ``now`` (seconds on any clock that the caller keeps to)."""
        self.shape = shape
        self.counts = Counts()
        self._now = now
        self._server = server.Server(
            shape.capacity, float(shape.buffer), shape.outage_after, shape.restart, shape.high_mark, now
        )
        self._held: deque[tuple[float, Ticket]] = deque()  # (when it will be finished, whose it is)

    @property
    def state(self) -> State:
        """Where the plant is."""
        return _STATES[self._server.state]

    @property
    def held(self) -> int:
        """SRs accepted and not yet finished, the one in service included."""
        return len(self._held)

    def down_seconds(self, now: float) -> float:
        """Seconds spent in outages until ``now``."""
        return self._server.down_seconds(now)

    def next_event(self) -> float:
        """When ``advance`` will next have something to do; infinity when nothing is under way."""
        finish = self._held[0][0] if self._held else math.inf
        return min(finish, self._server.turn_at)

    def arrive(self, ticket: Ticket, now: float) -> Fate:
        """Offer one SR at ``now``. HELD: its fate will come out of ``advance``; REFUSED and LOST are final.

        Call ``advance(now)`` first to learn what finished before this arrival; what has not been
        collected by then stays to be collected, but the arrival would meet a fuller buffer than it
        should. So ``arrive`` raises RuntimeError when an event before ``now`` is waiting.
        """
        now = max(now, self._now)
        if self.next_event() <= now:
            raise RuntimeError(f"advance({now}) before arrive({now}): something happened at {self.next_event()}")
        self._now = now
        self.counts.arrived += 1
        finish = self._server.offer(1.0, now)
        if finish >= 0.0:
            self._held.append((finish, ticket))
            return Fate.HELD
        self.counts.refused = self._server.refused
        self.counts.lost += finish == server.LOST
        return _FATES[finish]

    def advance(self, now: float) -> list[tuple[float, Fate, Ticket]]:
        """Move to ``now`` and say what became of whom: (time, SERVED or LOST, ticket), in order of time."""
        now = self._now = max(now, self._now)
        done: list[tuple[float, Fate, Ticket]] = []
        while (at := self.next_event()) <= now:
            if self._held and self._held[0][0] <= self._server.turn_at:
                self.counts.served += 1
                done.append((at, Fate.SERVED, self._held.popleft()[1]))
            if self._server.advance(at):
                self._lose(at, done)
        return done

    def _lose(self, at: float, done: list[tuple[float, Fate, Ticket]]) -> None:
        done.extend((at, Fate.LOST, ticket) for _, ticket in self._held)
        self.counts.lost += len(self._held)
        self.counts.outages += 1
        self._held.clear()
