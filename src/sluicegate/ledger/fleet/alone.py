"""How a worker decides while the ledger is away: by its share of all, and of the bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sluicegate.throttle import THROTTLED, Limits, Throttle, system_depth
from sluicegate.throttle.sharing import EPSILON


class Alone:
    """An ordinary throttle with a share of the capacity, the threshold and every allocation, its banks empty at first.

    Above it a ceiling, a bank of the same share of the maximum capacity: small Users' banks hold a whole request
    whatever the share, and at many workers those would add up to more than one process admits.

    Args:
        limits, allocations, deepest: of the whole: `deepest` is the sum of the D_i, in SR.
        share: above 0.
        now: when the banks begin to fill, in seconds: what the worker had in hand has lapsed then, and the ledger
            fills that much slower. Before, nothing is admitted.

    Attributes:
        until: when the lease ends, after which nothing is admitted, in seconds; without end where that is wanted.
    """

    def __init__(
        self,
        limits: Limits,
        allocations: Mapping[str, float],
        reserves: Mapping[str, float],
        deepest: float,
        share: float,
        now: float,
    ) -> None:
        own = {name: allocation * share for name, allocation in allocations.items()}
        part = replace(limits, maximum=limits.maximum * share, threshold=limits.threshold * share)
        self.throttle = Throttle(part, own, now, reserves)
        self.throttle.empty(now)
        self._rate = limits.maximum * share
        self._depth = share * (deepest + system_depth(limits.threshold, limits.burst_seconds, limits.heaviest))
        self._level = 0.0
        self._at = now
        self.until = float("inf")

    def closed_at(self, now: float) -> bool:
        """Whether nothing is admitted any more."""
        return now >= self.until

    def decide(self, name: str, weight: float, now: float, reserve: float) -> int:
        """As `Throttle.decide`."""
        if now > self._at:
            self._level = min(self._depth, self._level + (now - self._at) * self._rate)
            self._at = now
        if self._level < weight - EPSILON or now >= self.until:
            return THROTTLED
        throttle = self.throttle
        outcome = throttle.decide(throttle.account(name), weight, now, reserve)
        if outcome != THROTTLED:
            self._level -= weight
        return outcome

    def retry_after(self, name: str, weight: float, now: float, rank: int, reserve: float) -> int:
        """As `Throttle.retry_after`."""
        return self.throttle.retry_after(self.throttle.account(name), weight, now, rank, reserve)
