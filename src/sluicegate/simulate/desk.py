"""The desk: a Plant that runs in real time on an event loop, and the three ways in which it answers.

- served: the caller is told when the plant has finished its SR, and ``latency`` seconds have passed;
- refused: the buffer is full, told at once;
- lost: held when an outage began (told by a reset connection), or arrived during one (told at once).
"""

import asyncio
import math
from collections.abc import Callable

from sluicegate.simulate.plant import Fate, Plant, PlantShape, State

Told = Callable[[Fate], None]


class Desk:
    """Takes SRs in for one plant. Without a shape it is unlimited: whatever comes is served at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, shape: PlantShape | None = None, latency: float = 0.0) -> None:
        """Open now. ``latency`` (seconds) is added to every answer of a served SR, beyond the plant's time."""
        self._loop = loop
        self.shape = shape
        self._latency = latency
        self._plant: Plant[Told] | None = Plant(shape, loop.time()) if shape else None
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = math.inf
        self._unlimited = 0

    def take(self, told: Told) -> Fate:
        """Offer one SR. REFUSED and LOST are the answer; after HELD, ``told`` is called later, once."""
        if self._plant is None:
            self._unlimited += 1
            self._answer(told, Fate.SERVED)
            return Fate.HELD
        now = self._loop.time()
        self._advance(now)
        fate = self._plant.arrive(told, now)
        if fate is Fate.HELD:
            self._wake(self._plant)
        return fate

    def status(self) -> dict[str, float | int | str | bool | None]:
        """What ``GET /stand-in/status`` tells. Rates in SR/s, times in seconds, the rest in SRs."""
        if self._plant is None:
            return {
                "state": "up", "overloaded": False, "capacity": None, "buffer": None, "queue": 0,
                "arrived": self._unlimited, "served": self._unlimited, "refused": 0, "lost": 0,
                "outages": 0, "down_seconds": 0.0,
            }  # fmt: skip
        now = self._loop.time()
        self._advance(now)
        plant, counts = self._plant, self._plant.counts
        return {
            "state": "down" if plant.state is State.DOWN else "up",
            "overloaded": plant.state is State.OVERLOADED,
            "capacity": plant.shape.capacity,
            "buffer": plant.shape.buffer,
            "queue": plant.held,
            "arrived": counts.arrived,
            "served": counts.served,
            "refused": counts.refused,
            "lost": counts.lost,
            "outages": counts.outages,
            "down_seconds": round(plant.down_seconds(now), 3),
        }

    def close(self) -> None:
        """Stop the timer; what is held is never answered."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _advance(self, now: float) -> None:
        assert self._plant is not None  # noqa: S101 - only a limited desk has time to follow
        for _, fate, told in self._plant.advance(now):
            self._answer(told, fate)

    def _answer(self, told: Told, fate: Fate) -> None:
        if self._latency and fate is Fate.SERVED:
            self._loop.call_later(self._latency, told, fate)
        else:
            told(fate)

    def _wake(self, plant: Plant[Told]) -> None:
        at = plant.next_event()
        if at >= self._wakes_at:
            return
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._due)
        self._wakes_at = at

    def _due(self) -> None:
        self._timer = None
        self._wakes_at = math.inf
        assert self._plant is not None  # noqa: S101 - the timer runs for a limited desk only
        self._advance(self._loop.time())
        self._wake(self._plant)
