"""What became of SRs, by class, since the start: for the status, the metrics and the demand."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sluicegate.relay.errand import End, Errand

BOUNDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
"""Seconds from an SR's arrival to its end."""


@dataclass(slots=True)
class ClassTally:
    """Of one class. An SR that came ends as one of `acknowledged`, `refused`, `expired`, `given_back`."""

    came: int = 0
    stored: int = 0
    joined: int = 0
    """The same message again, while the first one waited: it got that one's answer."""
    acknowledged: int = 0
    refused: int = 0
    expired: int = 0
    dropped: int = 0
    """Of the expired: because their sender had left."""
    given_back: int = 0
    """Not taken: the gateway's 429 or 503 went back to its sender, for there was no safe place to wait."""
    attempts: int = 0
    throttled: int = 0
    behind: int = 0
    failed: int = 0
    left: int = 0
    """Senders that left before the answer."""
    seconds: float = 0.0
    """From arrival to end, of those acknowledged."""
    times: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))


LATELY = 30.0
"""Seconds over which the rates of arrival are taken."""


class Arriving:
    """How fast SRs of each class come, lately."""

    def __init__(self, ranks: int) -> None:
        self._rates = [0.0] * ranks
        self._counts = [0] * ranks
        self._at: float | None = None

    def look(self, now: float, counts: Sequence[int]) -> None:
        """So many have come by now, of each class. `now`: seconds of the monotonic clock."""
        before, self._at = self._at, now
        if before is not None and now > before:
            part = min(1.0, (now - before) / LATELY)
            for rank, count in enumerate(counts):
                rate = (count - self._counts[rank]) / (now - before)
                self._rates[rank] += part * (rate - self._rates[rank])
        self._counts = list(counts)

    def rate(self, rank: int) -> float:
        """SR/s."""
        return self._rates[rank]


class Watcher(Protocol):
    """Who else wants to hear of it."""

    def came(self, errand: Errand) -> None:
        """A new SR."""

    def stored(self, errand: Errand) -> None:
        """It must wait, and is safe."""

    def recovered(self, errand: Errand) -> None:
        """It waits since before the start."""

    def sent(self, errand: Errand) -> None:
        """An attempt begins."""

    def ended(self, errand: Errand, end: End, now: float) -> None:
        """It has come to its end."""


class Tally:
    """All classes.

    Args:
        ranks: how many there are.
        watcher: hears of all that is counted by SR.
    """

    def __init__(self, ranks: int, watcher: Watcher | None = None) -> None:
        self.classes: Sequence[ClassTally] = tuple(ClassTally() for _ in range(ranks))
        self.full = 0
        """SRs that were not taken: as much waits as may."""
        self.unsafe = 0
        """... the store could not take them."""
        self.wishes = 0
        """... their fields Sluicegate-* could not be understood."""
        self.draining = 0
        """... the relay was about to stop."""
        self.recovered_count = 0
        """SRs that an earlier life had left."""
        self._watcher = watcher

    def came(self, errand: Errand) -> None:
        """A new SR."""
        self.classes[errand.rank].came += 1
        if self._watcher is not None:
            self._watcher.came(errand)

    def stored(self, errand: Errand) -> None:
        """It must wait, and is safe."""
        self.classes[errand.rank].stored += 1
        if self._watcher is not None:
            self._watcher.stored(errand)

    def recovered(self, errand: Errand) -> None:
        """It waits since before the start."""
        self.recovered_count += 1
        if self._watcher is not None:
            self._watcher.recovered(errand)

    def sent(self, errand: Errand) -> None:
        """An attempt begins."""
        self.classes[errand.rank].attempts += 1
        if self._watcher is not None:
            self._watcher.sent(errand)

    def ended(self, errand: Errand, end: End, now: float, dropped: bool = False) -> None:
        """It has come to its end."""
        of = self.classes[errand.rank]
        if end is End.ACKNOWLEDGED:
            of.acknowledged += 1
            seconds = max(0.0, now - errand.came)
            of.seconds += seconds
            of.times[bisect_left(BOUNDS, seconds)] += 1
        elif end is End.REFUSED:
            of.refused += 1
        else:
            of.expired += 1
            of.dropped += dropped
        if self._watcher is not None:
            self._watcher.ended(errand, end, now)
