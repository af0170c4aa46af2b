"""What a worker has in hand of one User's tokens, who waits for more, and what the next draw must tell of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sluicegate.ledger.face import ASK
from sluicegate.ledger.fleet.mirror import Mirror
from sluicegate.throttle import Account

Told = Callable[[int], None]


class Waiter:
    """A request that waits for the ledger.

    Attributes:
        told: called once, with its outcome. weight, reserve: in SR. until: it waits no longer, in seconds.
        asked: whether a draw has asked for it already.
        outcome: `ASK` while it waits.
    """

    __slots__ = ("asked", "outcome", "reserve", "told", "until", "weight")

    def __init__(self, told: Told, weight: float, reserve: float, until: float) -> None:
        self.told, self.weight, self.reserve, self.until = told, weight, reserve, until
        self.asked = False
        self.outcome = ASK


class Hand(Mirror):
    """One User as a worker serves it. All amounts in SR.

    Attributes:
        within, excess: tokens in hand, of its bank and of its credit.
        late: served from its bank with offered tokens, and not told yet; since `late_at`.
        alone: admitted while the worker was alone.
        spent: of `within`, since the last draw.
        asked: decided here beyond its bank since the last draw, throttled or not.
        unneeded, excess_unneeded: to be given back with the next draw.
        queue: who waits; `waiting`: what for.
        used_excess: of `excess`, since the last draw. flow, flow_excess: what was spent of both per second, lately.
        keeps: whether tokens are drawn ahead for it. stray: whether some may have come for requests that wait no more:
            with the next draw the ledger counts them as spent, where that does not tell that they are in hand.
        drawn_at: when a draw last spoke of it, in seconds. noted: whether the next one does.
    """

    __slots__ = (
        "alone",
        "asked",
        "drawn_at",
        "excess",
        "excess_unneeded",
        "flow",
        "flow_excess",
        "keeps",
        "late",
        "late_at",
        "noted",
        "queue",
        "spent",
        "stray",
        "unneeded",
        "used_excess",
        "waiting",
        "within",
    )

    def __init__(self, account: Account, now: float) -> None:
        Mirror.__init__(self, account, now)
        self.within = self.excess = 0.0
        self.late = self.spent = self.asked = self.unneeded = self.excess_unneeded = self.alone = 0.0
        self.queue: deque[Waiter] = deque()
        self.waiting = self.used_excess = self.flow = self.flow_excess = 0.0
        self.noted = self.keeps = self.stray = False
        self.drawn_at = self.late_at = now

    @property
    def moved(self) -> bool:
        """Whether more is to be told of it soon than `late` and `asked`. What came for requests that waited the ledger
        counts as spent: that is told only where tokens are drawn ahead as well, or some are `stray`."""
        return bool(
            self.queue
            or self.stray
            or self.alone + self.unneeded + self.excess_unneeded
            or (self.keeps and self.spent + self.used_excess)
        )

    def lapse(self) -> None:
        """What was in hand has expired, or belongs to a ledger that is no more: it is nobody's."""
        self.level = max(0.0, self.level - self.within)
        self.within = self.excess = self.unneeded = self.excess_unneeded = self.spent = 0.0

    def begin_again(self) -> None:
        """The draw has told it."""
        self.late = self.spent = self.asked = self.alone = 0.0
        self.unneeded = self.excess_unneeded = self.used_excess = 0.0
        self.stray = False
