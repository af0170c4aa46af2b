"""How long what waits will take, and what more allocation would do for it. Pure arithmetic on counts and rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Demand:
    """One class. waiting: SRs; arriving: SR/s, lately; deadline: seconds that each has."""

    rank: int
    waiting: int
    arriving: float
    deadline: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What to expect of one class.

    seconds: until what waits now has been sent; infinite where more urgent ones take all.
    in_time: whether all of it is sent in time, what still comes included.
    more: SR/s of allocation that would be needed for that, 0 where none is.
    """

    seconds: float
    in_time: bool
    more: float


def outlook(demands: Sequence[Demand], rate: float) -> dict[int, Expected]:
    """What to expect of each class, by rank, if the rate (SR/s) and the arrivals stay what they are.

    Strict priority: a class is served by what the more urgent ones leave. What waits of it, and of those before it, is
    a fluid of `waiting` SRs that drains at the rate less what arrives before it.
    """
    expected: dict[int, Expected] = {}
    before = arriving = 0.0
    for one in sorted(demands, key=lambda demand: demand.rank):
        queue = before + one.waiting
        left = rate - arriving
        if not one.waiting:
            seconds = 0.0
        elif left <= 0.0:
            seconds = inf
        else:
            seconds = queue / left if left < inf else 0.0
        needed = arriving + one.arriving + (queue / one.deadline if one.deadline > 0 else inf)
        more = max(0.0, needed - rate) if rate < inf else 0.0
        expected[one.rank] = Expected(seconds, more <= 1e-9, more)
        before, arriving = queue, arriving + one.arriving
    return expected
