"""Places at the upstream: how many requests may wait there at once, and who may have the last ones."""

from __future__ import annotations

from math import floor

KEPT = 0.5  # this part of the places is kept for the Users, in proportion to their allocations


class Places:
    """`max_in_flight` places. Half of them are kept, so that nobody's slow requests can take everybody's places.

    A User that has fewer requests in flight than its kept places always finds one; beyond that it takes what is
    neither taken nor kept for somebody else. Each operation is O(1).
    """

    __slots__ = ("_kept_free", "most", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self._kept_free = 0

    def share_out(self, most: int, seats: dict[str, Seats], allocations: dict[str, float]) -> None:
        """Take another number of places and other allocations; requests in flight keep theirs."""
        total = sum(allocations.values())
        self.most = most
        self._kept_free = 0
        for name, seat in seats.items():
            part = allocations[name] / total if total > 0 else 0.0
            seat.kept = floor(KEPT * most * part)
            self._kept_free += max(0, seat.kept - seat.taken)

    def take(self, seat: Seats) -> bool:
        """Take a place for a User's request, if there is one for it."""
        if seat.taken < seat.kept:
            self._kept_free -= 1
        elif self.taken + self._kept_free >= self.most:
            return False
        seat.taken += 1
        self.taken += 1
        return True

    def leave(self, seat: Seats) -> None:
        """The request has its answer."""
        seat.taken -= 1
        self.taken -= 1
        if seat.taken < seat.kept:
            self._kept_free += 1


class Seats:
    """One User's places: how many are kept for it, and how many it has taken."""

    __slots__ = ("kept", "taken")

    def __init__(self) -> None:
        self.kept = 0
        self.taken = 0
