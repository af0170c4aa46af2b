"""What the throttle keeps of one User: its allocation bank, its place in the sharing, its Retry-After line."""

from sluicegate.throttle.depths import allocation_depth
from sluicegate.throttle.limits import Limits

GOLDEN = 0.6180339887498949


class Account:
    """One User's bank and its place among the others. Made by `Throttle`; read it freely, write to it never.

    Attributes:
        name: the User.
        allocation: a, in SR/s (the effective one).
        depth: D, of its allocation bank, in SR.
        level: what the bank held at `filled_at`, in SR.
        share: its weight in the sharing of the spare, `max(a, 1/B)`, in SR/s.
        mark: the level of the water (see `sharing`) at which its credit is nil, in seconds.
        last_weight: weight of its last excess, in SR, or 0.
        round: the round of the sharing in which it last asked for excess.
        slot: when its Retry-After line ends, in seconds of the throttle's clock.
        advised: how many times it was told to come back later.
        offset: where its jitter starts, in [0, 1).
    """

    __slots__ = (
        "advised",
        "allocation",
        "asked",
        "asked_before",
        "asked_until",
        "depth",
        "filled_at",
        "in_marks",
        "in_share",
        "in_weight",
        "last_weight",
        "level",
        "mark",
        "name",
        "offset",
        "round",
        "share",
        "slot",
    )

    def __init__(self, name: str, allocation: float, limits: Limits, now: float, index: int) -> None:
        self.name = name
        self.filled_at = now
        self.mark = 0.0
        self.last_weight = 0.0
        self.round = -1
        self.in_share = self.in_marks = self.in_weight = 0.0
        self.asked = self.asked_before = 0.0
        self.asked_until = now
        self.slot = float("-inf")
        self.advised = 0
        self.offset = (index * GOLDEN) % 1.0
        self.allocation = allocation
        self.share = max(allocation, 1.0 / limits.burst_seconds)
        self.depth = allocation_depth(allocation, limits.burst_seconds, limits.heaviest)
        self.level = self.depth

    def resize(self, allocation: float, limits: Limits, now: float) -> None:
        """Take another allocation. The bank keeps its level, as far as the new depth holds it."""
        self.level = self.level_at(now)
        self.filled_at = now
        self.allocation = allocation
        self.share = max(allocation, 1.0 / limits.burst_seconds)
        self.depth = allocation_depth(allocation, limits.burst_seconds, limits.heaviest)
        self.level = min(self.level, self.depth)

    def level_at(self, now: float) -> float:
        """What its allocation bank holds at `now`, in SR."""
        return min(self.depth, self.level + max(0.0, now - self.filled_at) * self.allocation)
