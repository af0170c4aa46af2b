"""One worker's turns: what it asks the ledger for, what it does with the answer, and with none."""

from __future__ import annotations

from math import exp
from typing import Final

from sluicegate.ledger.face import ASK
from sluicegate.ledger.fleet.deciding import Deciding
from sluicegate.ledger.fleet.drawing import moved, offered_target, own_target
from sluicegate.ledger.fleet.hands import Hand, Waiter
from sluicegate.ledger.fleet.messages import LATELY, MOST_WANTS, Answer, Ask, Terms, Want
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN
from sluicegate.throttle.sharing import EPSILON

MOST_USERS: Final = MOST_WANTS // 2  # of a draw: some have more than one want

Told = list[tuple[Waiter, int]]


class Worker(Deciding):
    """A worker of a fleet: see `Deciding`. Whoever drives it does, at `due`, or when `wake` is called: `tick`, then
    `next_ask`; sends what that returns; and then calls `take`, or `lost`, or (after `lost`) `too_late`.
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
        for hand in self.noted:
            hand.unneeded += hand.within
            hand.excess_unneeded += hand.excess
            hand.within = hand.excess = 0.0
        self.offered_back += max(0.0, self.offered)
        self.offered = 0.0
        _tell(told)
        return self.ask(now)._replace(offered=0.0)

    def ask(self, now: float) -> Ask:
        """A draw, whether it is due or not."""
        if now >= self.expires:
            self.lapse()
        elapsed = now - self.drawn_at
        self.offered_flow = moved(self.offered_flow, self.came, elapsed)
        self.came = 0.0
        alone = self.share.alone
        target = 0.0 if alone else offered_target(max(self.offered_flow, 0.0), self.limits.heaviest)
        pairs: list[tuple[Hand, Want]] = []
        self.lost_at = now + self.wait
        noted, self.noted = self.noted, []
        if len(noted) > MOST_USERS:
            noted.sort(key=lambda hand: not hand.queue)  # who waits is asked for; the others with the next draw
            self.noted = noted[MOST_USERS:]
        for hand in noted[:MOST_USERS]:
            hand.noted = False
            self._wants_of(hand, now, pairs)
            if hand.within > 0.0 or hand.excess > 0.0:
                self.note(hand)
        self.draws += 1
        ask = Ask(
            worker=self.name,
            life=self.life,
            epoch=self.epoch,
            number=self.draws,
            clock=now,
            terms=self._terms(),
            share=self.share.held,
            owed=self.owed,
            offered=max(0.0, target - self.offered),
            offered_held=max(0.0, self.offered),
            offered_back=self.offered_back,
            unsent=self.unsent,
            throttled=self.throttled,
            wants=tuple(want for _hand, want in pairs),
        )
        self.owed = self.offered_back = self.unsent = 0.0
        self.throttled = self.urgent = False
        self.target = target
        self.drawn_at = now
        self.pace.take(now)
        self.sent = ask, pairs, now
        return ask

    def _terms(self) -> Terms:
        of = self.limits
        return Terms(
            of.maximum,
            of.threshold,
            of.burst_seconds,
            of.calm_seconds,
            of.heaviest,
            of.sharing,
            self.deepest,
            self.hold,
            self.lease,
            self.settle,
        )

    def _wants_of(self, hand: Hand, now: float, pairs: list[tuple[Hand, Want]]) -> None:
        """What is to be said of one User: one want, and one more for each other reserve and weight that waits."""
        groups: dict[tuple[float, float], list[Waiter]] = {}
        if not self.share.alone:
            for waiter in hand.queue:
                if not waiter.asked:
                    waiter.asked = True
                    self.lost_at = min(self.lost_at, waiter.until)
                kept = waiter.reserve if self.active else 0.0
                groups.setdefault((kept, waiter.weight), []).append(waiter)
        elapsed = now - hand.drawn_at
        hand.flow = moved(hand.flow, hand.spent, elapsed)
        hand.flow_excess = moved(hand.flow_excess, hand.used_excess, elapsed)
        hand.drawn_at = now
        ((reserve, unit), first), *others = sorted(groups.items()) or [((0.0, self.limits.heaviest), [])]
        keep, keep_excess = (own_target(flow, unit) if self.active else 0.0 for flow in (hand.flow, hand.flow_excess))
        if self.share.alone:
            keep, keep_excess = hand.within, hand.excess
        hand.within, hand.excess = max(0.0, hand.within), max(0.0, hand.excess)  # a request may be short of an EPSILON
        too_much, too_much_excess = max(0.0, hand.within - keep), max(0.0, hand.excess - keep_excess)
        hand.within -= too_much
        hand.excess -= too_much_excess
        want = Want(
            user=hand.name,
            allocation=hand.allocation,
            depth=hand.depth,
            unit=unit,
            reserve=reserve,
            waiting=sum(waiter.weight for waiter in first),
            ahead=max(0.0, keep - hand.within),
            excess=max(0.0, keep_excess - hand.excess),
            asked=hand.asked,
            late=hand.late,
            held=hand.within,
            back=hand.unneeded + too_much,
            excess_held=hand.excess,
            excess_back=hand.excess_unneeded + too_much_excess,
            alone=hand.alone,
            age=max(self._age(first, now), now - hand.late_at if hand.late else 0.0),
        )
        pairs.append((hand, want))
        asked = hand.asked + want.waiting
        for (reserve, unit), group in others:
            waiting = sum(waiter.weight for waiter in group)
            asked += waiting
            more = Want(
                hand.name,
                hand.allocation,
                hand.depth,
                unit,
                reserve,
                waiting,
                held=hand.within,
                excess_held=hand.excess,
                age=self._age(group, now),
            )
            pairs.append((hand, more))
        hand.demand_here = hand.demand_here * exp(-elapsed / LATELY) + asked
        hand.begin_again()

    def _age(self, waiting: list[Waiter], now: float) -> float:
        return max(0.0, self.wait - (waiting[0].until - now)) if waiting else 0.0

    def take(self, answer: Answer, now: float) -> None:
        """The draw under way was answered, in time."""
        if self.sent is None:
            return
        (_ask, pairs, sent_at), self.sent = self.sent, None
        if answer.epoch != self.epoch:
            if self.epoch:  # a ledger that knows nothing of what is in hand
                self.lapse()
            self.epoch = answer.epoch
        self.active, self.since, self.workers = answer.active, now - answer.since, answer.workers
        self.bank_offered = answer.level
        if self.share.answered(answer.share, now):
            self.alone = None
        self.expires = self.alone_from = sent_at + self.hold
        if self.alone is not None:
            self.alone.until = self.lease_ends()
        self.offered += answer.offered
        self.short = self.offered < self.limits.heaviest - EPSILON
        self.low = -1.0 if self.short else min(self.target, self.offered) / 2
        told: Told = []
        for (hand, _want), given in zip(pairs, answer.given, strict=True):
            hand.within += given.within
            hand.excess += given.excess
            hand.told(given, hand.within - hand.late, answer.pace, now)
        for hand in dict.fromkeys(hand for hand, _want in pairs):
            if hand.within > 0.0 or hand.excess > 0.0:
                self.note(hand)  # what is spent of it, or left, is told with the next draw
            self._serve_queue(hand, now, told)
        for hand, waiter in list(self.order):
            if waiter.outcome == ASK and not waiter.asked:
                self._consider(hand, waiter, now, told)
        self._trim()
        if self.order:
            self.urgent = True
        _tell(told)

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
        return THROTTLED if outcome == ASK else outcome

    def lost(self, now: float) -> None:
        """The draw under way was not answered in time, or failed: the worker is alone at once."""
        if self.sent is None:
            return
        (ask, pairs, _sent_at), self.sent = self.sent, None
        self.lost_draws += 1
        self.owed += ask.owed
        for hand, want in pairs:
            hand.late += want.late  # at worst it is charged twice: never too little
            hand.alone += want.alone
            if want.late or want.alone:
                self.note(hand)
        if self.share.lost(now):
            self.be_alone(now)
        told: Told = []
        for hand, waiter in list(self.order):
            if waiter.outcome == ASK:
                self._consider(hand, waiter, now, told)
        self._trim()
        _tell(told)

    def too_late(self, answer: Answer, asked: Ask) -> None:
        """An answer came after `lost`: what it grants goes back with the next draw."""
        if answer.epoch != self.epoch:
            return
        self.offered_back += answer.offered
        for want, given in zip(asked.wants, answer.given, strict=True):
            hand = self._hands.get(want.user)
            if hand is not None and (given.within or given.excess):
                hand.unneeded += given.within
                hand.excess_unneeded += given.excess
                self.note(hand)

    def _trim(self) -> None:
        while self.order and self.order[0][1].outcome != ASK:
            self.order.popleft()


def _tell(told: Told) -> None:
    for waiter, outcome in told:
        waiter.told(outcome)
