"""What the throttle keeps of one User: its allocation bank, its place in the sharing, its Retry-After line."""

from typing import Final, NamedTuple

from sluicegate.throttle.depths import allocation_depth
from sluicegate.throttle.limits import Limits
from sluicegate.throttle.teams import Teams

GOLDEN: Final = 0.6180339887498949
FLOWS: Final = -1.0  # in place of what a full vessel holds, where it is not full and rises with the water


class Round:
    """What the Users add up to who last asked for excess in one short stretch of time: see `sharing`."""

    __slots__ = ("counts", "marks", "members", "number", "shares")

    def __init__(self, number: int, counts: bool = False) -> None:
        self.number = number
        self.counts = counts
        self.shares = self.marks = 0.0
        self.members = 0


LONG_AGO = Round(-1_000_000)


class Size(NamedTuple):
    """What follows from an allocation. Users with the same share one, which spares memory on the way of a decision."""

    allocation: float
    share: float
    depth: float

    @classmethod
    def of(cls, allocation: float, reserve: float, limits: Limits) -> "Size":
        depth = allocation_depth(allocation, limits.burst_seconds, limits.heaviest, reserve)
        return cls(allocation, max(allocation, 1.0 / limits.burst_seconds), depth)


class Line:
    """The Retry-After line of one class of a User: attributes as those of `Account`."""

    __slots__ = ("advised", "offset", "slot")

    def __init__(self, offset: float) -> None:
        self.slot = float("-inf")
        self.advised = 0
        self.offset = offset


class Account:
    """One User's bank and its place among the others. Made by `Throttle`; read it freely, write to it never.

    Attributes:
        name: the User.
        allocation: a, in SR/s (the effective one).
        depth: D, of its allocation bank, in SR.
        deepest: the greatest depth since the last `reconfigure`: what that let out is not forgiven when a
            profile is taken back.
        level: what the bank held at `filled_at`, in SR.
        share: its weight in the sharing of the spare, `max(a, 1/B)`, in SR/s.
        mark: the level of the water (see `sharing`) at which its credit is nil, in seconds.
        held: what stood in its vessel when that was last full, in SR; below 0: it is not full.
        asked: how much excess it asks for in a burst that began in round `asked_since`, as far as that matters, in SR.
        asked_before: the same of the burst before that, in SR.
        last_weight: weight of its last excess, in SR, or 0.
        round: the round of the sharing in which it last asked for excess.
        slot: when its Retry-After line ends, in seconds of the throttle's clock; with a profile, where that of before
            it ended.
        advised: how many times it was told to come back later.
        offset: where its jitter starts, in [0, 1).
        profiled: whether it has a priority profile.
        lines: of a User with a profile, or that had one, the line of each class that was told to come back.
        teams: the banks of its teams; None without any.
    """

    __slots__ = (
        "advised",
        "allocation",
        "asked",
        "asked_before",
        "asked_since",
        "deepest",
        "depth",
        "filled_at",
        "held",
        "last_weight",
        "level",
        "lines",
        "mark",
        "name",
        "offset",
        "profiled",
        "round",
        "share",
        "slot",
        "teams",
    )

    def __init__(self, name: str, size: Size, now: float, index: int) -> None:
        self.name = name
        self.filled_at = now
        self.mark = 0.0
        self.last_weight = 0.0
        self.round = LONG_AGO
        self.held = FLOWS
        self.asked = self.asked_before = 0.0
        self.asked_since = LONG_AGO.number
        self.slot = float("-inf")
        self.advised = 0
        self.offset = (index * GOLDEN) % 1.0
        self.profiled = False
        self.lines: list[Line] = []
        self.teams: Teams | None = None
        self.allocation, self.share, self.depth = size
        self.level = self.deepest = self.depth

    def resize(self, size: Size, now: float) -> None:
        """Take another allocation. The bank keeps its level, as far as the new depth holds it."""
        self.level = self.level_at(now)
        self.filled_at = now
        self.allocation, self.share, self.depth = size
        self.level = min(self.level, self.depth)
        if self.depth > self.deepest:
            self.deepest = self.depth

    def level_at(self, now: float) -> float:
        """What its allocation bank holds at `now`, in SR."""
        return min(self.depth, self.level + max(0.0, now - self.filled_at) * self.allocation)
