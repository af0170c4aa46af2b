"""What a configuration can let through at most, whatever Users send."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from sluicegate.allocation import Book, Profile
from sluicegate.settings import Capacity
from sluicegate.throttle import Teams
from sluicegate.throttle.depths import allocation_depth, system_depth
from sluicegate.throttle.profiled import on_top


@dataclass(frozen=True, slots=True)
class Bounds:
    """The two figures that the DSP must bear: it admits `sustained * w + worst_burst` in w seconds at most.

    `worst_burst` (SR) is what all banks hold when they are full: what may arrive at once after a lull.
    `sustained` (SR/s) is the rate that goes on: the operating threshold, or the sum of the allocations where
    that is higher, for a User within its allocation is never throttled. It never exceeds the maximum.

    They hold while everybody is throttled: not for a User, or a gateway, that is set to `enforce = false`.
    """

    worst_burst: float
    sustained: float


def bounds(capacity: Capacity, book: Book, own: float = 0.0) -> Bounds:
    """The bounds of a capacity with the allocations of a book, as they count under that capacity.

    `own`: by how much every User may make its bank deeper itself, in SR, where its profile in the book does not.
    """
    burst, heaviest = capacity.burst_seconds, capacity.heaviest
    effective = book.effective(capacity.maximum).allocations
    system = system_depth(capacity.operating_threshold, burst, heaviest)
    allocated = sum(
        allocation_depth(allocation, burst, heaviest, max(own, deeper(holder.profile, allocation, capacity)))
        for holder, allocation in zip(book.holders, effective, strict=True)
    )
    # The book's own total where nothing was cut: it is free of the rounding of a sum of floats.
    within = min(book.total, capacity.maximum)
    return Bounds(worst_burst=system + allocated, sustained=max(capacity.operating_threshold, within))


class ShutOut(NamedTuple):
    """For how many seconds excess could be shut out, had all Users spent all that they reserved at once.

    `least`: where nobody sends within its allocation meanwhile; `most`: where all do, infinite where the allocations
    leave nothing of the threshold.
    """

    least: float
    most: float


LONGEST_SHUT_OUT: Final = 2.0
"""Seconds: as `ShutOut.least` more than this may surprise."""


def shut_out(capacity: Capacity, book: Book, own: float = 0.0, everybody: bool = True) -> ShutOut:
    """How long reserves could shut out excess: what they let out within allocations, the system bank owes.

    It comes on top of the time that the banks themselves could do so for, about a burst. `own` as in `bounds`, for
    `everybody` or only for those who have a profile in the book.
    """
    allocations = book.effective(capacity.maximum).allocations
    on_top = sum(
        max(own if everybody or holder.profile is not None else 0.0, deeper(holder.profile, allocation, capacity))
        for holder, allocation in zip(book.holders, allocations, strict=True)
        if allocation > 0
    )
    threshold = capacity.operating_threshold
    left = threshold - min(book.total, capacity.maximum)
    if on_top == 0.0:
        return ShutOut(0.0, 0.0)
    return ShutOut(on_top / threshold, on_top / left if left > 0 else inf)


def fitting_reserve(capacity: Capacity, book: Book, most: int, everybody: bool = True) -> int:
    """The largest whole reserve up to `most`, in requests, that all could have without a `LONGEST_SHUT_OUT`.

    For `everybody`, or those only who have a profile in the book. 0 also where what stands in the book is too much.
    """
    tried = range(1, most + 1)
    return bisect(tried, LONGEST_SHUT_OUT, key=lambda own: shut_out(capacity, book, float(own), everybody).least)


def deeper(profile: Profile | None, allocation: float, capacity: Capacity) -> float:
    """How much deeper a profile makes the bank of a User with an allocation (SR/s, the effective one), in SR."""
    if profile is None:
        return 0.0
    burst, heaviest = capacity.burst_seconds, capacity.heaviest
    teams = Teams(profile.parts, allocation, burst, heaviest, 0.0) if profile.teams and allocation > 0 else None
    return on_top(teams, allocation, profile.reserve, burst, heaviest)
