"""The ledger of one worker of a fleet, with the face of `LocalLedger`."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from sluicegate.allocation import Book, Profile
from sluicegate.ledger.face import ASK, Banked, Explains, Told
from sluicegate.ledger.fleet.hands import Hand
from sluicegate.ledger.fleet.part import Part
from sluicegate.ledger.fleet.whole import Explained, Whole
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.ledger.local import terms
from sluicegate.settings import Capacity
from sluicegate.throttle import NO_TEAM, State

if TYPE_CHECKING:
    from collections.abc import Callable


class FleetLedger:
    """Banks that many workers share.

    `decide` may return `ASK`: then `waiting(told, account, weight, now, reserve)` calls `told` once, within `wait`,
    with the outcome. Whoever drives it (`driver.Driver`) sends what the worker asks for. Times are seconds of the
    monotonic clock.

    Where the ledger is in parts (docs/fleet.md), what decides works on one of them, for a K-th of everything. What is
    told and shown here is the whole.

    Args:
        capacity, book: as of `LocalLedger`.
        name: of this worker; no other one of the fleet has it.
        now: in seconds.
        parts: of the ledger.
        options: of `worker.Worker`: `wait`, `hold`, `lease`, `draws_per_second`, `life`, `closes`, `seed`.

    Attributes:
        factor: by what all allocations are scaled; below 1 where capacity was cut under their sum.
        worker: what decides, at its part. throttle: the same, to ask why.

    Raises:
        ValueError: the book has teams: they are not shared by a fleet yet.
    """

    def __init__(
        self,
        capacity: Capacity,
        book: Book,
        name: str,
        now: float | None = None,
        *,
        parts: int = 1,
        **options: Any,
    ) -> None:
        _no_teams(book)
        self.part = part = Part(parts)
        limits, allocations, self.factor = terms(capacity, book)
        self._allocations = allocations
        at = monotonic() if now is None else now
        self.worker = worker = Worker(
            name, part.limits(limits), part.allocations(allocations), at, book.reserves, parts=parts, **options
        )
        self.decide: Callable[..., int] = worker.decide
        self.waiting: Callable[..., object] = worker.waiting
        self.retry_after: Callable[..., int] = worker.retry_after
        self.throttle: Explains = worker
        if parts > 1:
            self.decide, self.waiting, self.retry_after = self._decide, self._wait, self._come_again
            self.throttle = Explained(worker, parts)

    def account(self, name: str) -> Hand:
        """What the worker has and knows of a User. Raises KeyError where there is none."""
        return self.worker.account(name)

    def shown(self, name: str) -> Banked:
        """A User's bank as it is told: of the whole. Raises KeyError where there is none."""
        hand = self.worker.account(name)
        return hand if self.part.parts == 1 else Whole(hand, self._allocations[name], self.worker)

    def _decide(self, user: Hand, weight: float, now: float, reserve: float = 0.0) -> int:
        return self.worker.decide(user, weight, now, self._kept(reserve) if reserve else 0.0)

    def _wait(self, told: Callable[[int], None], user: Hand, weight: float, now: float, reserve: float = 0.0) -> object:
        return self.worker.waiting(told, user, weight, now, self._kept(reserve))

    def _come_again(self, user: Hand, weight: float, now: float, rank: int = 0, reserve: float = 0.0) -> int:
        return self.worker.retry_after(user, weight, now, rank, self._kept(reserve))

    def _kept(self, reserve: float) -> float:
        return self.part.reserve(reserve, self.worker.limits.heaviest)

    def decide_team(self, user: Hand, weight: float, now: float, reserve: float, team: int) -> int:  # noqa: ARG002
        """As `decide`: there are no teams."""
        return self.decide(user, weight, now, reserve)

    def give_back(self, user: Hand, weight: float, outcome: int, now: float, team: int = NO_TEAM) -> None:  # noqa: ARG002
        """As `Throttle.give_back`."""
        self.worker.give_back(user, weight, outcome, now)

    def state(self, now: float | None = None) -> State:
        """Whether traffic management is active, and since when."""
        return self.worker.state(monotonic() if now is None else now)

    def told(self, now: float) -> Told:
        """How this worker stands with the ledger."""
        worker, share = self.worker, self.worker.share
        return Told(
            worker=worker.name,
            answered=worker.epoch != "",
            alone=max(0.0, now - share.alone_since) if share.alone else None,
            closed=worker.alone is not None and worker.alone.closed_at(now),
            share=share.held / self.part.parts,
            workers=worker.workers,
            draws=worker.draws,
            lost_draws=worker.lost_draws,
            waits=worker.waits,
            trouble=worker.trouble,
        )

    def set_profile(self, name: str, profile: Profile | None, now: float | None = None) -> None:
        """As `LocalLedger.set_profile`. Raises ValueError for one with teams."""
        if profile is not None and profile.teams:
            raise ValueError(NO_TEAMS_YET)
        self.worker.set_profile(name, None if profile is None else profile.reserve, monotonic() if now is None else now)

    def reconfigure(self, capacity: Capacity, book: Book, now: float | None = None) -> None:
        """As `LocalLedger.reconfigure`. All workers take the same: the ledger goes by whoever told last."""
        _no_teams(book)
        limits, allocations, factor = terms(capacity, book)
        part = self.part
        self.worker.reconfigure(
            part.limits(limits), part.allocations(allocations), monotonic() if now is None else now, book.reserves
        )
        self._allocations, self.factor = allocations, factor


NO_TEAMS_YET = "teams are not shared by a fleet yet: use one worker, or a profile without teams"


def _no_teams(book: Book) -> None:
    if any(book.teams.values()):
        raise ValueError(NO_TEAMS_YET)


__all__ = ["ASK", "NO_TEAMS_YET", "FleetLedger"]
