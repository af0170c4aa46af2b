"""A ledger in Python, after docs/fleet.md and over the one process's own throttle: what the tests' fleets draw from."""

from collections import defaultdict

from sluicegate.ledger.fleet.messages import Answer, Ask, Given, Want
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Throttle
from sluicegate.throttle.sharing import EPSILON


class Booked:
    """What the ledger knows of one worker."""

    def __init__(self):
        self.seen = self.clock = 0.0
        self.share = self.offered = 0.0
        self.number = 0
        self.within = defaultdict(float)
        self.excess = defaultdict(float)
        self.fresh = {}  # granted to requests that waited: spent as soon as they come
        self.lapsed = False


class ModelledLedger:
    """One ledger; `now` is its server's time."""

    def __init__(self, limits, allocations, reserves=None, *, epoch="1", empty=False, settle=0.0, now=0.0):
        self.throttle = Throttle(limits, allocations, 0.0, reserves or {})
        if empty:
            self.throttle.empty(0.0)
        self.limits, self.epoch = limits, epoch
        self.workers = {}
        self.draws = 0
        self.now, self.at = now, 0.0
        self.demand = defaultdict(float)
        self.settle_until = now + settle
        self.fill = 1.0

    def draw(self, ask: Ask, now: float) -> Answer:
        """One draw."""
        self.draws += 1
        booked = self.workers.setdefault(ask.worker, Booked())
        known = ask.epoch == self.epoch
        self._clock(ask, booked, now)
        throttle = self.throttle
        if not known:
            booked.offered = 0.0
            booked.within.clear()
            booked.excess.clear()
            if ask.share and not booked.share:
                booked.share = ask.share
        else:
            booked.share = ask.share
        self._returned(ask, booked, known)
        self._offer(ask.owed + sum(want.alone for want in ask.wants))
        throttle._system = min(throttle._room, throttle._system + ask.unsent)
        for want in ask.wants:
            self._charge(want)
        if ask.throttled:
            self._active()
        booked.fresh.clear()
        given = [self._serve(want, booked) for want in ask.wants]
        offered = self._ahead(ask, booked)
        others = sum(each.share for each in self.workers.values() if each is not booked)
        share = max(0.0, min(1 / len(self.workers), 1 - others))
        booked.share = max(booked.share, share)
        state = throttle.state(self.at)
        pace = throttle._spare.pace or throttle._spare.part(self._widest()) / self._widest().share
        return Answer(
            self.epoch,
            ask.number,
            offered,
            throttle._offered,
            state.active,
            max(0.0, self.at - state.since),
            share,
            len(self.workers),
            self.fill,
            pace,
            tuple(given),
        )

    def _widest(self):
        return max(self.throttle._accounts.values(), key=lambda user: user.share)

    def _clock(self, ask, booked, now):
        gone = 0.0
        for each in self.workers.values():
            if each is booked:
                continue
            if now - each.seen > ask.terms.hold and each.share:
                gone += each.share if now - each.seen < ask.terms.lease else 0.0
                if not each.lapsed:
                    each.lapsed = True
                    each.offered = 0.0
                    each.within.clear()
                    each.excess.clear()
        if booked.number and now - booked.seen > ask.terms.hold:
            gone += booked.share
            booked.offered = 0.0
            booked.within.clear()
            booked.excess.clear()
        self.fill = max(0.0, 1.0 - gone)
        if now < self.settle_until:
            self.fill = min(self.fill, sum(each.share for each in self.workers.values()))
        elapsed = max(0.0, now - self.now)
        if booked.number:
            elapsed = min(elapsed, max(0.0, ask.clock - booked.clock) + 0.1)
        self.now = max(self.now, now)
        self.at += elapsed * self.fill
        booked.seen, booked.clock, booked.number, booked.lapsed = now, ask.clock, ask.number, False
        throttle = self.throttle
        throttle._advance(self.at)
        known = [each for each in self.workers.values() if each.within]
        for user in throttle._accounts.values():
            held = sum(max(0.0, each.within.get(user.name, 0.0) - each.fresh.get(user.name, 0.0)) for each in known)
            if held > 0.0:
                user.level = max(0.0, min(user.level_at(self.at), user.depth - held))
                user.filled_at = self.at

    def _held(self, name):
        return sum(each.within.get(name, 0.0) for each in self.workers.values())

    def _returned(self, ask, booked, known):
        throttle = self.throttle
        if not known:
            return
        back = min(ask.offered_back, max(0.0, booked.offered - ask.offered_held))
        booked.offered = min(booked.offered, ask.offered_held)
        throttle._system = min(throttle._room, throttle._system + back)
        throttle._offered = min(throttle._depth, throttle._offered + back)
        seen = set()
        for want in ask.wants:
            if want.user in seen:
                continue
            seen.add(want.user)
            user = throttle.account(want.user)
            before = booked.within[want.user]
            back = min(want.back, max(0.0, before - want.held))
            booked.within[want.user] = min(before, want.held)
            if back:
                throttle.give_back(user, back, WITHIN, self.at)
            before = booked.excess[want.user]
            back = min(want.excess_back, max(0.0, before - want.excess_held))
            booked.excess[want.user] = min(before, want.excess_held)
            if back:
                throttle.give_back(user, back, EXCESS, self.at)

    def _offer(self, weight):
        throttle = self.throttle
        throttle._offered = max(throttle._offered_floor, throttle._offered - weight)
        throttle._clear_at = max(throttle._clear_at, self.at - throttle._offered / throttle._threshold)

    def _charge(self, want: Want):
        user = self.throttle.account(want.user)
        if want.alone:
            self.throttle._system = max(self.throttle._floor, self.throttle._system - want.alone)
        if want.late or want.alone:
            user.level = max(0.0, user.level_at(self.at) - want.late - want.alone)
            user.filled_at = self.at

    def _active(self):
        throttle = self.throttle
        throttle._throttled_at = self.at
        if not throttle._active:
            throttle._active, throttle._since = True, self.at

    def _serve(self, want: Want, booked) -> Given:
        throttle, user, at = self.throttle, self.throttle.account(want.user), self.at
        got = {WITHIN: 0.0, EXCESS: 0.0, THROTTLED: 0.0}
        left = want.waiting
        depth = user.depth
        if left and want.age and depth:
            since = max(user.filled_at, at - min(want.age, 0.05))
            user.level = user.level_at(since) + (at - since) * user.allocation
            user.filled_at = at
            user.depth = max(depth, user.level)
        while left >= want.unit - EPSILON:
            left -= want.unit
            outcome = throttle.decide(user, want.unit, at, want.reserve)
            got[outcome] += want.unit
        user.depth = depth
        booked.fresh[want.user] = got[WITHIN]
        ahead = want.ahead
        while ahead >= want.unit and user.level_at(at) - want.unit >= user.depth / 2 + want.reserve:
            ahead -= want.unit
            user.level = user.level_at(at) - want.unit
            user.filled_at = at
            throttle._system = max(throttle._floor, throttle._system - want.unit)
            got[WITHIN] += want.unit
            self._offer(want.unit)
        if want.asked or want.excess:
            self._excess(want, user, got)
        booked.within[want.user] += got[WITHIN]
        booked.excess[want.user] += got[EXCESS]
        self.demand[want.user] += want.asked + want.waiting
        level = user.level_at(at)
        elsewhere = self._held(want.user) - booked.within[want.user]
        return Given(
            got[WITHIN], got[EXCESS], level, max(0.0, elsewhere), throttle._spare.credit(user), self.demand[want.user]
        )

    def _excess(self, want, user, got):
        throttle, wanted, asked = self.throttle, want.excess, want.asked
        if not throttle._shared:
            return
        if throttle._system > 0.0:
            throttle._spare.pool += throttle._system
            throttle._system = 0.0
        while wanted >= want.unit:
            wanted -= want.unit
            asked -= want.unit
            if not throttle._spare.permits(user, want.unit, self.at):
                break
            got[EXCESS] += want.unit
            self._offer(want.unit)
        throttle._room = throttle._depth - throttle._spare.pool
        if asked > 0.0:
            user.asked += asked

    def _ahead(self, ask, booked):
        throttle, heaviest = self.throttle, self.limits.heaviest
        most = throttle._offered / 2 / len(self.workers)
        granted = min(ask.offered, max(0.0, most)) // heaviest * heaviest
        if granted:
            throttle._offered -= granted
            throttle._system -= granted
            booked.offered += granted
        return granted
