"""What a worker knows of one User's bank and credit: what the ledger told last, filled since, less what went here."""

from __future__ import annotations

from typing import Final

from sluicegate.ledger.fleet.messages import LATELY, Given
from sluicegate.throttle import Account
from sluicegate.throttle.sharing import EPSILON

FRESH: Final = 0.06
"""Seconds: what was told longer ago than this says nothing of what is not there."""

LAG: Final = 0.025
"""Seconds: banks are charged up to so much later than requests come, and so they fill later too. A request that would
find its token within this time waits for it."""

OLD: Final = 0.2
"""Seconds: after so long it is asked what the bank holds, if that is of interest."""

FAR_BEYOND: Final = 1.5
"""Times its allocation, over some seconds: of a User that asks for more, workers have only those requests wait that may
get the next tokens. Else each has one wait for the same token, and all but one in vain."""

BY_CHANCE: Final = 1.5  # times its part of what is asked for: so much a worker reckons with, for it comes unevenly

LEARN: Final = 0.3  # of an error at once
LEAST_LOOK: Final = 0.02  # seconds


class Mirror:
    """One User's bank in the ledger, as far as this worker knows it.

    Attributes:
        name, allocation (SR/s), depth (SR): as of `throttle.Account`.
        level: what the bank held at `filled_at`, in SR, with what this worker has of it in hand; it fills at `fills`
            (SR/s): the allocation, less what others seem to take.
        account: its place in the Retry-After lines of this worker.
        told_at: when the ledger last spoke of this User, in seconds. bank: what it said that the bank held, in SR.
        elsewhere: what other workers have in hand of its bank, in SR.
        credit: what stood in its vessel then, in SR; below nil where it had its turn. rises: how fast, in SR/s.
        its_part: of what comes into both soon, the part that this worker reckons with: see `FAR_BEYOND`.
        demand, demand_here: what it asked for lately beyond what passed without a look, of the whole fleet and of this
            worker, in SR (see `messages.Given`).
    """

    __slots__ = (
        "account",
        "allocation",
        "bank",
        "credit",
        "demand",
        "demand_here",
        "depth",
        "elsewhere",
        "filled_at",
        "fills",
        "its_part",
        "level",
        "name",
        "rises",
        "told_at",
    )

    def __init__(self, account: Account, now: float) -> None:
        self.name = account.name
        self.filled_at = now
        self.told_at = float("-inf")
        self.elsewhere = self.credit = self.rises = 0.0
        self.its_part = 1.0
        self.demand = self.demand_here = 0.0
        self.level = self.bank = account.depth
        self.take_size(account)

    def take_size(self, account: Account) -> None:
        """Another allocation or depth; the level stays, as far as the depth holds it."""
        self.account = account
        self.allocation = self.fills = account.allocation
        self.depth = account.depth
        if self.level > self.depth:
            self.level = self.depth

    def level_at(self, now: float) -> float:
        """What the bank holds at `now`, in SR."""
        level = self.level + max(0.0, now - self.filled_at) * self.fills
        return level if level < self.depth else self.depth

    def told(self, given: Given, beside: float, pace: float, now: float) -> None:
        """The ledger has spoken. `beside` (SR): what is in hand here, less what it has not been told of yet."""
        _within, _excess, self.bank, self.elsewhere, self.credit, self.demand = given
        level, depth, since = given.level + beside, self.depth, now - self.told_at
        level = 0.0 if level < 0.0 else depth if level > depth else level
        if since > 0.0:
            others = (self.level_at(now) - level) / (since if since > LEAST_LOOK else LEAST_LOOK)
            self.fills = min(self.allocation, max(-LEARN * depth, self.fills - LEARN * others))
        self.level = level
        self.filled_at = self.told_at = now
        self.its_part = 1.0
        if self.demand > FAR_BEYOND * LATELY * self.allocation:
            self.its_part = min(1.0, BY_CHANCE * self.demand_here / self.demand)
        self.rises = pace * self.account.share

    def bank_may_hold(self, weight: float, now: float) -> bool:
        """Whether the ledger, or another worker's hand, may hold `weight` SR of the bank soon after `now`."""
        if self.depth <= 0.0:
            return False
        bank = self.bank + (now + LAG - self.told_at) * self.allocation * self.its_part + self.elsewhere
        return (bank if bank < self.depth else self.depth) >= weight - EPSILON

    def credit_may_permit(self, waiting: float, now: float) -> bool:
        """Whether a request may have its turn, where so much (SR) waits before it."""
        return self.credit + self.rises * self.its_part * (now - self.told_at) - waiting >= -EPSILON

    def fraction(self, workers: int) -> float:
        """This worker's part of what the User asks for; an even one where nothing is known."""
        if self.demand <= 0.0 or self.demand_here <= 0.0:
            return 1.0 / workers
        return min(1.0, self.demand_here / self.demand)
