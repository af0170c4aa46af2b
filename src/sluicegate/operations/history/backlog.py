"""Closed minutes that the database does not have yet. Bounded: the oldest go, and are counted."""

from __future__ import annotations

from collections import deque

from sluicegate.operations.history.writing import Closed


class Backlog:
    """What waits for the database.

    Args:
        most: octets that may wait.

    Attributes:
        octets: that wait.
        lost_minutes, lost_requests: what had to go, since the process started.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Closed] = deque()
        self.octets = self.lost_minutes = self.lost_requests = 0

    def add(self, closed: Closed) -> int:
        """One more; returns how many had to go for it."""
        self._waiting.append(closed)
        self.octets += _octets(closed)
        gone = 0
        while self.octets > self._most and len(self._waiting) > 1:
            oldest = self._waiting.popleft()
            self.octets -= _octets(oldest)
            self.lost_minutes += 1
            self.lost_requests += oldest.requests
            gone += 1
        return gone

    def first(self, most: int) -> list[Closed]:
        """The oldest ones."""
        return [self._waiting[at] for at in range(min(most, len(self._waiting)))]

    def written(self, seq: int) -> None:
        """The database has all up to this one."""
        while self._waiting and self._waiting[0].seq <= seq:
            self.octets -= _octets(self._waiting.popleft())

    def __len__(self) -> int:
        return len(self._waiting)


def _octets(closed: Closed) -> int:
    return len(closed.counts) + len(closed.srvs)
