"""How often somebody may ask: a bank for each, filled at a rate."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

REMEMBERED: Final = 10_000
"""Who has asked least recently is forgotten first, and has a full bank again."""


class Allowance:
    """Times are seconds of the monotonic clock, passed in.

    Args:
        burst: at once.
        every: seconds for each further one.
    """

    def __init__(self, burst: int, every: float) -> None:
        self._burst = burst
        self._every = every
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """Take one. 0 where it was there; else nothing was taken, and it is after so many seconds."""
        full_at = max(now, self._full_at.get(key, now)) + self._every
        wait = full_at - now - self._burst * self._every
        if wait > 1e-9:
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > REMEMBERED:
            self._full_at.popitem(last=False)
        return 0.0
