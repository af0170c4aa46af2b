"""A fleet in simulated time: workers, a network with delays and losses, and a ledger, all from seeds."""

import heapq
import itertools
import random
import sys
from collections.abc import Callable
from pathlib import Path

from sluicegate.ledger.fleet.hands import ASK
from sluicegate.ledger.fleet.shard import StaleError
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.throttle import Limits


class LuaLedger:
    """The real functions of the ledger, on the time of each draw (seconds)."""

    def __init__(self):
        sys.path.append(str(Path(__file__).parents[2] / "tests" / "ledger"))  # it is the tests' own stand-in
        from lua_shard import LuaShard

        self.now = 0.0
        self.shard = LuaShard(lambda: 1000.0 + self.now)

    def draw(self, ask, now):
        """One draw."""
        self.now = now
        return self.shard.drawn(ask)


Outcome = Callable[[float, int], None]


class Fleet:
    """Workers over one ledger. `delay` gives the seconds of one way, or None: it is lost.

    Attributes:
        ledger: what draws come to (`draw(ask, now)`); None: nobody is there.
        cut: indices of workers that do not reach it. dead: that are no more.
        skew: added to the ledger's clock, in seconds.
        refuses: whether, where no ledger is there, connections are refused.
    """

    def __init__(
        self,
        limits: Limits,
        allocations,
        ledger,
        workers=8,
        *,
        seed=0,
        reserves=None,
        delay=None,
        made=Worker,
        **options,
    ):
        self.random = random.Random(seed)
        self.limits, self.allocations, self.ledger = limits, dict(allocations), ledger
        self.delay = delay or (lambda: 0.0002 + self.random.expovariate(2_000.0))
        self.cut, self.dead, self.skew = set(), set(), 0.0
        self.refuses = False
        self.now = 0.0
        self.longest = 0.0
        self.waited = self.asked = 0
        self._events = []
        self._count = itertools.count()
        self._pending = [float("inf")] * workers
        self.workers = []
        for number in range(workers):
            worker = made(f"w{number}", limits, allocations, 0.0, reserves or {}, seed=seed * 1000 + number, **options)
            worker.wake = lambda number=number: self._look(number)
            self.workers.append(worker)
            self._at(self.random.uniform(0, 0.01), lambda number=number: self._poke(number))

    def _at(self, when, what):
        heapq.heappush(self._events, (when, next(self._count), what))

    def run(self, until):
        """Everything that happens up to then."""
        events = self._events
        while events and events[0][0] <= until:
            when, _, what = heapq.heappop(events)
            self.now = max(self.now, when)
            what()
        self.now = max(self.now, until)

    def _look(self, number):
        """Poke the worker when it is due, unless it will be sooner anyway."""
        if number in self.dead:
            return
        due = max(self.now, self.workers[number].due(self.now))
        if due < self._pending[number] - 1e-9:
            self._pending[number] = due
            self._at(due, lambda: self._poke(number, due))

    def _poke(self, number, due=None):
        if number in self.dead or (due is not None and due != self._pending[number]):
            return
        self._pending[number] = float("inf")
        worker = self.workers[number]
        worker.tick(self.now)
        ask = worker.next_ask(self.now)
        if ask is not None:
            self._send(number, ask)
        self._look(number)

    def _send(self, number, ask):
        there = self.delay()
        if there is None or number in self.cut:
            return

        def arrive():
            ledger = self.ledger
            if ledger is None and self.refuses and number not in self.cut:
                self._at(self.now + there, lambda: self._refused(number, ask))
            if ledger is None or number in self.cut:
                return
            begins, ends = self._served(ask)
            try:
                answer = ledger.draw(ask, begins + self.skew)
            except StaleError:
                return
            back = self.delay()
            if back is not None and number not in self.cut:
                self._at(ends + back, lambda: self._answer(number, ask, answer))

        self._at(self.now + there, arrive)

    def _refused(self, number, ask):
        """The worker hears that nobody is there."""
        worker = self.workers[number]
        worker.tick(self.now)
        if number not in self.dead and worker.sent is not None and worker.sent[0] is ask:
            worker.gone(self.now)
            self._pending[number] = float("inf")
            self._look(number)

    def _served(self, _ask):
        """When the ledger begins and ends to serve a draw that comes now: it takes no time."""
        return self.now, self.now

    def _answer(self, number, ask, answer):
        if number in self.dead:
            return
        worker = self.workers[number]
        worker.tick(self.now)
        if worker.sent is not None and worker.sent[0] is ask:
            worker.take(answer, self.now)
        else:
            worker.too_late(answer, ask)
        self._pending[number] = float("inf")
        self._look(number)

    def send(self, number, name, weight, told: Outcome, reserve=0.0):
        """A request comes to a worker now; `told(when, outcome)` is called once."""
        worker = self.workers[number]
        if number in self.dead:
            return
        hand = worker.account(name)
        now = self.now
        self.asked += 1
        outcome = worker.decide(hand, weight, now, reserve)
        if outcome != ASK:
            told(now, outcome)
            return
        self.waited += 1

        def later(outcome):
            self.longest = max(self.longest, self.now - now)
            told(self.now, outcome)

        worker.waiting(later, hand, weight, now, reserve)

    def decide_all(self, requests, route=None):
        """Drive requests (when, who, weight[, reserve]) in order of time; what was decided and when, in that order."""
        route = route or (lambda _name: self.random.randrange(len(self.workers)))
        done = []
        for index, (when, name, weight, *more) in enumerate(requests):
            self.run(when)
            done.append(None)

            def told(at, outcome, index=index):
                assert done[index] is None, "told twice"
                done[index] = at, outcome

            number = route(name)
            if number in self.dead:
                done[index] = when, None
                continue
            self.send(number, name, weight, told, more[0] if more else 0.0)
        self.run(self.now + 0.2)
        assert all(each is not None for each in done)
        return done

    @property
    def draws(self):
        return sum(worker.draws for worker in self.workers)


class Recorded:
    """What a fleet decided on requests, with the face of one throttle that is asked about the same ones in order."""

    def __init__(self, limits, allocations, reserves, requests, workers, ledger=None, start=2.0):
        fleet = Fleet(limits, allocations, ledger or LuaLedger(), workers, seed=1, reserves=reserves, settle=0.0)
        fleet.run(start)  # banks are empty at first
        sent = dict.fromkeys(allocations, 0)
        shifted = []
        for when, name, weight in requests:
            sent[name] += 1
            reserve = (reserves or {}).get(name, 0.0) if sent[name] % 3 else 0.0  # as `throttle_model.overload`
            shifted.append((start + when, name, weight, reserve))
        self.limits, self.fleet = limits, fleet
        self.outcomes = [outcome for _, outcome in fleet.decide_all(shifted)]
        self._next = iter(self.outcomes)

    def account(self, name):
        """Any token for a User."""
        return name

    def decide(self, _user, _weight, _now, _reserve=0.0):
        """The next outcome."""
        return next(self._next)
