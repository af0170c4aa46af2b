"""What a worker at one part of a ledger tells and shows: the whole, as if the other parts stood as its own does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluicegate.throttle import allocation_depth

if TYPE_CHECKING:
    from sluicegate.ledger.fleet.hands import Hand
    from sluicegate.ledger.fleet.worker import Worker


class Whole:
    """One User's bank as it would be with one ledger (`face.Banked`): as full as its bank at the part.

    Args:
        hand: the User at the part.
        allocation: of the whole, in SR/s.
        worker: who has it.
    """

    __slots__ = ("_worker", "allocation", "hand", "name")

    def __init__(self, hand: Hand, allocation: float, worker: Worker) -> None:
        self.name, self.allocation = hand.name, allocation
        self.hand, self._worker = hand, worker

    @property
    def depth(self) -> float:
        """As of `throttle.Account`, in SR."""
        limits, reserve = self._worker.limits, self._worker.whole_reserve(self.name)
        return allocation_depth(self.allocation, limits.burst_seconds, limits.heaviest, reserve)

    @property
    def level(self) -> float:
        """What it holds as of the last request, in SR."""
        return self._of_the_whole(self.hand.level)

    def level_at(self, now: float) -> float:
        """What it holds at `now`, in SR."""
        return self._of_the_whole(self.hand.level_at(now))

    def _of_the_whole(self, level: float) -> float:
        deep = self.hand.depth
        return level / deep * self.depth if deep > 0.0 else 0.0


class Explained:
    """Why a part decides as it does, in amounts of the whole (`face.Explains`)."""

    def __init__(self, worker: Worker, parts: int) -> None:
        self._worker, self._parts = worker, parts

    @property
    def now(self) -> float:
        """The worker's own time, in seconds."""
        return self._worker.now

    def at_a_refusal(self, user: Whole) -> tuple[float, float, float, float | None]:
        """As `Throttle.at_a_refusal`."""
        offered, part, credit, since = self._worker.at_a_refusal(user.hand)
        return offered * self._parts, part * self._parts, credit * self._parts, since
