"""Equivalent capacity: how many times the capacity, bought instead, delivers as many urgent SRs in time."""

import math
from dataclasses import dataclass, field
from typing import Any, Final

from sluicegate.simulate.measures.rounding import rounded

MOST: Final = 16.0
STEPS: Final = 512  # equal factors from 1 to MOST: one step is 0.54%, within the 1% that is promised
MOST_REQUESTS: Final = 3_000_000
"""Of worlds with more SRs than that it is looked for only when asked for: it takes up to eleven runs a policy."""


def target_of(share: float, offered: int) -> float:
    """What counts as the same share: one standard error below it, as of so many independent requests.

    Even with the same traffic, two policies differ by a request or two that a CSP happened to be slow with.
    """
    return share - math.sqrt(share * (1 - share) / max(offered, 1))


def factor(place: int) -> float:
    """The k at a place from 0 to STEPS. Searches meet at the same places, so that runs can be shared."""
    return round(float(MOST ** (place / STEPS)), 4)


@dataclass
class Search:
    """A bisection for the smallest k whose share reaches `target`, one evaluation at a time. See `target_of`.

    The same traffic is used throughout (common random numbers), and yet the share need not rise with every step of k:
    an outage more or less is chance. So the k found is one that reaches the target while the k tried next below it
    does not, and all that was tried is kept.
    """

    target: float
    tried: dict[float, float] = field(default_factory=dict)
    _low: int = 0
    _high: int = STEPS

    @property
    def wanted(self) -> float | None:
        """The k to evaluate next; None at the end."""
        if 1.0 not in self.tried:
            return 1.0
        if self.tried[1.0] >= self.target:
            return None
        if MOST not in self.tried:
            return MOST
        if self.tried[MOST] < self.target or self._high - self._low <= 1:
            return None
        return factor((self._low + self._high) // 2)

    def tell(self, k: float, share: float) -> None:
        """What `wanted` came to."""
        between = 1.0 in self.tried and MOST in self.tried
        self.tried[k] = share
        if between:
            middle = (self._low + self._high) // 2
            if share >= self.target:
                self._high = middle
            else:
                self._low = middle

    def result(self) -> dict[str, Any]:
        """`equivalent_capacity`, at the end or as far as it came."""
        tried = [[k, rounded(share)] for k, share in sorted(self.tried.items())]
        if self.wanted is not None:
            return absent("It was stopped before it was found.", tried)
        if self.tried[1.0] >= self.target:
            return {"k": 1.0, "reached": True, "why": "The capacity that there is reaches it.", "tried": tried}
        if self.tried[MOST] < self.target:
            return absent(f"{MOST:g} times the capacity does not reach it.", tried)
        return {"k": factor(self._high), "reached": True, "why": "", "tried": tried}


def absent(why: str, tried: list[Any] | None = None) -> dict[str, Any]:
    """No k, and why."""
    return {"k": None, "reached": False, "why": why, "tried": tried or []}
