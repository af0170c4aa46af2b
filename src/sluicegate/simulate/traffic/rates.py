"""Rates: SR/s of each flow in each step of time, before chance has a say."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.traffic.surges import Surge

STEP = 30.0
"""Seconds for which a rate stays the same."""


def steps_of(seconds: float) -> int:
    """How many steps a run has; the last one may be shorter."""
    return max(1, math.ceil(seconds / STEP - 1e-9))


@dataclass(frozen=True)
class Rates:
    """What each flow sends.

    seconds: how long.
    base: SR/s of each flow on the mean of a day.
    users, kinds: of each flow.
    shape: what the rate is multiplied by, for each kind and step.
    steady: flows that bursts do not touch, such as those that fire by a schedule.
    """

    seconds: float
    base: NDArray[np.float64]
    users: NDArray[np.intp]
    kinds: NDArray[np.intp]
    shape: NDArray[np.float64]
    steady: NDArray[np.bool_]
    surges: tuple[Surge, ...] = ()

    def span(self, step: int) -> tuple[float, float]:
        """When a step begins and ends."""
        return step * STEP, min((step + 1) * STEP, self.seconds)

    def at(self, step: int, intensity: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """SR/s of each flow in a step. `intensity` multiplies what a User sends, but for its steady flows."""
        start, end = self.span(step)
        rate: NDArray[np.float64] = self.base * self.shape[self.kinds, step]
        for surge in self.surges:
            level = surge.level(start, end)
            if level:
                rate[surge.flows] *= 1.0 + (surge.factor - 1.0) * level
                rate[surge.flows] += level * surge.extra
        if intensity is not None:
            rate *= np.where(self.steady, 1.0, intensity[self.users])
        return rate

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """SRs of each flow over the whole run, on average."""
        lengths = np.full(steps_of(self.seconds), STEP)
        lengths[-1] = self.seconds - STEP * (len(lengths) - 1)
        usual: NDArray[np.float64] = self.base * (self.shape @ lengths)[self.kinds]
        for step, length in enumerate(lengths):
            start, end = self.span(step)
            touched = [surge.flows for surge in self.surges if surge.level(start, end)]
            if touched:
                flows = np.unique(np.concatenate(touched))
                usual_now = self.base[flows] * self.shape[self.kinds[flows], step]
                usual[flows] += length * (self.at(step)[flows] - usual_now)
        return usual
