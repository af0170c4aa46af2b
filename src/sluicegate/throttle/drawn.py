"""A throttle whose banks hold what was drawn from a ledger that many share. It decides as `Throttle` does."""

from collections.abc import Mapping, Sequence

from sluicegate.throttle.account import Account
from sluicegate.throttle.limits import Limits
from sluicegate.throttle.sharing import EPSILON, Spare
from sluicegate.throttle.throttle import NO_RESERVES, NO_TEAMS, Throttle


class Drawn(Spare):
    """The third way of sharing, beside `Fair` and `FirstCome`: a User may take excess while it has some in hand.

    Who gets how much was decided where it was drawn: nothing is shared out here, and what a User keeps for its more
    urgent requests is kept there.
    """

    __slots__ = ()

    def __init__(self, limits: Limits, now: float, first: int = 0) -> None:
        super().__init__(limits, now, first)
        self.first = first
        self.spilled = self.pace = 0.0

    def permits(self, user: Account, weight: float, now: float, kept: float = 0.0) -> bool:  # noqa: ARG002
        """Whether the User has `weight` SR in hand; takes it."""
        held = user.held
        if held <= 0.0 or held < weight - EPSILON:
            return False
        user.held = held - weight if held > weight else 0.0
        return True

    def credit(self, user: Account) -> float:
        """What the User has in hand, in SR."""
        return user.held if user.held > 0.0 else 0.0

    def give_back(self, user: Account, weight: float) -> None:
        """What the User took was not used after all: it is in its hand again."""
        user.held = self.credit(user) + weight

    def part(self, user: Account) -> float:
        """The User's present part of the spare, in SR/s, as the water rises at the ledger."""
        return min(user.share * self.pace, self.depth / self.burst)

    def dissolve(self, now: float) -> float:  # noqa: ARG002
        """There is nothing to forget: what is in hand was drawn for its User."""
        return 0.0


class DrawnThrottle(Throttle):
    """`Throttle` whose banks begin empty, and are filled by deposits and not by time.

    A User's `level` is what it has in hand of its allocation bank. All else is the same: `decide`, `give_back`,
    `retry_after`, profiles. The way of sharing that the limits name is the ledger's, not this one's.

    What was offered without a token is not remembered here (the offered bank is never in debt after a deposit): who
    draws tells the ledger.
    """

    __slots__ = ()

    def __init__(
        self,
        limits: Limits,
        allocations: Mapping[str, float],
        now: float = 0.0,
        reserves: Mapping[str, float] = NO_RESERVES,
        teams: Mapping[str, Sequence[float]] = NO_TEAMS,
    ) -> None:
        super().__init__(limits, allocations, now, reserves, teams, drawn=True)

    def _sharing(self, limits: Limits, first: int) -> Spare:
        return Drawn(limits, self._now, first)

    @property
    def offered(self) -> float:
        """Offered tokens in hand, in SR."""
        return self._offered if self._offered > 0.0 else 0.0

    def deposit_offered(self, tokens: float) -> None:
        """Offered tokens were drawn (SR; below 0: taken out again, they have lapsed or go back)."""
        self._offered = max(0.0, self.offered + tokens)

    def deposit(self, user: Account, within: float, excess: float) -> None:
        """Tokens of the User's bank and of its credit were drawn (SR; below 0: taken out again)."""
        user.level = max(0.0, user.level + within)
        user.held = max(0.0, self._spare.credit(user) + excess)

    def heard(self, active: bool, since: float, pace: float, now: float) -> None:
        """How it stands at the ledger: the state, since when (on this throttle's clock), and how the water rises.

        The state lasts here until something else is heard, or for `calm_seconds` if nothing is.
        """
        self._active = active
        self._since = since
        self._throttled_at = now if active else float("-inf")
        self._clear_at = float("-inf")
        self._spare.pace = pace
