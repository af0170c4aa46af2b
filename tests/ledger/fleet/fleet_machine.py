"""A fleet under Hypothesis: the traffic, and the rules that hold after each step. Faults are added by who inherits it.

Time is simulated; the workers and the functions of the ledger are the real ones.
"""

from math import exp

import pytest
from fleet_books import TINY
from fleet_stage import Stage
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from throttle_model import Excursion, worst_burst

from sluicegate.throttle import Limits

LEASE = 6.0
JUMP = 0.1  # seconds: once in a worker's life a clock that jumps may mint so much
WAITS = 0.05  # seconds: a full bank goes on filling for who waits for a draw
QUIET = 8.0  # seconds: two tries of a worker that is alone, and all that was drawn ahead is told or given back

any_worker = st.integers(0, 9)
any_user = st.integers(0, 9)
sizes = st.lists(st.sampled_from([-3.0, -1.5, -0.5, 0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=5)  # normal deviates

QUICKLY = settings(max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))


def configured(sizes, tiny, burst, room, part, heaviest, sharing, most):
    """Users of lognormal sizes, one without an allocation, and tiny ones; allowed is `most` SR/s in all at most."""
    raw = [exp(1.5 * z) for z in sizes]
    allocations = {f"U{i}": most * size / max(sum(raw), 4.0) for i, size in enumerate(raw)}
    allocations |= {f"tiny{i}": 0.05 for i in range(tiny)} | {"none": 0.0}
    maximum = max(10.0, sum(allocations.values())) * room
    return Limits(maximum, maximum * part, burst, 1.0, heaviest, sharing), allocations


class Traffic(RuleBasedStateMachine):
    """A fleet that nothing fails in."""

    @initialize(
        sizes=sizes,
        tiny=st.sampled_from([0, 0, 12]),
        burst=st.sampled_from([0.1, 0.5, 1.0]),
        room=st.sampled_from([1.0, 1.5]),
        part=st.sampled_from([0.4, 0.8, 1.0]),
        heaviest=st.sampled_from([1.0, 3.0]),
        sharing=st.sampled_from(["fair", "fair", "first-come"]),
        most=st.sampled_from([60.0, 60.0, 400.0]),
        workers=st.integers(1, 4),
        seed=st.integers(0, 99),
    )
    def configure(self, sizes, tiny, burst, room, part, heaviest, sharing, most, workers, seed):
        self.limits, self.allocations = configured(sizes, tiny, burst, room, part, heaviest, sharing, most)
        self.most_allowed = most
        self.names = list(self.allocations)
        self.staged(workers, seed)
        self.excursion, self.counted = Excursion(self.limits.maximum), 0
        self.jumped = False
        self.beyond = 0.0  # of the bound of one process: what faults have allowed, in SR
        self.stage.run(2.0)  # banks are empty at first
        self.stage.ledger.copy()

    def staged(self, workers, seed):
        self.stage = Stage(self.limits, self.allocations, workers, lease=LEASE, seed=seed)
        self.bound = worst_burst(self.limits, self.allocations) + WAITS * sum(self.allocations.values())

    # --- traffic and time

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.1, 0.3, 0.6, 1.5, 3.0]))
    def time_passes(self, seconds):
        self.stage.run(self.stage.now + seconds)

    @rule(
        worker=any_worker, user=any_user, weight=st.sampled_from([1.0, 0.3, 3.0]), times=st.sampled_from([1, 1, 4, 40])
    )
    def requests_come(self, worker, user, weight, times):
        for _ in range(times):
            self.ask(worker, self.names[user % len(self.names)], weight)

    @rule(
        users=st.lists(any_user, min_size=1, max_size=4),
        rate=st.sampled_from([0.3, 1.0, 3.0]),
        seconds=st.sampled_from([0.1, 0.4, 1.0]),
        spread=st.sampled_from([1, 99]),
    )
    def a_stream_comes(self, users, rate, seconds, spread):
        stage, step = self.stage, 1.0 / (rate * self.limits.threshold)
        for count in range(int(seconds / step)):
            stage.run(stage.now + step)
            name = self.names[users[count % len(users)] % len(self.names)]
            self.ask(stage.random.randrange(spread), name, 1.0)

    @rule(first=any_user, each=st.sampled_from([2, 10, 40]))
    def everybody_sends_everywhere_at_once(self, first, each):
        names = ["none", *self.names[first % len(self.names) :]]
        for name in names:
            for worker in self.stage.living:
                for _ in range(each if name[0] != "t" else 2):
                    self.stage.ask(worker, name, 1.0)

    def ask(self, worker, name, weight):
        living = self.stage.living
        if living:
            self.stage.ask(living[worker % len(living)], name, min(weight, self.limits.heaviest))

    def jump(self, skew):
        """The ledger's clock is so many seconds off."""
        self.stage.skew, self.stage.early, self.jumped = skew, JUMP, True

    # --- what holds

    @rule()
    def all_faults_end_and_nobody_asks_for_some_time(self):
        stage = self.stage
        stage.heal()
        stage.rest(QUIET)
        for number in stage.living:
            assert not stage.untold[number], "everybody is told"
            assert not stage.workers[number].share.alone, "all are back"
        if stage.living:
            books = stage.ledger.books
            assert {stage.workers[number].epoch for number in stage.living} == {books.epoch}
            held = {stage.workers[number].name: stage.hand_of(number) for number in stage.living}
            booked = {name: sum(each.ahead for each in hand.values()) for name, hand in books.hands.items()}
            assert {name: amount for name, amount in booked.items() if amount > TINY} == pytest.approx(
                {name: amount for name, amount in held.items() if amount > TINY}
            )
            assert books.system["hand"] == pytest.approx(sum(held.values()))

    @invariant()
    def shares_add_up_to_the_whole_at_most(self):
        if hasattr(self, "stage"):
            self.stage.check_shares()

    @invariant()
    def what_is_admitted_is_drawn_once_or_told(self):
        if hasattr(self, "stage"):
            self.stage.check_tokens()

    @invariant()
    def what_a_worker_has_in_hand_is_booked(self):
        """So that it counts against the depths."""
        if hasattr(self, "stage"):
            self.stage.check_hands()

    @invariant()
    def no_window_admits_more_than_the_bound(self):
        if hasattr(self, "stage"):
            for at, weight in self.stage.admitted[self.counted :]:
                self.excursion.add(at, weight)
            self.counted = len(self.stage.admitted)
            assert self.excursion.most <= self.most() + 1e-3

    def most(self) -> float:
        """Of one process, and what faults allow beside it, in SR."""
        jumps = JUMP * self.excursion.rate * len(self.stage.workers) if self.jumped else 0.0
        return self.bound + self.beyond + jumps
