"""What is counted of one User, or of one SRV of it: plain tuples, and how they are added."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sluicegate.operations.status import NONE, OUTCOMES, Counts

__all__ = ["ALL", "DAY", "HOUR", "MINUTE", "NONE", "OUTCOMES", "SECOND", "Counts", "SrvCounts", "added", "srv_added"]

SrvCounts = tuple[int, int, int]
"""within, excess, throttled. What was refused undecided is counted for the User alone."""

ALL: Final = ""
"""All Users together. No User has this name."""

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def added(one: Iterable[int], other: Iterable[int]) -> Counts:
    """The sum of two Users' counts, or of one at two times."""
    within, excess, throttled, rejected, backlog = (a + b for a, b in zip(one, other, strict=True))
    return within, excess, throttled, rejected, backlog


def srv_added(one: Iterable[int], other: Iterable[int]) -> SrvCounts:
    """The same for an SRV."""
    within, excess, throttled = (a + b for a, b in zip(one, other, strict=True))
    return within, excess, throttled
