"""The ledger of one process: the throttle itself, fed from the settings and the allocation book."""

from collections.abc import Callable
from time import monotonic

from sluicegate.allocation import Book, Profile
from sluicegate.settings import Capacity
from sluicegate.throttle import Account, Limits, State, Throttle


class LocalLedger:
    """Banks in this process.

    `decide`, `decide_team`, `give_back` and `retry_after` are the throttle's own methods: nothing stands between the
    gateway and the decision. Times are seconds of the monotonic clock.

    Attributes:
        factor: by what all allocations are scaled; below 1 where capacity was cut under their sum.
    """

    def __init__(self, capacity: Capacity, book: Book, now: float | None = None) -> None:
        limits, allocations = self._terms(capacity, book)
        self.throttle = Throttle(limits, allocations, monotonic() if now is None else now, book.reserves, book.teams)
        self.decide = self.throttle.decide
        self.decide_team = self.throttle.decide_team
        self.give_back = self.throttle.give_back
        self.retry_after = self.throttle.retry_after

    def account(self, name: str) -> Account:
        """The account of a User. Raises KeyError where there is none."""
        return self.throttle.account(name)

    def shown(self, name: str) -> Account:
        """The same. Raises KeyError where there is none."""
        return self.throttle.account(name)

    def waiting(self, told: Callable[[int], None], account: Account, weight: float, now: float, reserve: float) -> None:
        """What a ledger does whose `decide` may answer `ASK`. This one never does."""
        raise NotImplementedError

    def state(self, now: float | None = None) -> State:
        """Whether traffic management is active, and since when."""
        return self.throttle.state(monotonic() if now is None else now)

    def told(self, now: float) -> None:
        """There is nobody that it shares with."""

    def set_profile(self, name: str, profile: Profile | None, now: float | None = None) -> None:
        """Another profile for one User; nobody else is touched. Raises KeyError where there is none of that name."""
        at = monotonic() if now is None else now
        account = self.throttle.account(name)
        if profile is None:
            self.throttle.set_profile(account, None, at)
        else:
            self.throttle.set_profile(account, profile.reserve, at, profile.parts)

    def reconfigure(self, capacity: Capacity, book: Book, now: float | None = None) -> None:
        """Take another capacity and book; what the banks of those who stay hold is kept."""
        limits, allocations = self._terms(capacity, book)
        self.throttle.reconfigure(limits, allocations, monotonic() if now is None else now, book.reserves, book.teams)

    def _terms(self, capacity: Capacity, book: Book) -> tuple[Limits, dict[str, float]]:
        limits, allocations, self.factor = terms(capacity, book)
        return limits, allocations


def terms(capacity: Capacity, book: Book) -> tuple[Limits, dict[str, float], float]:
    """What a capacity and a book mean for a throttle: limits, SR/s by User, and by what all of these are scaled."""
    limits = Limits(
        maximum=capacity.maximum,
        threshold=capacity.operating_threshold,
        burst_seconds=capacity.burst_seconds,
        calm_seconds=capacity.calm_seconds,
        heaviest=capacity.heaviest,
        sharing=capacity.sharing,
    )
    effective = book.effective(capacity.maximum)
    names = (holder.name for holder in book.holders)
    return limits, dict(zip(names, effective.allocations, strict=True)), effective.factor
