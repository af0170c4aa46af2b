"""A fleet whose messages go as a test says: delayed, held back, in another order, lost; and whose parts fail."""

from collections import Counter, deque
from copy import deepcopy

from bench.fleet.simulated import Fleet
from fleet_books import NOTHING, TINY, Books, check_draw, read_books
from lua_shard import BASE, LuaShard
from throttle_model import Excursion, worst_burst

from sluicegate.ledger.fleet.messages import Answer, Ask
from sluicegate.ledger.fleet.shard import StaleError
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits

WAIT, HOLD = 0.05, 0.5
QUICK, LOST, HELD = 0.0005, None, "held"


class WatchedWorker(Worker):
    """It counts what it admits while it is alone, within its share, and what it told of what was served late."""

    def __init__(self, *given, **options) -> None:
        self.admitted_alone: Counter = Counter()
        self.told_late: Counter = Counter()
        super().__init__(*given, **options)

    def be_alone(self, now) -> None:
        super().be_alone(now)
        if self.alone is None:
            return
        decide, share = self.alone.decide, self.share.held
        excursion, bound = Excursion(share * self.limits.maximum), share * worst_burst(self.limits, self.allocations)

        def counted(name, weight, now, reserve):
            outcome = decide(name, weight, now, reserve)
            if outcome != THROTTLED:
                self.admitted_alone[name, outcome] += weight
                excursion.add(self.now, weight)
                assert excursion.most <= bound + 1e-3, "alone it admits more than its share of the bound"
            return outcome

        self.alone.decide = counted

    def ask(self, now):
        made = super().ask(now)
        for want in made.wants:
            self.told_late[want.user] += want.late
        return made

    def lost(self, now) -> None:
        if self.sent is not None:
            for want in self.sent[0].wants:
                self.told_late[want.user] -= want.late
        super().lost(now)


class WatchedLedger:
    """The real functions; what each draw did to the books is checked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.shard = LuaShard(lambda: 10_000.0 + self.now)
        self.shard.commands.keys[BASE + b":new"] = b"1"  # nobody can hold a share of before
        self.runs = 1
        self.books: Books | None = None
        self.copied: dict = {}

    def draw(self, ask: Ask, now: float) -> Answer:
        self.now = now
        before, epoch = self.books, self.books.epoch if self.books else None
        answer = self.shard.drawn(ask)
        self.books = read_books(self.shard)
        assert self.books is not None
        check_draw(before if epoch == answer.epoch else None, self.books, ask, answer)
        return answer

    def bury(self, name: str, now: float) -> None:
        self.now = now
        self.shard.buried(name)

    def copy(self) -> None:
        """A replica has what the ledger has now, and hears nothing more."""
        self.copied = self.shard.books()

    def restart(self, *, empty: bool) -> None:
        """Another run of the server, without data or with those of the replica: an empty ledger either way."""
        self.runs += 1
        self.shard.commands.keys = {} if empty else deepcopy(self.copied)
        self.shard.restart(f"run{self.runs}")


class Stage(Fleet):
    """See `Fleet`; what is sent has the next of `fates`: seconds, LOST, or HELD until `deliver`; then QUICK.

    Attributes:
        frozen: the ledger takes messages and answers none. away: it is not there. killed: nor will it be, until another
            one is started: connections are refused.
        early: so many seconds before its end the ledger may believe that a lease has ended.
        held: what is held back. flying: answers on their way, by the ask.
        heard: when the last draw was sent whose share a worker has. ended: when a dead worker's share ends at latest.
        took: by worker, User ('': anybody's) and kind: tokens that answers brought, in SR.
        passed: by worker, User and outcome: what was admitted, in SR.
        untold: how many requests wait, by worker. admitted: each one's time and weight.
    """

    def __init__(
        self, limits: Limits, allocations, workers: int, *, lease: float = 600.0, seed: int = 0, parts: int = 1
    ) -> None:
        super().__init__(limits, allocations, WatchedLedger(), 0, seed=seed)
        self.options = {"wait": WAIT, "hold": HOLD, "lease": lease, "settle": lease, "parts": parts}
        self.lease, self.seed = lease, seed
        self.fates: deque = deque()
        self.held: list = []
        self.flying: dict[int, tuple[Ask, Answer, int]] = {}
        self.waiting_asks: list = []
        self.frozen = self.away = self.killed = False
        self.early = 0.0
        self.heard: dict[int, float] = {}
        self.buried: set[int] = set()
        self.took: Counter = Counter()
        self.passed: Counter = Counter()
        self.untold: Counter = Counter()
        self.admitted: list[tuple[float, float]] = []
        for _ in range(workers):
            self.start()

    # --- parts that come and go

    def start(self) -> int:
        """Another worker, by a name that nobody has had."""
        number = len(self.workers)
        worker = WatchedWorker(
            f"w{number}", self.limits, self.allocations, self.now, {}, seed=self.seed * 100 + number, **self.options
        )
        worker.wake = lambda: self._look(number)
        self.workers.append(worker)
        self._pending.append(float("inf"))
        self._at(self.now + self.random.uniform(0, 0.01), lambda: self._poke(number))
        return number

    @property
    def living(self) -> list[int]:
        return [number for number in range(len(self.workers)) if number not in self.dead]

    def kill(self, number: int) -> None:
        self.dead.add(number)

    def bury(self, number: int) -> None:
        """Who started it tells that it is dead; where nobody is there to be told, its share ends with its lease."""
        if not (self.away or self.frozen or self.killed) and self.ledger.books is not None:
            self.ledger.bury(self.workers[number].name, self.now + self.skew)
            self.buried.add(number)

    def thaw(self) -> None:
        self.frozen = False
        waiting, self.waiting_asks = self.waiting_asks, []
        for number, ask in waiting:
            self._arrive(number, ask)

    def heal(self) -> None:
        """All faults end: what was held back is lost."""
        self.fates.clear()
        self.held.clear()
        self.cut.clear()
        self.skew = 0.0
        self.away = False
        if self.killed:
            self.start_ledger(empty=True)
        self.thaw()

    def rest(self, seconds: float) -> None:
        """Nobody asks for so long, and until no draw of a living worker is under way."""
        self.run(self.now + seconds)
        for _ in range(100):
            if not any(self.workers[number].sent for number in self.living):
                return
            self.run(self.now + QUICK)
        raise AssertionError("no draw ends")

    def reconfigure(self, limits: Limits, allocations) -> None:
        """All workers take other terms at one instant."""
        self.limits, self.allocations = limits, dict(allocations)
        for number in self.living:
            self.workers[number].reconfigure(limits, allocations, self.now)
            self._look(number)

    def kill_ledger(self) -> None:
        """What waited for it is refused now, what comes later when it comes; answers on their way arrive."""
        self.killed = True
        waiting, self.waiting_asks = self.waiting_asks, []
        for number, ask in waiting:
            self._refuse(number, ask)

    def start_ledger(self, *, empty: bool) -> None:
        self.killed = self.frozen = False
        self.restart_ledger(empty=empty)

    def restart_ledger(self, *, empty: bool) -> None:
        self.ledger.restart(empty=empty)

    # --- messages

    def deliver(self, index: int) -> None:
        """One that was held back arrives now."""
        if self.held:
            self.held.pop(index % len(self.held))()

    def _carry(self, number, what) -> bool:
        """Whether it may arrive."""
        fate = self.fates.popleft() if self.fates else QUICK
        if fate is LOST or number in self.cut:
            return False
        if fate == HELD:
            self.held.append(what)
        else:
            self._at(self.now + fate, what)
        return True

    def _send(self, number, ask) -> None:
        self._carry(number, lambda: self._arrive(number, ask))

    def _arrive(self, number, ask) -> None:
        if self.away or number in self.cut:
            return
        if self.killed:
            self._refuse(number, ask)
            return
        if self.frozen:
            self.waiting_asks.append((number, ask))
            return
        try:
            answer = self.ledger.draw(ask, self.now + self.skew)
        except StaleError:
            return
        key = id(ask)
        self.flying[key] = ask, answer, number

        def come_back():
            self.flying.pop(key, None)
            if number not in self.cut:
                self._answer(number, ask, answer)

        if not self._carry(number, come_back):
            del self.flying[key]

    def _refuse(self, number, ask) -> None:
        self._carry(number, lambda: number in self.cut or self._refused(number, ask))

    def _answer(self, number, ask, answer) -> None:
        if number in self.dead:
            return
        worker = self.workers[number]
        worker.tick(self.now)
        taken = worker.sent is not None and worker.sent[0] is ask
        share = worker.share.held
        if taken:
            self.took[number, "", "offered"] += answer.offered
            for want, given in zip(ask.wants, answer.given, strict=True):
                self.took[number, want.user, WITHIN] += given.within
                self.took[number, want.user, EXCESS] += given.excess
        super()._answer(number, ask, answer)
        if taken or worker.share.held != share:
            self.heard[number] = ask.clock
        self.check_shares()

    # --- requests

    def ask(self, number: int, name: str, weight: float = 1.0) -> None:
        """A request comes to a worker now; it is told once, and in time."""
        if number in self.dead:
            return
        came, told = self.now, []
        self.untold[number] += 1

        def tell(at, outcome):
            assert not told, "told twice"
            assert number not in self.dead, "told by a worker that is no more"
            assert outcome in (WITHIN, EXCESS, THROTTLED)
            assert at - came <= WAIT + 1e-6, f"told after {at - came} s"
            told.append(outcome)
            self.untold[number] -= 1
            if outcome != THROTTLED:
                self.admitted.append((at, weight))
                self.passed[number, name, outcome] += weight

        self.send(number, name, weight, tell)

    # --- what can be seen

    def in_hand(self) -> float:
        """What living workers may still spend: in hand, or in an answer that they would take."""
        flying = 0.0
        for ask, answer, number in self.flying.values():
            sent = self.workers[number].sent
            if number not in self.dead and sent is not None and sent[0] is ask:
                flying += answer.offered + sum(given.within + given.excess for given in answer.given)
        return flying + sum(self.hand_of(number) for number in self.living)

    def hand_of(self, number: int) -> float:
        """A worker's tokens, in SR; none that have expired."""
        worker = self.workers[number]
        if self.now >= worker.expires:
            return 0.0
        own = (worker.account(name) for name in self.allocations)
        return max(0.0, worker.offered) + sum(hand.within + hand.excess for hand in own)

    def check_hands(self) -> None:
        """A worker has no token that the ledger has not booked in its hand."""
        books = self.ledger.books
        for number in self.living:
            worker = self.workers[number]
            if books is None or worker.epoch != books.epoch or self.now >= worker.expires:
                continue
            booked = books.hands.get(worker.name, {})
            assert worker.offered <= booked.get("", NOTHING).bank + TINY, f"offered tokens of {worker.name}"
            for name in self.allocations:
                hand, of = worker.account(name), booked.get(name, NOTHING)
                assert hand.within <= of.bank + TINY, f"{name}'s tokens at {worker.name}"
                assert hand.excess <= of.spare + TINY, f"{name}'s part of the spare at {worker.name}"

    def check_tokens(self) -> None:
        """What was admitted, but by a share, is covered: by a token that an answer brought, or by what is told."""
        for number, worker in enumerate(self.workers):
            of_all = self.took[number, "", "offered"] - max(0.0, worker.offered)
            late = 0.0
            for name in self.allocations:
                hand = worker.account(name)
                within, excess = (
                    self.passed[number, name, kind] - worker.admitted_alone[name, kind] for kind in (WITHIN, EXCESS)
                )
                told = worker.told_late[name] + hand.late
                bank = self.took[number, name, WITHIN] - max(0.0, hand.within)
                spare = self.took[number, name, EXCESS] - max(0.0, hand.excess)
                assert within <= told + bank + 1e-3, "from a bank that is not told of it"
                late += max(0.0, within - bank) + max(0.0, excess - spare)
            assert late <= of_all + 1e-3, "more was admitted than was drawn"

    def check_shares(self) -> None:
        """Shares in use are the whole at most; of who is dead too, until its lease ends or its death is told."""
        in_use = sum(
            worker.share.held
            for number, worker in enumerate(self.workers)
            if number not in self.buried
            and number in self.heard
            and self.now < self.heard[number] + self.lease - self.early
        )
        assert in_use <= 1.0 + 1e-6, "shares add up to more than the whole"
