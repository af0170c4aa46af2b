"""The last throttled decisions, each with what the banks held at that moment. In memory, and bounded."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from sluicegate.duis import Header
    from sluicegate.ledger import Banked, Explains

MOST_FOUND: Final = 100
"""Decisions that one answer holds: a request that comes again and again has as many as its sender has patience."""


class Decision(NamedTuple):
    """One throttled decision. Times are seconds of the monotonic clock, levels SR, rates SR/s.

    Attributes:
        status: what the User got, 429 or 503; None: it was let through, because nothing is enforced.
        retry_after: what it was told, in seconds; None with `status`.
        reserve: what its class leaves to the more urgent ones; 0 without a profile.
        drill: whether it was throttled for practice.
        level, depth, allocation: its allocation bank.
        offered: the bank that is charged with every request: below 0 while more comes than the operating threshold.
        part, credit: the User's part of the spare, and what it holds of it.
        active_since: when traffic management began; None: it was not active.
    """

    at: float
    user: str
    request_id: str
    srv: str
    version: Decimal
    weight: float
    status: int | None
    retry_after: int | None
    reserve: float
    drill: bool
    level: float
    depth: float
    allocation: float
    offered: float
    part: float
    credit: float
    active_since: float | None


class Throttled:
    """The ring. The event loop of the gateway puts in; any thread may look.

    Args:
        most: decisions that it keeps; the oldest is forgotten first.

    Attributes:
        seen: decisions since the start, those that are forgotten too.
    """

    __slots__ = ("_kept", "most", "seen")

    def __init__(self, most: int) -> None:
        self.most = most
        self.seen = 0
        self._kept: deque[Decision] = deque(maxlen=most)

    def take(
        self,
        throttle: Explains,
        account: Banked,
        header: Header,
        now: float,
        weight: float,
        reserve: float,
        status: int | None,
        retry_after: int | None,
        drill: bool = False,
    ) -> None:
        """Note a decision that was made just now, at `now`: nothing has come to the throttle since."""
        self.seen += 1
        self._kept.append(
            Decision(
                now,
                account.name,
                header.request_id,
                header.srv,
                header.version,
                weight,
                status,
                retry_after,
                reserve,
                drill,
                account.level_at(now),
                account.depth,
                account.allocation,
                *throttle.at_a_refusal(account),
            )
        )

    def of(self, request_id: str, user: str | None = None) -> list[Decision]:
        """Those of a RequestID, in any case, the newest first. `user`: of this one only."""
        wanted = request_id.strip().upper()
        return self._newest(user, wanted)

    def latest(self, user: str | None = None) -> list[Decision]:
        """The newest ones. `user`: of this one only."""
        return self._newest(user, None)

    def _newest(self, user: str | None, request_id: str | None) -> list[Decision]:
        found = []
        for one in reversed(self._kept.copy()):  # a copy is made in one step, while the event loop goes on
            if (user is None or one.user == user) and (request_id is None or one.request_id.upper() == request_id):
                found.append(one)
                if len(found) == MOST_FOUND:
                    break
        return found
