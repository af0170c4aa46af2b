"""What one of several equal parts of a ledger is of the whole: a K-th of everything, but for the banks of the Users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import Final

from sluicegate.throttle import Limits
from sluicegate.throttle.account import Account, Size
from sluicegate.throttle.depths import allocation_depth

CHANCE: Final = 3.0
"""A User's requests come to the parts unevenly: a bank there is so many standard deviations deeper than its K-th,"""
FEW: Final = 8.0
"""and so many requests of the heaviest weight."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of `parts` equal parts. Amounts are SR and SR/s; `whole` is what the settings say, for all parts together."""

    parts: int = 1

    def limits(self, whole: Limits) -> Limits:
        """The capacity of the part."""
        return replace(whole, maximum=whole.maximum / self.parts, threshold=whole.threshold / self.parts)

    def allocations(self, whole: Mapping[str, float]) -> dict[str, float]:
        """The allocations at the part."""
        return {name: allocation / self.parts for name, allocation in whole.items()}

    def deepest(self, whole: float, heaviest: float) -> float:
        """What all allocation banks of the part let out together at once, where all parts may do `whole`: two requests
        at least."""
        return whole if self.parts == 1 else max(whole / self.parts, 2.0 * heaviest)

    def depth(self, whole: float, heaviest: float) -> float:
        """How deep a bank is at the part that would be `whole` deep with one ledger.

        It bears what comes to this part by chance; but never more than the User's bank does in all, and one request.
        """
        if self.parts == 1 or whole == 0.0:
            return whole
        even = whole / self.parts
        return min(whole + heaviest, even + CHANCE * sqrt(heaviest * even) + FEW * heaviest)

    def reserve(self, whole: float, heaviest: float) -> float:
        """What is kept at the part for a User's more urgent requests: they come unevenly too. What can be no reserve
        stays what it is."""
        return self.depth(whole, heaviest) if self.parts > 1 and 0.0 <= whole < inf else whole

    def whole_depth(self, account: Account, limits: Limits, reserve: float) -> float:
        """How deep the User's bank would be with one ledger: `account`, `limits` are the part's, `reserve` is not."""
        allocation = account.allocation * self.parts
        return allocation_depth(allocation, limits.burst_seconds, limits.heaviest, reserve)

    def fit(self, account: Account, limits: Limits, reserve: float, now: float) -> float:
        """Give an account of a throttle with the part's limits the size that it has at the part: how deep its bank is,
        and how wide its vessel. `reserve` is of the whole. Returns how deep the bank would be with one ledger.

        A vessel's least width (1/B with one ledger) is divided like the allocations, else many parts would share the
        spare evenly among all who have little.
        """
        if self.parts == 1:
            return account.depth
        least, whole = self.whole_depth(account, limits, 0.0), self.whole_depth(account, limits, reserve)
        depth = self.depth(least, limits.heaviest) + self.reserve(whole - least, limits.heaviest)
        width = max(account.allocation, 1.0 / limits.burst_seconds / self.parts)
        account.resize(Size(account.allocation, width, depth), now)
        return whole
