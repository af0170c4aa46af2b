"""The backlog of one CSP: how much may be open, shared by allocation, and whom the gateway should refuse."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nlargest
from math import ceil, exp, inf, isfinite
from time import time
from typing import Any

from sluicegate.allocation.places import Places, Seats

MEASURED = 10.0  # seconds over which it is measured how fast SRs end
LEAST_WAIT, MOST_WAIT = 1.0, 300.0  # seconds that are told
UNKNOWN_WAIT = 10.0  # seconds; nothing drains, and nothing says why
CLOSED_WAIT = 60.0  # seconds; an operator drains it, and may take long
LEAST_SPREAD, SPREAD = 2.0, 0.5  # seconds, and a part of the wait: by so much it is spread, the larger counts
GOLDEN = 0.6180339887498949  # so far apart, any number of points lies evenly in [0, 1)
MOST_TOLD = 500  # Users by name; who is not listed comes to the dispatcher, which refuses by itself


class _Drain:
    """How many SRs end in a second, the last ones counting most: their number decays by 1/e in MEASURED."""

    __slots__ = ("_at", "_count")

    def __init__(self) -> None:
        self._count = 0.0
        self._at = -inf

    def ended(self, now: float) -> None:
        self._count = self._left(now) + 1
        self._at = max(self._at, now)

    def rate(self, now: float) -> float:
        return self._left(now) / MEASURED

    def _left(self, now: float) -> float:
        return self._count * exp(min(0.0, self._at - now) / MEASURED)


class _Held(Seats):
    """What one User has open here."""

    __slots__ = ("drain",)

    def __init__(self) -> None:
        super().__init__()
        self.drain = _Drain()


class Backlog:
    """Open SRs for one CSP: half of the places are kept for Users by allocation, the others are for who comes first.

    A User without a place is refused. While the oldest is older than `age`, so is a User that has more open than its
    kept places: the CSP does not keep up, and who asks for more than its part makes it worse. A User that has fewer
    open than its kept places is never refused, whatever the others do (but for `closed`).

    Times are seconds of the monotonic clock, passed in.

    Args:
        ceiling: SRs that may be open.
        age: seconds.
        allocations: of the Users, in SR/s. A User that is not among them has none.

    Attributes:
        ceiling: as above.
        closed: an operator drains it: everybody is refused.
        oldest_at: when the oldest was accepted, in seconds since 1970; None: nothing is open, or it is not known.

    Raises:
        ValueError: one of the numbers cannot be; the message says which.
    """

    def __init__(self, ceiling: int, age: float, allocations: Mapping[str, float]) -> None:
        if ceiling < 1 or not age > 0:
            raise ValueError(f"ceiling is 1 or more and age more than 0 seconds, and these are {ceiling} and {age}")
        for user, allocation in allocations.items():
            if not (allocation >= 0 and isfinite(allocation)):
                raise ValueError(f"the allocation of {user!r} is 0 SR/s or more, and this is {allocation}")
        self.ceiling = ceiling
        self.closed = False
        self.oldest_at: float | None = None
        self._age = age
        self._allocations = dict(allocations)
        self._places = Places(ceiling)
        self._held = {user: _Held() for user in allocations}
        self._drain = _Drain()
        self._old = False
        self._hint = 0.0
        self._turn = 0.0
        self._meanwhile: dict[str, int] | None = None
        self.recount({})

    @property
    def taken(self) -> int:
        """SRs that are open."""
        return self._places.taken

    def took(self, user: str) -> None:
        """An SR of a User is open, whether it was refused or not."""
        held = self._held.get(user)
        if held is None:
            held = self._held[user] = _Held()
        self._places.take(held)
        self._changed(user, 1)

    def ended(self, user: str, now: float) -> None:
        """An SR of a User came to its end, delivered or returned."""
        held = self._held.get(user)
        if held is None or not held.taken:
            return
        self._places.leave(held)
        self._changed(user, -1)
        held.drain.ended(now)
        self._drain.ended(now)
        if not held.taken and user not in self._allocations:
            del self._held[user]

    def gave_back(self, user: str) -> None:
        """An SR that `took` was said of is not there after all: nothing has drained."""
        held = self._held.get(user)
        if held is not None and held.taken:
            self._places.leave(held)
            self._changed(user, -1)

    def counting(self) -> None:
        """The store is being asked: what is taken and what ends from now on is not in its answer."""
        self._meanwhile = {}

    def _changed(self, user: str, by: int) -> None:
        if self._meanwhile is not None:
            self._meanwhile[user] = self._meanwhile.get(user, 0) + by

    def recount(self, counts: Mapping[str, int]) -> None:
        """How many are open by User, as the store says: other dispatchers take some, too.

        What has changed since `counting` is added. What was written just before the store looked may count twice, or
        not, until the next time.
        """
        if self._meanwhile:
            counts = {
                user: counts.get(user, 0) + self._meanwhile.get(user, 0) for user in {**counts, **self._meanwhile}
            }
        self._meanwhile = None
        for user in [user for user in self._held if user not in self._allocations and not counts.get(user)]:
            del self._held[user]
        for user in counts:
            if user not in self._held and counts[user] > 0:
                self._held[user] = _Held()
        for user, held in self._held.items():
            held.taken = max(0, counts.get(user, 0))
        self._places.taken = sum(held.taken for held in self._held.values())
        allocations = {user: self._allocations.get(user, 0.0) for user in self._held}
        self._places.share_out(self.ceiling, dict(self._held), allocations)

    def oldest(self, accepted_at: float | None, at: float | None = None) -> None:
        """When the oldest open SR was accepted; None if there is none. Say it again now and then: that is when its age
        is looked at. Both are seconds since 1970; `at` is now, and the clock's where it is left out."""
        self.oldest_at = accepted_at
        self._old = accepted_at is not None and (time() if at is None else at) - accepted_at > self._age

    def hint(self, seconds: float) -> None:
        """Nothing will drain for so many seconds: then the CSP is probed."""
        self._hint = min(MOST_WAIT, seconds) if seconds > 0 else 0.0

    def refuses(self, user: str, now: float) -> float | None:
        """None: the User may have one more SR open. Else the seconds after which it should ask again, 1 to 300.

        They are spread, by a low-discrepancy sequence: those who are refused together do not come back together.
        """
        wait = self._wait(self._held.get(user), now)
        if wait is None:
            return None
        self._turn = (self._turn + GOLDEN) % 1.0
        if wait >= MOST_WAIT:
            return MOST_WAIT * (0.5 + 0.5 * self._turn)
        return min(MOST_WAIT, wait + max(LEAST_SPREAD, wait * SPREAD) * self._turn)

    def refused(self, now: float) -> dict[str, Any]:
        """Who is refused, as docs/backpressure.md has it for one CSP; empty if nobody is.

        `users`: whole seconds by name, not spread (the gateway does that). `others`: the same for those who are not
        listed; None unless all Users are refused. Of more than MOST_TOLD, those who have most open are listed.
        """
        if not self.closed and not self._old and self._places.spare > 0:
            return {}
        waits = {}
        for user, held in self._held.items():
            wait = self._wait(held, now)
            if wait is not None:
                waits[user] = ceil(wait)
        others = self._wait(None, now) if all(user in waits for user in self._allocations) else None
        if len(waits) > MOST_TOLD:
            waits = {user: waits[user] for user in nlargest(MOST_TOLD, waits, key=lambda user: self._held[user].taken)}
        if not waits and others is None:
            return {}
        return {"users": waits, "others": None if others is None else ceil(others)}

    def told(self, now: float) -> dict[str, Any]:
        """The same, with `full`: whether anybody is refused. Always with all of its members."""
        refused = self.refused(now)
        return {"full": bool(refused), **(refused or {"users": {}, "others": None})}

    def _wait(self, held: _Held | None, now: float) -> float | None:
        """Seconds until a User will have a place, LEAST_WAIT to MOST_WAIT, not spread; None: it has one."""
        kept = held.kept if held is not None else 0
        taken = held.taken if held is not None else 0
        if self.closed:
            return max(CLOSED_WAIT, self._hint)
        if taken < kept or (not self._old and self._places.spare > 0):
            return None
        waits = []
        if held is not None and kept:  # until it is back within its kept places
            waits.append(_drained(taken - kept + 1, held.drain.rate(now)))
        if not self._old:  # or until there is a place for whoever comes first
            waits.append(_drained(1 - self._places.spare, self._drain.rate(now)))
        wait = min(waits, default=inf)
        if wait == inf:
            wait = 0.0 if self._hint else UNKNOWN_WAIT
        return min(MOST_WAIT, max(LEAST_WAIT, self._hint + wait))


def _drained(places: int, rate: float) -> float:
    """Seconds until so many places are free; infinite where as good as nothing drains."""
    return places / rate if rate * MOST_WAIT >= 1 else inf
