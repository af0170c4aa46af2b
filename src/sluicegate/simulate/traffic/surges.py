"""Surges: what some flows send beyond their day, from one time to another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Surge:
    """`flows` send `factor` times their rate and `extra` SR/s more (one figure for each of the flows), at its height.

    It begins at `start` and is over at `end` (seconds); it takes `ramp` seconds to rise, and as long to fall.
    """

    start: float
    end: float
    flows: NDArray[np.intp]
    factor: float = 1.0
    extra: NDArray[np.float64] | float = 0.0
    ramp: float = 0.0

    def level(self, start: float, end: float) -> float:
        """The part of its height, 0 to 1, that the surge has on average from `start` to `end`."""
        overlap = min(end, self.end) - max(start, self.start)
        if overlap <= 0:
            return 0.0
        middle = (min(end, self.end) + max(start, self.start)) / 2
        rise = min(middle - self.start, self.end - middle) / self.ramp if self.ramp else 1.0
        return overlap / (end - start) * min(1.0, rise)

    @property
    def area(self) -> float:
        """Seconds at full height that would bring as many SRs as the whole surge does."""
        ramp = min(self.ramp, (self.end - self.start) / 2)
        top = ramp / self.ramp if self.ramp else 1.0
        return (self.end - self.start - ramp) * top
