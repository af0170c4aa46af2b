"""Whatever becomes of messages, workers and the ledger: rules of a fleet that hold after each step."""

import pytest
from fleet_machine import QUICKLY, WAITS, Traffic, any_worker, configured, sizes
from fleet_stage import HELD, LOST, QUICK
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from throttle_model import Excursion, depths, worst_burst

ANY = st.lists(st.sampled_from([QUICK, 0.004, 0.03, 0.2, 0.7, 2.0, LOST, HELD]), min_size=1, max_size=6)
ANSWERS = st.integers(1, 6).flatmap(lambda count: st.sampled_from([[QUICK, how] * count for how in (LOST, HELD, 0.7)]))
fates = st.one_of(ANY, ANSWERS)  # of asks and answers; where all is quick they take turns


class Faults(Traffic):
    """A fleet that nothing spares."""

    # --- the network

    @rule(fates=fates)
    def the_next_messages_go_so(self, fates):
        self.stage.fates.extend(fates)

    @rule(index=st.integers(0, 5))
    def one_that_was_held_back_arrives(self, index):
        self.stage.deliver(index)

    @rule(answer=st.booleans(), seconds=st.sampled_from([0.3, 1.5]))
    def one_is_overtaken_by_what_its_worker_sends_next(self, answer, seconds):
        self.stage.fates.extend([QUICK, HELD] if answer else [HELD])
        self.stage.run(self.stage.now + seconds)
        self.stage.deliver(-1)

    @rule()
    def a_replica_is_made(self):
        self.stage.ledger.copy()

    @rule(worker=any_worker)
    def a_worker_is_cut_off_or_is_not_any_more(self, worker):
        self.stage.cut ^= {worker % len(self.stage.workers)}

    # --- workers

    @rule(worker=any_worker, told=st.booleans(), later=st.sampled_from([0.0, 0.3]))
    def a_worker_is_killed(self, worker, told, later):
        living = self.stage.living
        if living:
            number = living[worker % len(living)]
            self.stage.kill(number)
            self.stage.run(self.stage.now + later)
            if told:
                self.stage.bury(number)

    @rule(fates=st.one_of(st.just([]), fates))
    def another_one_starts(self, fates):
        if len(self.stage.living) < 5:
            self.stage.fates.extend(fates)
            self.stage.start()
            self.stage.run(self.stage.now + 0.6)

    # --- the ledger

    @rule()
    def the_ledger_goes_or_comes(self):
        self.stage.away = not self.stage.away

    @rule(empty=st.booleans())
    def the_ledger_is_killed_or_another_one_started(self, empty):
        """As below: what is in hand may be spent beside the shares, which are in use at once."""
        if self.stage.killed:
            self.stage.start_ledger(empty=empty)
        else:
            self.beyond += self.stage.in_hand()
            self.stage.kill_ledger()

    @rule()
    def the_ledger_freezes_or_thaws(self):
        if self.stage.frozen:
            self.stage.thaw()
        else:
            self.stage.frozen = True

    @rule(jump=st.sampled_from([3600.0, -3600.0, 0.0, 0.05]))
    def its_clock_is_off(self, jump):
        self.jump(jump)

    @rule(empty=st.booleans())
    def another_ledger_has_its_place(self, empty):
        """Tokens in hand of before may be spent until they expire: that is beyond the bound of one process."""
        self.beyond += self.stage.in_hand()
        self.stage.restart_ledger(empty=empty)

    # --- the operator

    @rule(
        sizes=sizes,
        room=st.sampled_from([1.0, 1.5]),
        part=st.sampled_from([0.4, 1.0]),
        burst=st.sampled_from([0.1, 0.5]),
    )
    def capacity_and_threshold_are_others(self, sizes, room, part, burst):
        """Each time the floors may forgive what was owed, and what is in hand was drawn of banks of another depth."""
        before = depths(self.limits, self.allocations)
        sizes = (sizes * 5)[: sum(name[0] == "U" for name in self.names)]
        tiny = sum(name[0] == "t" for name in self.names)
        limits, allocations = configured(
            sizes, tiny, burst, room, part, self.limits.heaviest, self.limits.sharing, self.most_allowed
        )
        self.beyond += self.stage.in_hand() + before
        self.beyond += worst_burst(limits, allocations) + WAITS * sum(allocations.values())
        self.limits, self.allocations = limits, allocations
        self.stage.reconfigure(limits, allocations)
        if limits.maximum > self.excursion.rate:
            self.excursion, self.counted = Excursion(limits.maximum), 0


LONG = settings(QUICKLY, max_examples=400, stateful_step_count=40)


def test_whatever_fails_every_rule_of_the_fleet_holds():
    run_state_machine_as_test(Faults, settings=QUICKLY)


@pytest.mark.long
def test_whatever_fails_every_rule_of_the_fleet_holds_for_long():
    run_state_machine_as_test(Faults, settings=LONG)


def test_a_clock_that_got_ahead_lets_nothing_lapse_that_a_worker_still_has_in_hand():
    """Found by the machine above: the worker kept what the ledger had let go, and went on telling of it."""
    fleet = Faults()
    fleet.configure(
        sizes=[-3.0], tiny=0, burst=0.1, room=1.0, part=0.4, heaviest=1.0, sharing="fair", most=60.0, workers=2, seed=0
    )
    fleet.its_clock_is_off(jump=3600.0)
    fleet.one_is_overtaken_by_what_its_worker_sends_next(answer=False, seconds=0.3)
    fleet.all_faults_end_and_nobody_asks_for_some_time()


def test_a_newcomer_has_nothing_in_hand_that_the_next_draw_lets_lapse():
    """Found by the machine above: where nobody had drawn for long, the clock caught up beyond what was just drawn."""
    fleet = Faults()
    fleet.configure(
        sizes=[0.0], tiny=0, burst=1.0, room=1.0, part=1.0, heaviest=1.0, sharing="fair", most=60.0, workers=1, seed=0
    )
    stage = fleet.stage
    stage.cut = {0}
    stage.run(stage.now + 2.0)
    stage.run(stage.workers[0].share.retry_at - 0.012)  # at most 0.01 s later the newcomer draws
    stage.cut = set()
    number = stage.start()
    while stage.workers[0].share.alone:
        stage.run(stage.now + 0.0005)
        fleet.what_a_worker_has_in_hand_is_booked()
    stage.run(stage.now + 0.1)
    fleet.what_a_worker_has_in_hand_is_booked()
    assert stage.hand_of(number) > 0.0


def test_what_a_lost_draw_told_is_told_again():
    """Found by the machine above: a token that was spent stayed booked as in hand, and so less fitted in the banks."""
    fleet = Faults()
    fleet.configure(
        sizes=[-0.5], tiny=0, burst=0.5, room=1.0, part=0.4, heaviest=1.0, sharing="fair", most=60.0, workers=2, seed=0
    )
    fleet.a_stream_comes(rate=3.0, seconds=0.4, spread=99, users=[0])
    fleet.the_ledger_goes_or_comes()
    fleet.a_worker_is_killed(later=0.3, told=False, worker=0)
    fleet.all_faults_end_and_nobody_asks_for_some_time()
