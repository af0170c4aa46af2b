"""A worker of a fleet: decides in memory with what it has drawn, and says what to draw. No clock, no I/O.

Two conditions, and the decision is short in both (docs/fleet.md). While nothing runs short, an offered token in hand
lets any request pass. When none is left, a request needs a token of its own User: from its bank, or from its credit.
Where none is in hand, and by what the worker knows there may be one in the ledger, it waits for the next draw (`ASK`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from random import Random

from sluicegate.ledger.face import ASK
from sluicegate.ledger.fleet.alone import Alone
from sluicegate.ledger.fleet.drawing import EVERY, EVERY_ACTIVE, Breadth, Pace
from sluicegate.ledger.fleet.hands import Hand, Told, Waiter
from sluicegate.ledger.fleet.messages import MOST_WANTS, Ask, Want
from sluicegate.ledger.fleet.mirror import FRESH, OLD
from sluicegate.ledger.fleet.part import Part
from sluicegate.ledger.fleet.shares import Share
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits, State, Throttle
from sluicegate.throttle.line import come_back_in, lump, place_of_class, put_behind
from sluicegate.throttle.sharing import EPSILON
from sluicegate.throttle.throttle import NO_RESERVES, SLOWEST

Sent = tuple[Ask, list[tuple[Hand, Want]], float]  # a draw under way, of whom it speaks, when it was sent


class Deciding:
    """What a worker decides by; `worker.Worker` draws for it. Times are passed in, in seconds of any monotonic clock.

    Args:
        name: of this worker; no other one of the fleet has it. life: of this process, see `messages.Ask`.
        limits, allocations: as of `Throttle`: of the whole fleet, or, where its ledger is in parts, of one part.
        reserves: as of `Throttle`, of the whole fleet.
        now: in seconds.
        wait: no request waits longer, in seconds.
        hold: what was drawn expires so long after the draw was sent, in seconds.
        draws_per_second: at most.
        lease, settle: see `messages.Terms`.
        closes: whether a worker that is alone admits nothing once its lease has ended.
        seed: of the jitter of its retries.
        parts: of how many parts its ledger is one: see `part.Part`.

    Attributes:
        wake: called when `due` may be earlier than it was.
        offered: offered tokens in hand, in SR.
        active, since: traffic management, as the ledger told it.
        workers, bank_offered: how many there are, and what the offered bank holds (SR), as the ledger told it.
        ample: whether half of that bank, or more, was there. takes: how long a draw takes lately, in seconds.
        draws, lost_draws: how many were sent, and were not answered in time. waits: requests that waited for one.
        trouble: why the last draw failed that did; its driver says so.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        allocations: Mapping[str, float],
        now: float = 0.0,
        reserves: Mapping[str, float] = NO_RESERVES,
        *,
        wait: float = 0.05,
        hold: float = 0.5,
        draws_per_second: float = 50.0,
        lease: float = 600.0,
        settle: float = 3.0,
        life: str = "",
        closes: bool = False,
        seed: int = 0,
        parts: int = 1,
    ) -> None:
        self.part = Part(parts)
        self.name, self.life, self.wait, self.hold = name, life or name, wait, hold
        self.lease, self.settle, self.closes = lease, settle, closes
        self.wake: Callable[[], None] = _nothing
        self.offered = self.low = self.owed = self.unsent = self.offered_back = 0.0
        self.offered_flow = self.came = 0.0
        self.expires = self.alone_from = now
        self.active = self.short = self.throttled = False
        self.urgent = True  # the first draw tells what share it has
        self.since = self.drawn_at = self.lost_at = now
        self.target, self.turn, self.takes = 0.0, 1.0 / draws_per_second, 0.0
        self.ample = False
        self.workers, self.bank_offered, self.epoch = 1, 0.0, ""
        self.draws = self.lost_draws = self.waits = 0
        self.trouble = ""
        self.pace = Pace(draws_per_second, now)
        self.breadth = Breadth(MOST_WANTS // 2)  # some have more than one want
        self.share = Share(Random(seed), now)  # noqa: S311 - jitter, not a secret
        self.alone: Alone | None = None
        self.sent: Sent | None = None
        self.noted: list[Hand] = []
        self.order: deque[tuple[Hand, Waiter]] = deque()
        self._now = now
        self._hands: dict[str, Hand] = {}
        self._book = Throttle(limits, {}, now)
        self.reconfigure(limits, allocations, now, reserves)

    # --- what the gateway calls

    @property
    def now(self) -> float:
        """The largest time seen, in seconds."""
        return self._now

    def at_a_refusal(self, hand: Hand) -> tuple[float, float, float, float | None]:
        """As `Throttle.at_a_refusal`: of the fleet, or, while this worker is alone, of its share."""
        if self.alone is not None:
            throttle = self.alone.throttle
            return throttle.at_a_refusal(throttle.account(hand.name))
        return self.bank_offered, hand.rises, hand.credit, self.since if self.active else None

    def account(self, name: str) -> Hand:
        """One User: level, depth, allocation as of `throttle.Account`. Raises KeyError where there is none."""
        return self._hands[name]

    def whole_reserve(self, name: str) -> float:
        """What a User keeps for its more urgent requests, at all parts together, in SR."""
        return self._whole_reserves.get(name, 0.0)

    def decide(self, hand: Hand, weight: float, now: float, reserve: float = 0.0) -> int:
        """Decide on one request of `weight` SR at `now`: WITHIN, EXCESS, THROTTLED, or ASK: then call `waiting`."""
        if now > self._now:
            self._now = now
        else:
            now = self._now
        if now >= self.expires:
            self.lapse()
        level = hand.level + (now - hand.filled_at) * hand.fills
        if level > hand.depth:
            level = hand.depth
        left = self.offered - weight
        if left < -EPSILON:
            return self._short(hand, weight, now, reserve, level)
        self.offered = left
        self.came += weight
        if left < self.low and not self.urgent:
            self.urgent = True
            self.wake()
        if level >= (weight + reserve if self.active else weight) - EPSILON and hand.depth > 0.0:
            hand.level = level - weight
            hand.filled_at = now
            if hand.late == 0.0:
                hand.late_at = now
                if not hand.noted:
                    self.note(hand)
            hand.late += weight
            return WITHIN
        if now - hand.told_at > OLD and hand.depth > 0.0 and not hand.noted:
            self.note(hand)
        return EXCESS

    def _short(self, hand: Hand, weight: float, now: float, reserve: float, level: float) -> int:
        """No offered token is in hand."""
        kept = reserve if self.active else 0.0
        needed = weight + kept
        if hand.within >= weight - EPSILON and (kept == 0.0 or level >= needed - EPSILON):
            hand.within -= weight
            hand.spent += weight
            hand.level = level - weight
            hand.filled_at = now
            self.came += weight
            self.note(hand)
            return WITHIN
        alone = self.alone
        bank = alone is None and hand.bank_may_hold(needed + hand.waiting, now)
        if hand.excess >= weight - EPSILON and not bank:
            hand.excess -= weight
            hand.used_excess += weight
            hand.asked += weight
            self.came += weight
            self.note(hand)
            return EXCESS
        if self.share.returns:
            return ASK  # its share's banks are empty again: the next answer, or its loss, comes soon
        if alone is not None:
            outcome = alone.decide(hand.name, weight, now, reserve)
            if outcome != THROTTLED:
                hand.alone += weight
                self.note(hand)
            return outcome
        if self.share.alone:  # it never had a share
            return THROTTLED
        if bank or not self.short or now - hand.told_at >= FRESH or hand.credit_may_permit(hand.waiting, now):
            return ASK
        hand.asked += weight
        self.throttled = True
        self.owed += weight  # tokens in hand are charged when they are drawn, and who waits when the draw comes
        self.came += weight
        self.note(hand)
        return THROTTLED

    def waiting(self, told: Told, hand: Hand, weight: float, now: float, reserve: float = 0.0) -> Waiter:
        """The request was not decided (`ASK`): `told` is called with its outcome, once, within `wait`."""
        waiter = Waiter(told, weight, reserve, now + self.wait)
        hand.queue.append(waiter)
        self.waits += 1
        hand.waiting += weight
        self.order.append((hand, waiter))
        self.came += weight
        self.note(hand)
        if not self.urgent or len(self.order) == 1:
            self.urgent = True
            self.wake()
        return waiter

    def give_back(self, hand: Hand, weight: float, outcome: int, now: float) -> None:
        """The request certainly did not reach the system behind."""
        if outcome == THROTTLED:
            return
        if outcome == EXCESS:
            if hand.used_excess >= weight:  # not to be spent again: for the ledger it may be spent
                hand.used_excess -= weight
                hand.excess_unneeded += weight
                self.note(hand)
            else:
                self.unsent += weight
        else:
            hand.level = min(hand.depth, hand.level_at(now) + weight)
            hand.filled_at = max(now, hand.filled_at)
            if hand.late >= weight:
                hand.late -= weight
                self.unsent += weight
            elif hand.spent >= weight:
                hand.spent -= weight
                hand.unneeded += weight
                self.note(hand)
            else:
                self.unsent += weight

    def retry_after(self, hand: Hand, weight: float, now: float, rank: int = 0, reserve: float = 0.0) -> int:
        """As `Throttle.retry_after`. Each worker's line of a User moves at its part of that User's rate."""
        if self.alone is not None:
            return self.alone.retry_after(hand.name, weight, now, rank, reserve)
        limits, account = self.limits, hand.account
        now = max(now, self._now)
        part = hand.rises if hand.rises > 0.0 else limits.threshold
        rate = min(hand.allocation + part, max(limits.threshold, hand.allocation))
        fraction = hand.fraction(self.workers)
        rate = max(rate * fraction, SLOWEST)
        held = (max(0.0, hand.level_at(now) - reserve) + max(0.0, hand.credit)) * fraction
        slowed = lump(limits.burst_seconds)
        if not account.profiled:
            return come_back_in(account, weight, now, rate, held, slowed)
        told = come_back_in(place_of_class(account, rank), weight, now, rate, held, slowed)
        put_behind(account, rank, weight / (rate * slowed), now)
        return told

    def state(self, now: float) -> State:
        """Whether traffic management is active, and since when: of the fleet, or, while it is alone, of this worker."""
        if self.alone is not None:
            return self.alone.throttle.state(now)
        return State(self.active, self.since)

    def reconfigure(
        self, limits: Limits, allocations: Mapping[str, float], now: float, reserves: Mapping[str, float] = NO_RESERVES
    ) -> None:
        """Take other limits and allocations; raises ValueError, and has changed nothing, where they cannot be."""
        kept = {name: self.part.reserve(reserve, limits.heaviest) for name, reserve in reserves.items()}
        self._book.reconfigure(limits, allocations, now, kept)
        self.limits, self.allocations, self.reserves = limits, dict(allocations), kept
        self._whole_reserves = dict(reserves)
        hands: dict[str, Hand] = {}
        self._whole_deepest = 0.0
        for name in allocations:
            account = self._book.account(name)
            self._whole_deepest += self.part.fit(account, limits, reserves.get(name, 0.0), now)
            hand = self._hands.get(name) or Hand(account, now)
            hand.take_size(account)
            hands[name] = hand
        self._hands = hands
        self.deepest = self.part.deepest(self._whole_deepest, limits.heaviest)
        if self.alone is not None:
            self.be_alone(now)

    def set_profile(self, name: str, reserve: float | None, now: float) -> None:
        """As `Throttle.set_profile`. Raises KeyError, ValueError."""
        hand, limits = self._hands[name], self.limits
        before = self.part.whole_depth(hand.account, limits, self.whole_reserve(name))
        kept = None if reserve is None else self.part.reserve(reserve, limits.heaviest)
        self._book.set_profile(hand.account, kept, now)
        self.reserves.pop(name, None)
        self._whole_reserves.pop(name, None)
        if reserve is not None and kept is not None:
            self.reserves[name], self._whole_reserves[name] = kept, reserve
        self._whole_deepest += self.part.fit(hand.account, limits, reserve or 0.0, now) - before
        self.deepest = self.part.deepest(self._whole_deepest, limits.heaviest)
        hand.take_size(hand.account)

    # --- what the turns of drawing use (`worker`)

    def note(self, hand: Hand) -> None:
        """The next draw speaks of this User."""
        if not hand.noted:
            hand.noted = True
            self.noted.append(hand)

    def lapse(self) -> None:
        """What is in hand has expired."""
        self.offered = self.low = 0.0
        self.expires = float("inf")
        for hand in self.noted:
            hand.lapse()

    def be_alone(self, now: float) -> None:
        """Decide by the share from now on; without any, nothing is admitted."""
        self.alone = None
        if self.share.held > 0.0:
            self.alone = Alone(
                self.limits, self.allocations, self.reserves, self.deepest, self.share.held, max(now, self.alone_from)
            )
            self.alone.until = self.lease_ends()

    def lease_ends(self) -> float:
        """When it admits nothing more, should it be alone then: as long after the last draw that was answered."""
        return self.alone_from - self.hold + self.lease if self.closes else float("inf")

    def due(self, now: float) -> float:
        """When something must be done at the latest (`tick`, then `next_ask`), in seconds."""
        until = self.order[0][1].until if self.order else float("inf")
        if self.sent is not None:
            return min(self.lost_at, until)
        if self.share.alone:
            return min(self.share.retry_at, until)
        at = self.drawn_at + (EVERY_ACTIVE if self.active else EVERY)
        if self.urgent:
            at = min(at, self.pace.free_at(now))
        return min(at, until)


def _nothing() -> None:
    """Nobody waits for it."""
