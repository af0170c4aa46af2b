"""Who sends in the simulation of a thousand workers, and who of them sent what when: seeded, in ticks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sluicegate.throttle import Limits

TICK = 0.00025  # seconds: requests are handed over in such steps
SIGMA = 1.5  # of the logarithm of an allocation: the largest hundredth of Users has a seventh of all


@dataclass
class Crowd:
    """Users with allocations that add up to four fifths of the threshold. Every second one, by size, sends nine tenths
    of its allocation, at random times; the others share what remains of the demand by their allocations.

    Attributes:
        limits: the capacity: a twentieth above the threshold.
        names, allocations (SR/s): of each, the largest first.
        rates: requests/s of each; all weigh 1 SR.
        conforming: whether it keeps to its allocation.
    """

    limits: Limits
    names: list[str]
    allocations: np.ndarray
    rates: np.ndarray
    conforming: np.ndarray

    def ticks(
        self, seconds: float, workers: int, seed: int, spread: int = 0
    ) -> Iterator[tuple[float, list[int], list[int]]]:
        """For each tick: when it ends, the Users that send in it, and the worker that each request comes to: any, or
        with `spread` one of so many, the same ones for all requests of a User."""
        chance = np.random.default_rng(seed)
        bounds = np.cumsum(self.rates) / self.rates.sum()
        expected = self.rates.sum() * TICK
        for number in range(round(seconds / TICK)):
            count = chance.poisson(expected)
            who = np.searchsorted(bounds, chance.random(count), side="right")
            where = chance.integers(0, spread or workers, count)
            if spread:
                where = (who * spread + where) % workers
            yield (number + 1) * TICK, who.tolist(), where.tolist()


def crowd(users: int, demand: float, threshold: float, seed: int) -> Crowd:
    """A crowd that sends `demand` requests/s against a threshold (SR/s)."""
    chance = np.random.default_rng(seed)
    sizes = np.sort(chance.lognormal(0.0, SIGMA, users))[::-1]
    allocations = sizes / sizes.sum() * 0.8 * threshold
    conforming = np.arange(users) % 2 == 0
    rates = np.where(conforming, 0.9 * allocations, 0.0)
    greedy = np.where(conforming, 0.0, allocations)
    rates += greedy / greedy.sum() * max(0.0, demand - rates.sum())
    limits = Limits(1.05 * threshold, threshold, 0.5)
    return Crowd(limits, [f"User {number}" for number in range(users)], allocations, rates, conforming)
