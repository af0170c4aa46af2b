"""What one of several equal parts of a ledger is of the whole: a K-th of everything, but for the banks of the Users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

from sluicegate.throttle import Limits
from sluicegate.throttle.account import Size

CHANCE: Final = 3.0
"""How uneven a User's requests come to the parts: a bank there is so many standard deviations deeper than its K-th."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of `parts` equal parts. All amounts of the whole and of the part are SR and SR/s."""

    parts: int = 1

    def limits(self, whole: Limits) -> Limits:
        """The capacity of the part."""
        return replace(whole, maximum=whole.maximum / self.parts, threshold=whole.threshold / self.parts)

    def allocations(self, whole: Mapping[str, float]) -> dict[str, float]:
        """The allocations at the part."""
        return {name: allocation / self.parts for name, allocation in whole.items()}

    def deepest(self, whole: float, heaviest: float) -> float:
        """What all allocation banks of the part let out together at once, where they may do `whole` in all; two
        requests at least."""
        return whole if self.parts == 1 else max(whole / self.parts, 2.0 * heaviest)

    def size(self, whole: Size, heaviest: float) -> Size:
        """A User's bank and its width in the sharing, at the part.

        The bank fills at a K-th. It holds a whole request, and what comes to this part by chance: but no more than the
        User's bank does in all.
        """
        even = whole.depth / self.parts
        deeper = min(whole.depth, even + CHANCE * sqrt(heaviest * even) + heaviest)
        return Size(whole.allocation / self.parts, whole.share / self.parts, deeper if self.parts > 1 else whole.depth)
