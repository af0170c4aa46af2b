"""Arrivals: a Poisson process with the rates of the moment, by seed, a chunk at a time.

Within a step the rates stand still, so the SRs of each flow are a Poisson number and lie anywhere in it with
equal chance. Time (32 bits of the step) and flow (32 bits) make up one number, and one sort puts all in order.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.source import Chunk
from sluicegate.simulate.traffic.bursts import Bursts
from sluicegate.simulate.traffic.rates import STEP, Rates, steps_of

MOST_IN_A_CHUNK = 200_000
"""SRs expected in a chunk, at the most."""

_FLOWS_AN_SR = 2  # a Poisson number for a flow costs about half of what the choice of one SR's flow does
_BITS = np.uint64(32)
_PARTS = 2.0**32


class Arrivals:
    """The `Source` of a scenario. The same rates, bursts and seed give the same arrivals, each time they are read."""

    def __init__(self, rates: Rates, bursts: Bursts, seed: int) -> None:
        self._rates = rates
        self._bursts = bursts
        self._seed = seed

    @property
    def expected(self) -> float:
        """SRs, on average."""
        return float(self._rates.totals.sum())

    def chunks(self) -> Iterator[Chunk]:
        """One chunk for each step, or several where a step is very busy."""
        rates = self._rates
        # Streams of their own: more arrivals must not make other bursts.
        ours, theirs = (np.random.default_rng(part) for part in np.random.SeedSequence(self._seed).spawn(2))
        users = int(rates.users.max(initial=-1)) + 1
        intensities = self._bursts.intensities(users, STEP, theirs)
        for step in range(steps_of(rates.seconds)):
            start, end = rates.span(step)
            rate = rates.at(step, next(intensities))
            parts = max(1, math.ceil(float(rate.sum()) * (end - start) / MOST_IN_A_CHUNK))
            edges = [start + (end - start) * part / parts for part in range(parts)] + [end]
            for at, until in itertools.pairwise(edges):
                yield _chunk(rate, at, until, ours)


def _chunk(rate: NDArray[np.float64], start: float, end: float, rng: np.random.Generator) -> Chunk:
    flows = _flows(rate * (end - start), rng)
    keys = rng.integers(0, 2**32, flows.size, dtype=np.uint32).astype(np.uint64)
    keys <<= _BITS
    keys |= flows.astype(np.uint64)
    keys.sort()
    times = (keys >> _BITS).astype(np.float64)
    times *= (end - start) / _PARTS
    times += start
    return Chunk(start, end, times, keys.astype(np.uint32).view(np.int32))


def _flows(means: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """The flow of each SR, in any order, where each flow has a Poisson number of that mean.

    Where SRs are few beside the flows, one Poisson total and a choice for each SR: the same in law, and cheaper.
    """
    sums = np.cumsum(means)
    total = float(sums[-1]) if sums.size else 0.0
    if total == 0:
        return np.empty(0, dtype=np.intp)
    if means.size <= _FLOWS_AN_SR * total:
        return np.repeat(np.arange(means.size), rng.poisson(means))
    marks = rng.random(rng.poisson(total)) * total
    marks.sort()  # in order they are found about twice as fast
    chosen = np.searchsorted(sums, marks, side="right")
    last = np.searchsorted(sums, total, side="left")  # of those that send: rounding may step over it
    return np.minimum(chosen, last)
