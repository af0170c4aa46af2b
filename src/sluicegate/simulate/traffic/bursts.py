"""Bursts: minutes in which one User, or all Users together, send more or less than their day has it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Bursts:
    """A log-normal intensity of mean 1 for each User, which forgets itself in `minutes`.

    Its logarithm is an Ornstein-Uhlenbeck process, taken at the steps (there it is exactly an AR(1) process).

    spread: standard deviation of the logarithm; 0 is plain Poisson traffic. With 0.3, a
        fifteenth of the time is at more than one and a half times the usual rate.
    minutes: time constant of the correlation.
    together: the part of the variance that all Users share, 0 to 1.
    """

    spread: float = 0.0
    minutes: float = 3.0
    together: float = 0.0

    def intensities(self, users: int, step: float, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """One array (by User) for each step of `step` seconds, without an end."""
        if self.spread == 0:
            while True:
                yield np.ones(users)
        keep = math.exp(-step / (60.0 * self.minutes))
        renew = math.sqrt(1.0 - keep * keep)
        shared, own = self.spread * math.sqrt(self.together), self.spread * math.sqrt(1.0 - self.together)
        state = rng.standard_normal(users + 1)
        while True:
            yield np.exp(shared * state[0] + own * state[1:] - self.spread**2 / 2)
            state = keep * state + renew * rng.standard_normal(users + 1)
