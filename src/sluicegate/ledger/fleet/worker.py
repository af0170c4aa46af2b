"""One worker's turns: what it asks the ledger for, what it does with the answer, and with none."""

from __future__ import annotations

from typing import Final

from sluicegate.ledger.face import ASK
from sluicegate.ledger.fleet.asking import Asking
from sluicegate.ledger.fleet.drawing import SLOW, Pace
from sluicegate.ledger.fleet.hands import Hand, Waiter
from sluicegate.ledger.fleet.messages import Answer, Ask
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, system_depth
from sluicegate.throttle.sharing import EPSILON

ELSEWHERE: Final = "elsewhere"  # in place of an epoch, between two ledgers: no ledger has it
Told = list[tuple[Waiter, int]]


class Worker(Asking):
    """A worker of a fleet: see `Deciding` and `Asking`.

    Whoever drives it does, at `due`, or when `wake` is called: `tick`, then `next_ask`; sends what that returns; and
    then calls `take`, or `lost` or `gone`, or (after these) `too_late`.
    """

    def tick(self, now: float) -> None:
        """A draw that is not answered in time is lost; who has waited long enough waits no more."""
        if self.sent is not None and now >= self.lost_at - 1e-9:
            self.lost(now)
        told: Told = []
        while self.order and (self.order[0][1].until <= now + 1e-9 or self.order[0][1].outcome != ASK):
            hand, waiter = self.order.popleft()
            if waiter.outcome == ASK:
                self._serve(hand, waiter, self._last(hand, waiter, now), told)
        _tell(told)

    def next_ask(self, now: float) -> Ask | None:
        """The draw to be sent now, if any."""
        if self.sent is not None or now < self.due(now) - 1e-9:
            return None
        return self.ask(now)

    def last_ask(self, now: float) -> Ask:
        """The worker stops: what it has in hand, and its share, are given back. Who waits is throttled."""
        told: Told = []
        for hand, waiter in list(self.order):
            if waiter.outcome == ASK:
                self._serve(hand, waiter, THROTTLED, told)
        self._trim()
        _tell(told)
        return self._all_back(now)

    def depart(self, now: float) -> Ask:
        """The worker goes on at another ledger, or another part of one. No draw may be under way.

        What it has in hand, and its share, are given back to the one it leaves, with this ask. Of the other one it
        knows nothing yet, and who waits is asked for there.
        """
        leave = self._all_back(now)
        self.sent, self.share.held, self.epoch = None, 0.0, ELSEWHERE
        self.pace = Pace(1.0 / self.turn, now)  # of that one; of the other one it has drawn nothing yet
        for hand in self._hands.values():
            hand.told_at = float("-inf")
        for hand, waiter in self.order:
            if waiter.outcome == ASK:
                self.note(hand)
        self.urgent, self.short, self.ample = True, False, False
        return leave

    def _all_back(self, now: float) -> Ask:
        for hand in self.noted:
            hand.unneeded += hand.within
            hand.excess_unneeded += hand.excess
            hand.within = hand.excess = 0.0
        self.offered_back += max(0.0, self.offered)
        self.offered = 0.0
        return self.ask(now)._replace(offered=0.0)

    def take(self, answer: Answer, now: float) -> None:
        """The draw under way was answered, in time."""
        if self.sent is None:
            return
        (_ask, pairs, sent_at), self.sent = self.sent, None
        if answer.epoch != self.epoch:
            self._begin_epoch(answer.epoch)
        self.active, self.since, self.workers = answer.active, now - answer.since, answer.workers
        self.bank_offered = answer.level
        of = self.limits
        self.ample = not answer.active and 2 * answer.level >= system_depth(of.threshold, of.burst_seconds, of.heaviest)
        self.takes += (now - sent_at - self.takes) * SLOW
        self.breadth.took(now - sent_at, self.wait)
        self.expires = self.alone_from = sent_at + self.hold
        if self.share.answered(answer.share, now):
            self.alone = None
        elif self.share.alone:  # should the next answer be lost: by this share, and beside the ledger from then on only
            self.be_alone(now)
        self.offered += answer.offered
        self.short = self.offered < self.limits.heaviest - EPSILON
        self.low = -1.0 if self.short else min(self.target, self.offered) / 2
        told: Told = []
        for (hand, _want), given in zip(pairs, answer.given, strict=True):
            hand.within += given.within
            hand.excess += given.excess
            hand.told(given, hand.within - hand.late, answer.pace, now)
        for hand in dict.fromkeys(hand for hand, _want in pairs):
            if hand.queue or hand.waiting:
                self._serve_queue(hand, now, told)
            if hand.within > 0.0 or hand.excess > 0.0 or hand.keeps:
                self.note(hand)  # what is left, or spent of what was drawn ahead, is told with a draw that comes
        for hand, want in pairs:
            hand.stray = hand.stray or (want.waiting > 0.0 and hand.within + hand.excess > 0.0)
        for hand, waiter in list(self.order):
            if waiter.outcome == ASK and not waiter.asked:
                self._consider(hand, waiter, now, told)
        self._trim()
        if self.order:
            self.urgent = True
        _tell(told)

    def _begin_epoch(self, epoch: str) -> None:
        """A ledger that knew nothing of this worker, nor of what it has in hand: it gave nothing, but does so now."""
        if self.epoch:
            self.lapse()
        for _hand, waiter in self.order:
            waiter.asked = False
        self.epoch, self.urgent = epoch, True

    def _serve_queue(self, hand: Hand, now: float, told: Told) -> None:
        """Those whom the draw asked for: each has a token now, or was refused; or it is worth to ask once more."""
        waiting, hand.waiting = list(hand.queue), 0.0
        ahead = 0.0  # of those before it who go on waiting
        for waiter in waiting:
            weight = waiter.weight
            if not waiter.asked:
                hand.waiting += weight
                continue
            if hand.within >= weight - EPSILON:
                hand.within -= weight
                hand.spent += weight
                hand.level = max(0.0, hand.level - weight)
                self._serve(hand, waiter, WITHIN, told)
            elif hand.excess >= weight - EPSILON:
                hand.excess -= weight
                hand.used_excess += weight
                self._serve(hand, waiter, EXCESS, told)
            elif self._worth(hand, waiter, ahead, now):
                ahead += weight
                hand.waiting += weight
                self.note(hand)
            else:
                self._serve(hand, waiter, THROTTLED, told)

    def _worth(self, hand: Hand, waiter: Waiter, ahead: float, now: float) -> bool:
        """Whether a request that was refused just now may find its token before it has waited too long."""
        if waiter.until - now < self.turn:
            return False
        needed = ahead + waiter.weight + (waiter.reserve if self.active else 0.0)
        return hand.bank_may_hold(needed, now)

    def _consider(self, hand: Hand, waiter: Waiter, now: float, told: Told) -> None:
        """One that came while the draw was under way: decided by what is known now, if it can be."""
        hand.waiting -= waiter.weight
        self.came -= waiter.weight
        outcome = self.decide(hand, waiter.weight, now, waiter.reserve)
        if outcome == ASK:
            hand.waiting += waiter.weight
            self.came += waiter.weight
            self.note(hand)  # the draw that was answered may have spoken of it, and not asked for anything
        else:
            self._serve(hand, waiter, outcome, told)

    def _serve(self, hand: Hand, waiter: Waiter, outcome: int, told: Told) -> None:
        waiter.outcome = outcome
        hand.queue.remove(waiter)
        told.append((waiter, outcome))

    def _last(self, hand: Hand, waiter: Waiter, now: float) -> int:
        """It has waited long enough."""
        hand.waiting = max(0.0, hand.waiting - waiter.weight)
        if waiter.asked and not self.share.alone:
            return THROTTLED
        outcome = self.decide(hand, waiter.weight, now, waiter.reserve)
        if outcome != ASK:
            return outcome
        hand.asked += waiter.weight  # no draw has spoken of it
        self.owed += waiter.weight
        self.throttled = True
        self.note(hand)
        return THROTTLED

    def lost(self, now: float) -> None:
        """The draw under way was not answered in time, or failed: the worker is alone at once."""
        if self.sent is None:
            return
        (ask, pairs, _sent_at), self.sent = self.sent, None
        self.lost_draws += 1
        self.breadth.took(float("inf"), self.wait)
        self.owed += ask.owed
        for hand, want in pairs:
            hand.late += want.late  # at worst it is charged twice: never too little
            hand.alone += want.alone
            self.note(hand)  # else what was spent, or came with a lost answer, would be booked as in hand for ever
        if self.share.lost(now):
            self.be_alone(now)
        told: Told = []
        for hand, waiter in list(self.order):
            if waiter.outcome == ASK:
                self._consider(hand, waiter, now, told)
        self._trim()
        _tell(told)

    def gone(self, now: float) -> None:
        """The draw under way found no ledger: what nobody grants any more is free, so shares are in use at once."""
        sooner = now < self.alone_from
        self.alone_from = min(now, self.alone_from)
        was_alone = self.share.alone
        self.lost(now)
        if sooner and was_alone:
            self.be_alone(now)

    def too_late(self, answer: Answer, asked: Ask) -> None:
        """An answer came after `lost`: what it grants goes back with the next draw."""
        if self.epoch in ("", ELSEWHERE) or self.share.held == 0.0:
            self._learn_share(answer, asked)
        if answer.epoch != self.epoch:
            return
        self.offered_back += answer.offered
        for want, given in zip(asked.wants, answer.given, strict=True):
            hand = self._hands.get(want.user)
            if hand is not None and (given.within or given.excess):
                hand.unneeded += given.within
                hand.excess_unneeded += given.excess
                self.note(hand)

    def _learn_share(self, answer: Answer, asked: Ask) -> None:
        """An answer came too late to a worker that has no share: what it grants is of no use, but the share that it
        tells is. Only of the last draw: a later one told the ledger that there is none."""
        if self.sent is None and asked.number == self.draws:
            self.epoch, self.share.held = answer.epoch, answer.share
            self.alone_from = asked.clock + self.hold
            self.be_alone(self._now)

    def _trim(self) -> None:
        while self.order and self.order[0][1].outcome != ASK:
            self.order.popleft()


def _tell(told: Told) -> None:
    for waiter, outcome in told:
        waiter.told(outcome)
