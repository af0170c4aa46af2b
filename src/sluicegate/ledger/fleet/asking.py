"""What a worker's next draw says and asks for."""

from __future__ import annotations

from math import exp

from sluicegate.ledger.fleet.deciding import Deciding
from sluicegate.ledger.fleet.drawing import PART, SELDOM, moved, offered_target, own_target, turn_of
from sluicegate.ledger.fleet.hands import Hand, Waiter
from sluicegate.ledger.fleet.messages import LATELY, Ask, Terms, Want


class Asking(Deciding):
    """A worker that makes up its draws: see `Deciding`, and `worker.Worker`, which takes the answers."""

    def ask(self, now: float) -> Ask:
        """A draw, whether it is due or not."""
        if now >= self.expires:
            self.lapse()
        elapsed = now - self.drawn_at
        self.offered_flow = moved(self.offered_flow, self.came, elapsed)
        self.came = 0.0
        wanting = self.wants_tokens
        turn = turn_of(self.takes)
        target = 0.0 if not wanting else offered_target(max(self.offered_flow, 0.0), self.limits.heaviest, turn)
        pairs: list[tuple[Hand, Want]] = []
        self.lost_at = self._patient_until(now)
        noted, self.noted = self._to_be_told(now)
        most = self.breadth.users
        if len(noted) > most:
            # Who waits is asked for, what was admitted alone is told; the others with the next draw.
            noted.sort(key=lambda hand: (not hand.queue, not hand.alone))
            self.noted += noted[most:]
        for hand in noted[:most]:
            hand.noted = False
            self._wants_of(hand, now, turn, wanting, pairs)
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
            stray=sum([hand.within + hand.excess for hand in noted[most:] if hand.stray]),
            throttled=self.throttled,
            wants=tuple(want for _hand, want in pairs),
        )
        self.owed = self.offered_back = self.unsent = 0.0
        self.throttled = self.urgent = False
        self.target = target
        self.low = -1.0  # until the answer sets it anew: a few tokens less are no reason for one more draw
        self.drawn_at = now
        self.pace.take(now)
        self.sent = ask, pairs, now
        return ask

    @property
    def wants_tokens(self) -> bool:
        """Whether a draw asks for tokens: none while the worker is alone, nor the first, which makes it known."""
        return self.epoch != "" and not self.share.alone

    def _patient_until(self, now: float) -> float:
        """When a draw that is sent now is lost, in seconds.

        Requests wait for `wait` at most, whatever comes of it. The draw itself may take until what is in hand has
        expired: before, a worker that is alone admits nothing more than one that waits for its answer.
        """
        if self.share.alone or not self.epoch:
            return now + max(self.wait, self.hold / 2)
        return max(now + self.wait, self.alone_from)

    def _to_be_told(self, now: float) -> tuple[list[Hand], list[Hand]]:
        """Of whom this draw speaks, and who may wait for another one: whose tokens in hand are as they were told, also
        where more was refused, and, as long as nothing is near to run short, of whose bank little was used lately."""
        part = 1.0 / (2 * self.workers) if self.ample else 0.0
        told: list[Hand] = []
        later: list[Hand] = []
        for hand in self.noted:
            since = hand.late_at if hand.late else hand.drawn_at
            seldom = now - since < SELDOM and hand.late <= hand.depth * part and not hand.moved
            (later if seldom else told).append(hand)
        return told, later

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
            self.part.parts,
        )

    def _wants_of(self, hand: Hand, now: float, turn: float, wanting: bool, pairs: list[tuple[Hand, Want]]) -> None:
        """What is to be said of one User: one want, and one more for each other reserve and weight that waits."""
        reserve, unit = 0.0, self.limits.heaviest
        again = 0.0
        first: list[Waiter] = []
        others: list[tuple[tuple[float, float], list[Waiter]]] = []
        if hand.queue and wanting:
            again = sum([waiter.weight for waiter in hand.queue if waiter.asked])
            ((reserve, unit), first), *others = self._who_waits(hand)
        elapsed = now - hand.drawn_at
        hand.flow = moved(hand.flow, hand.spent, elapsed)
        hand.flow_excess = moved(hand.flow_excess, hand.used_excess, elapsed)
        hand.drawn_at = now
        keep = keep_excess = 0.0
        if self.active and wanting:
            keep = own_target(hand.flow, unit, turn, PART * hand.bank / self.workers)
            keep_excess = own_target(hand.flow_excess, unit, turn)
        hand.keeps = keep + keep_excess > 0.0
        too_much = too_much_excess = 0.0
        if hand.within or hand.excess:
            hand.within, hand.excess = max(0.0, hand.within), max(0.0, hand.excess)  # it may be short of an EPSILON
            if wanting:
                too_much, too_much_excess = max(0.0, hand.within - keep), max(0.0, hand.excess - keep_excess)
                hand.within -= too_much
                hand.excess -= too_much_excess
        age = now - hand.late_at if hand.late else 0.0
        want = Want(  # in the order of its fields: by their names it takes twice as long
            hand.name,
            hand.allocation,
            hand.depth,
            unit,
            reserve,
            sum([waiter.weight for waiter in first]) if first else 0.0,
            keep - hand.within if keep > hand.within else 0.0,
            keep_excess - hand.excess if keep_excess > hand.excess else 0.0,
            hand.asked,
            hand.late,
            hand.within,
            hand.unneeded + too_much,
            hand.excess,
            hand.excess_unneeded + too_much_excess,
            hand.alone,
            max(self._age(first, now), age) if first else age,
            again,
        )
        pairs.append((hand, want))
        asked = hand.asked + want.waiting - again
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
        hand.demand_here = hand.demand_here * exp(-elapsed / LATELY) + asked  # each request once, as in the ledger
        hand.begin_again()

    def _who_waits(self, hand: Hand) -> list[tuple[tuple[float, float], list[Waiter]]]:
        """By reserve and weight; from now on a draw has asked for them."""
        groups: dict[tuple[float, float], list[Waiter]] = {}
        for waiter in hand.queue:
            waiter.asked = True
            kept = waiter.reserve if self.active else 0.0
            groups.setdefault((kept, waiter.weight), []).append(waiter)
        return sorted(groups.items())

    def _age(self, waiting: list[Waiter], now: float) -> float:
        return max(0.0, self.wait - (waiting[0].until - now)) if waiting else 0.0
