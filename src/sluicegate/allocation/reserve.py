"""How large a reserve must be, for urgent requests that come at random."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from typing import Final

STEPS: Final = 200  # per token: the grid on which the bank is looked at; what is lost comes out up to 2% too small
MOST: Final = 50.0
"""Requests: an urgent load that needs more than this wants an allocation, and not a reserve."""
LIKELY_PART: Final = 0.5  # of the allocation: an urgent load that nobody has stated
SERVED: Final = 0.999


@lru_cache(maxsize=256)  # `check` asks it of every User, and most have the same reserves
def served_by(reserve: float, part: float) -> float:
    """What part of Poisson requests a bank of `reserve` of them serves that is filled at 1/`part` of their rate.

    The bank is a queue with one server and constant service (M/D/1) whose unfinished work may not exceed the reserve: a
    request is lost if it finds more than `reserve - 1`. Its stationary distribution on a grid of 1/STEPS, by balance of
    flows from below (the work falls by one step at a time). PASTA: a request sees that distribution.
    """
    if reserve < 1.0:
        return 0.0
    last, limit = int(reserve * STEPS), int((reserve - 1.0) * STEPS)
    comes = part / STEPS
    work = [1.0, comes / (1.0 - comes)]
    for at in range(1, last):
        jumped = work[at - STEPS + 1] if 0 <= at - STEPS + 1 <= limit else 0.0
        stays = 1.0 - comes if at + 1 <= limit else 1.0
        work.append(max(0.0, (work[at] - comes * jumped) / stays))
    return sum(work[: limit + 1]) / sum(work)


def proposed_reserve(part: float, served: float = SERVED) -> int | None:
    """The least whole reserve, in requests, that serves so much of an urgent load of `part` of the allocation.

    Args:
        part: of the allocation, above 0; the load is Poisson.
        served: part of its requests, below 1.

    Returns:
        None where MOST requests would not do: the load does not fit into the allocation, or hardly.

    Raises:
        ValueError: one of them cannot be.
    """
    if not (part > 0 and isfinite(part)):
        raise ValueError(f"a part of the allocation is above 0, and this is {part}")
    if not 0 < served < 1:
        raise ValueError(f"what is served is above 0 and below 1, and this is {served}")
    if part >= 1:
        return None
    return next((whole for whole in range(1, int(MOST) + 1) if served_by(float(whole), part) >= served), None)
