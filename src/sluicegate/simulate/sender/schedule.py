"""When requests are meant to leave: given in advance, so that two runs can have the same."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """``rate`` (SR/s) for ``seconds``."""

    seconds: float
    rate: float

    def __post_init__(self) -> None:
        """Raise ValueError for a phase that has no finite, non-negative length and rate."""
        if not (0 <= self.seconds < math.inf and 0 <= self.rate < math.inf):
            raise ValueError(f"a phase needs a length and a rate of 0 or more, and finite: {self}")


def fixed_times(phases: Sequence[Phase]) -> list[float]:
    """Seconds from the start at which requests leave, evenly spaced within each phase."""
    return list(_unit_times(phases, lambda: 1.0, first=0.5))


def poisson_times(phases: Sequence[Phase], seed: int | str) -> list[float]:
    """Seconds from the start, as a Poisson process whose rate follows the phases; same seed, same times."""
    chance = random.Random(seed)  # noqa: S311 - traffic, not secrets
    return list(_unit_times(phases, lambda: chance.expovariate(1.0), first=chance.expovariate(1.0)))


def _unit_times(phases: Sequence[Phase], gap: Callable[[], float], first: float) -> Iterator[float]:
    """Walk a process of rate 1 through the phases: time there is the integral of the rate here."""
    target, passed, start = first, 0.0, 0.0
    for phase in phases:
        units = phase.seconds * phase.rate
        while target < passed + units:
            yield start + (target - passed) / phase.rate
            target += gap()
        passed += units
        start += phase.seconds
