"""What counts where the capacity is cut below what was allocated: every allocation is scaled by the same factor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effective:
    """The allocations that count under a given maximum: `allocations[i]` SR/s for holder i.

    `factor` is 1.0 where the maximum bears them all, and below 1 where capacity was cut under their sum.
    """

    factor: float
    allocations: tuple[float, ...]


def effective(own: Sequence[float], maximum: float, total: float | None = None) -> Effective:
    """Allocations (SR/s) under a maximum of so many SR/s: as they are, or all cut by the same factor.

    What results never adds up to more than `maximum`. `total` is their sum, where it is known more exactly than floats
    add up. Raises ValueError for a maximum that is no rate.
    """
    if not 0 <= maximum < math.inf:
        raise ValueError(f"a maximum capacity is 0 SR/s or more, and this is {maximum}")
    total = math.fsum(own) if total is None else total
    if total <= maximum:
        return Effective(1.0, tuple(own))
    factor = maximum / total
    scaled = tuple(allocation * factor for allocation in own)
    while math.fsum(scaled) > maximum:  # by a rounding: two or three steps mend it
        factor = math.nextafter(factor, 0.0)
        scaled = tuple(allocation * factor for allocation in own)
    return Effective(factor, scaled)
