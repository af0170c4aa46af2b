"""The ledger of one worker of a fleet, with the face of `LocalLedger`."""

from __future__ import annotations

from time import monotonic
from typing import Any

from sluicegate.allocation import Book, Profile
from sluicegate.ledger.face import ASK, Told
from sluicegate.ledger.fleet.hands import Hand
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.ledger.local import terms
from sluicegate.settings import Capacity
from sluicegate.throttle import NO_TEAM, State


class FleetLedger:
    """Banks that many workers share.

    `decide` may return `ASK`: then `waiting(told, account, weight, now, reserve)` calls `told` once, within `wait`,
    with the outcome. Whoever drives it (`driver.Driver`) sends what the worker asks for. Times are seconds of the
    monotonic clock.

    Args:
        capacity, book: as of `LocalLedger`.
        name: of this worker; no other one of the fleet has it.
        now: in seconds.
        options: of `worker.Worker`: `wait`, `hold`, `lease`, `draws_per_second`, `life`, `closes`, `seed`.

    Attributes:
        factor: by what all allocations are scaled; below 1 where capacity was cut under their sum.
        worker, throttle: what decides.

    Raises:
        ValueError: the book has teams: they are not shared by a fleet yet.
    """

    def __init__(self, capacity: Capacity, book: Book, name: str, now: float | None = None, **options: Any) -> None:
        _no_teams(book)
        limits, allocations, self.factor = terms(capacity, book)
        at = monotonic() if now is None else now
        self.worker = self.throttle = worker = Worker(name, limits, allocations, at, book.reserves, **options)
        self.decide = worker.decide
        self.waiting = worker.waiting
        self.retry_after = worker.retry_after

    def account(self, name: str) -> Hand:
        """What the worker has and knows of a User. Raises KeyError where there is none."""
        return self.worker.account(name)

    def decide_team(self, user: Hand, weight: float, now: float, reserve: float, team: int) -> int:  # noqa: ARG002
        """As `decide`: there are no teams."""
        return self.worker.decide(user, weight, now, reserve)

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
            share=share.held,
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
        self.worker.reconfigure(limits, allocations, monotonic() if now is None else now, book.reserves)
        self.factor = factor


NO_TEAMS_YET = "teams are not shared by a fleet yet: use one worker, or a profile without teams"


def _no_teams(book: Book) -> None:
    if any(book.teams.values()):
        raise ValueError(NO_TEAMS_YET)


__all__ = ["ASK", "NO_TEAMS_YET", "FleetLedger"]
