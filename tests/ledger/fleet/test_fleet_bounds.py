"""How much a fleet admits in any window: what one process may, and each fault for itself adds no more than it must."""

import pytest
from fleet_machine import QUICKLY, WAITS, Traffic, any_worker
from fleet_stage import QUICK, Stage
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test
from throttle_model import Excursion, worst_burst

from sluicegate.throttle import WITHIN, Limits


class Orderly(Traffic):
    """Nothing fails. Messages take up to 20 ms each way, and come in any order."""

    @rule(ways=st.lists(st.sampled_from([QUICK, 0.002, 0.01, 0.02]), min_size=1, max_size=10))
    def the_next_messages_take(self, ways):
        self.stage.fates.extend(ways)

    @invariant()
    def nobody_is_alone(self):
        if hasattr(self, "stage"):
            assert not any(worker.admitted_alone or worker.lost_draws for worker in self.stage.workers)


class Killed(Traffic):
    """Workers are killed with tokens in hand: whatever others are given of that, it is not beyond the bound."""

    @rule(worker=any_worker, told=st.booleans())
    def one_is_killed_and_another_one_starts(self, worker, told):
        stage = self.stage
        number = stage.living[worker % len(stage.living)]
        stage.kill(number)
        if told:
            stage.bury(number)
        stage.start()


class Restarted(Traffic):
    """The ledger is another one, and empty. What is in hand of the one before is beyond the bound, and nothing else."""

    @rule(empty=st.booleans())
    def another_ledger_has_its_place(self, empty):
        self.beyond += self.stage.in_hand()
        self.stage.restart_ledger(empty=empty)


class Jumping(Traffic):
    """The ledger's clock jumps: that mints a tenth of a second once in each worker's life, and nothing else."""

    @rule(skew=st.sampled_from([3600.0, -3600.0, 7200.0, 0.0, 0.3]))
    def its_clock_is_off(self, skew):
        self.jump(skew)


MACHINES = [Orderly, Killed, Restarted, Jumping]


@pytest.mark.parametrize("machine", MACHINES)
def test_no_window_admits_more_than_one_process_would_and_what_the_fault_adds(machine):
    run_state_machine_as_test(machine, settings=settings(QUICKLY, max_examples=10))


@pytest.mark.long
@pytest.mark.parametrize("machine", MACHINES)
def test_no_window_admits_more_than_one_process_would_for_long(machine):
    run_state_machine_as_test(machine, settings=settings(QUICKLY, max_examples=150, stateful_step_count=40))


# --- by hand: what no fault may break

ALLOCATIONS = {"A": 30.0, "B": 10.0, "none": 0.0}
LIMITS = Limits(100.0, 80.0, 0.5, 1.0)


def all_at_once(stage):
    """Everybody asks every worker for more than there is."""
    for name in ("none", "A", "B"):
        for number in stage.living:
            for _ in range(100):
                stage.ask(number, name)


def assert_the_bound(stage, beyond=0.0):
    excursion = Excursion(LIMITS.maximum)
    for at, weight in stage.admitted:
        excursion.add(at, weight)
    most = worst_burst(LIMITS, ALLOCATIONS) + WAITS * sum(ALLOCATIONS.values()) + beyond
    assert excursion.most <= most + 1e-3


def full(workers, **options):
    """Some seconds after the start: all banks are full."""
    stage = Stage(LIMITS, ALLOCATIONS, workers, **options)
    stage.run(5.0)
    return stage


def test_all_that_can_be_asked_for_at_once_is_within_the_bound_and_not_far_from_it():
    stage = full(4)
    all_at_once(stage)
    stage.rest(1.0)
    assert_the_bound(stage)
    assert sum(weight for _, weight in stage.admitted) >= 0.95 * worst_burst(LIMITS, ALLOCATIONS)


def test_who_is_cut_off_in_a_quiet_time_admits_nothing_beside_full_banks():
    stage = full(2)
    stage.cut.add(0)
    stage.run(stage.now + 5.0)
    all_at_once(stage)
    stage.rest(0.2)
    assert_the_bound(stage)


def test_whoever_comes_back_does_not_find_banks_full_beside_which_it_has_admitted_alone():
    stage = full(2)
    stage.away = True
    stage.run(stage.now + 5.0)
    stage.away = False
    while any(stage.workers[number].share.retry_at > stage.now + 0.01 for number in stage.living):
        stage.run(stage.now + 0.005)
        if all(not worker.share.alone for worker in stage.workers):
            break
    all_at_once(stage)
    stage.rest(0.2)
    all_at_once(stage)
    stage.rest(0.2)
    assert_the_bound(stage)


def lost_again(stage, number):
    """A worker that is alone is answered, and its next draw arrives, but the answer to that one is lost."""
    stage.cut.discard(number)
    share = stage.workers[number].share
    while not (share.returns and any(whose == number for _, _, whose in stage.flying.values())):
        stage.run(stage.now + QUICK / 5)
    stage.cut.add(number)


def test_who_is_answered_once_and_cut_off_again_admits_nothing_beside_banks_that_grow_meanwhile():
    stage = full(2)
    stage.cut.add(0)
    stage.run(stage.now + 5.0)
    lost_again(stage, 0)
    stage.run(stage.now + 0.49)
    all_at_once(stage)
    stage.rest(0.2)
    assert_the_bound(stage)


def test_who_is_told_a_smaller_share_and_cut_off_again_admits_no_more_than_that():
    stage = full(1)
    stage.cut.add(0)
    stage.run(stage.now + 1.0)
    stage.start()
    stage.run(stage.now + 1.0)
    lost_again(stage, 0)
    for _ in range(200):
        stage.run(stage.now + 0.05)
        for name in ALLOCATIONS:
            for number in stage.living:
                for _ in range(4):
                    stage.ask(number, name)
    stage.rest(0.2)
    assert_the_bound(stage)


def test_a_worker_whose_first_answer_came_after_its_first_draw_was_lost_has_its_share_when_the_ledger_is_lost_again():
    stage = Stage(LIMITS, ALLOCATIONS, 0)
    stage.away = True
    number = stage.start()
    stage.run(1.0)
    stage.away = False
    share = stage.workers[number].share
    while not share.returns:
        stage.run(stage.now + QUICK / 5)
    stage.away = True
    stage.run(stage.now + 5.0)
    for _ in range(100):
        stage.run(stage.now + 0.05)
        stage.ask(number, "A")
    stage.rest(0.2)
    assert len(stage.admitted) == 100


def test_nobody_is_throttled_while_a_worker_comes_back():
    stage = full(2)
    stage.cut.add(0)
    stage.run(stage.now + 2.0)
    stage.cut.discard(0)
    share = stage.workers[0].share
    while not share.returns:
        stage.run(stage.now + QUICK / 5)
    stage.ask(0, "A")
    stage.ask(0, "none")
    stage.rest(0.1)
    assert len(stage.admitted) == 2


def test_over_the_threshold_who_comes_before_a_worker_is_first_answered_is_asked_for_by_its_next_draw():
    stage = full(2)
    for _ in range(1_000):
        stage.run(stage.now + 0.001)
        stage.ask(0, "none")
    number = stage.start()
    stage.ask(number, "A")
    for _ in range(60):
        stage.run(stage.now + 0.001)
        stage.ask(0, "none")
    assert stage.passed[number, "A", WITHIN] == 1
