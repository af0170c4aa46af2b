"""Places where requests wait (at the upstream, in a backlog): how many at once, and who may have the last ones."""

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

    @property
    def spare(self) -> int:
        """Places that are neither taken nor kept for somebody; below 0 where more are taken than there are."""
        return self.most - self.taken - self._kept_free

    def share_out(self, most: int, seats: dict[str, Seats], allocations: dict[str, float]) -> None:
        """Take another number of places and other allocations; requests in flight keep theirs.

        Every User with an allocation has a place kept, as long as there are as many places as such Users.
        """
        total = sum(allocations.values())
        holders = sum(1 for allocation in allocations.values() if allocation > 0)
        least = 1 if holders <= most else 0
        to_share = max(0.0, KEPT * most - least * holders)
        self.most = most
        self._kept_free = 0
        for name, seat in seats.items():
            allocation = allocations[name]
            seat.kept = least + floor(to_share * allocation / total) if allocation > 0 else 0
            self._kept_free += max(0, seat.kept - seat.taken)

    def room_for(self, seat: Seats) -> bool:
        """Whether there is a place for a User's request."""
        return seat.taken < seat.kept or self.taken + self._kept_free < self.most

    def take(self, seat: Seats) -> None:
        """Take a place for a User's request; there is room for it."""
        if seat.taken < seat.kept:
            self._kept_free -= 1
        seat.taken += 1
        self.taken += 1

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
