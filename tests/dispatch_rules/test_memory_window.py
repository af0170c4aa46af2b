"""The window: what of each queue is in memory, and what lies in the store."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rule_parcels import NORTH

from sluicegate.dispatch.parcel import State, Want
from sluicegate.dispatch.store.interface import LARGE, Standing
from sluicegate.dispatch.window import LONGEST_ASK, MOST_WANTS, Window
from thorough import examples

A, B = (NORTH, "A", 0), (NORTH, "B", 0)
PLENTY = 10**12


def admitted(window: Window, queue, octets: int = 0, most: int = 10**6) -> int:
    """Hold as many of a queue as are admitted."""
    count = 0
    while count < most and window.admits(queue, octets):
        window.held(queue, octets)
        count += 1
    return count


def refilled(window: Window, queue, lies: int = 10**6) -> int:
    """Ask for a queue until nothing more is wanted of it, all of it lying in the store."""
    window.spilled(queue, lies)
    while wants := window.wants(0.0):
        for want in wants:
            here = (want.destination, want.user, want.rank)
            window.claimed(here, want.most, want.most)
            for _ in range(want.most):
                window.held(here, 0)
    return window.count


def test_a_queue_holds_no_more_than_its_part():
    assert admitted(Window(20_000, PLENTY, 1000), A) == 1000


def test_one_queue_cannot_take_all_places():
    window = Window(1000, PLENTY, 1000)
    assert 200 <= admitted(window, A) <= 300
    assert admitted(window, B) >= 100


def test_the_queues_of_one_destination_leave_places_for_the_others():
    window = Window(20_000, PLENTY, 1000)
    for user in range(500):
        refilled(window, (NORTH, f"U{user}", 0))
    assert window.count <= 20_000 / 16 + 10_000 * 2 / 3 + 500
    assert admitted(window, ("csp:south", "A", 0)) == 1000


def test_a_top_up_queue_always_gets_its_window():
    window = Window(300, PLENTY, 100)
    for user in range(400):
        refilled(window, (f"csp:{user % 7}", f"U{user}", 1))
    window.spilled((NORTH, "A", 0))
    assert Want(*(NORTH, "A", 0), most=1) in window.wants(0.0)
    assert window.admits((NORTH, "new", 0), 10)


def test_nothing_is_admitted_while_something_of_its_queue_lies_in_the_store():
    window = Window(100, PLENTY, 50)
    window.spilled(A)
    assert not window.admits(A, 10)
    assert window.admits(B, 10)
    (want,) = window.wants(0.0)
    assert not window.admits(A, 10)
    window.claimed(A, want.most, 1)
    window.held(A, 10)
    assert window.admits(A, 10)


def test_a_queue_is_asked_for_when_it_is_half_empty():
    window = Window(10_000, PLENTY, 10)
    assert admitted(window, A) == 10
    window.spilled(A, 100)
    for _ in range(4):
        window.left(A, 0)
        assert window.wants(0.0) == []
    window.left(A, 0)
    assert window.wants(0.0) == [Want(*A, most=5)]


def test_a_queue_is_not_asked_for_twice_at_once():
    window = Window(100, PLENTY, 10)
    window.spilled(A, 100)
    window.spilled(B, 100)
    window.asked(B)
    (want,) = window.wants(0.0)
    assert want == Want(*A, most=10)
    assert window.wants(1.0) == []
    window.claimed(A, 10, 10)
    assert window.wants(1.0) != []


def test_where_fewer_come_than_were_asked_for_nothing_more_is_there():
    window = Window(100, PLENTY, 10)
    window.spilled(A, 100)
    (want,) = window.wants(0.0)
    window.claimed(A, want.most, want.most - 1)
    assert window.spilled_total == 0
    assert window.wants(0.0) == []


def test_where_as_many_come_as_were_asked_for_there_may_be_more():
    window = Window(100, PLENTY, 10)
    window.spilled(A, 3)
    (want,) = window.wants(0.0)
    window.claimed(A, want.most, want.most)
    assert window.spilled_total == 1


def test_what_is_spilled_while_the_store_is_asked_is_not_forgotten():
    window = Window(100, PLENTY, 10)
    window.spilled(A, 5)
    (want,) = window.wants(0.0)
    window.spilled(A, 2)
    window.claimed(A, want.most, 5)
    assert window.spilled_total == 2
    assert not window.admits(A, 0)


def test_a_queue_that_could_not_be_asked_for_is_asked_for_again():
    window = Window(100, PLENTY, 10)
    window.spilled(A, 5)
    assert window.wants(0.0)
    window.claimed(A, 0, 0)
    assert window.spilled_total == 5
    assert window.wants(0.0)


def test_an_answer_that_never_comes_is_not_waited_for_for_ever():
    window = Window(100, PLENTY, 10)
    window.spilled(A, 5)
    assert window.wants(100.0)
    assert window.wants(100.0 + LONGEST_ASK - 1) == []
    assert window.wants(100.0 + LONGEST_ASK) == [Want(*A, most=10)]


def test_bodies_from_the_store_are_taken_to_be_large():
    window = Window(1000, 10 * LARGE, 100)
    window.spilled(A, 100)
    (want,) = window.wants(0.0)
    assert want.most * LARGE <= 5 * LARGE


def test_a_large_body_is_not_admitted_where_a_small_one_is():
    window = Window(1000, 1000, 100)
    window.held(A, 100)
    assert not window.admits(A, 200)
    assert window.admits(A, 100)


def test_room_is_half_of_what_is_free_and_never_what_the_others_need():
    window = Window(90, PLENTY, 90)
    assert window.room == 45
    while window.room_for(NORTH):
        window.held(A, 0)
    assert 30 <= window.count <= 45
    assert window.room_for("csp:south") > 0
    for _ in range(200):
        window.held(A, 0)
    assert (window.room, window.room_for("csp:south")) == (0, 0)


def test_many_queues_are_asked_for_in_turn():
    window = Window(10_000, PLENTY, 10)
    for user in range(3 * MOST_WANTS):
        window.spilled((NORTH, f"U{user}", 0))
    asked = [want.user for _ in range(3) for want in window.wants(0.0)]
    assert len(set(asked)) == len(asked) == 3 * MOST_WANTS


def test_queues_that_cannot_be_filled_do_not_keep_those_behind_them_from_being_looked_at():
    window = Window(10 * MOST_WANTS, PLENTY, 1000)
    for user in range(2 * MOST_WANTS):
        refilled(window, (NORTH, f"U{user}", 0))
    south = ("csp:south", "A", 0)
    assert admitted(window, south, most=2) == 2
    window.left(south, 0)
    window.spilled(south, 10)
    asked = [want.destination for _ in range(10) for want in window.wants(0.0)]
    assert "csp:south" in asked


def test_a_restart_begins_with_what_is_ready_in_the_store():
    window = Window(100, PLENTY, 10)
    window.restart([Standing(A, {State.READY: 7, State.BLOCKED: 3}, 10), Standing(B, {State.DELAYED: 2}, 10)])
    assert window.spilled_total == 7
    assert len(window) == 1
    assert window.wants(0.0) == [Want(*A, most=10)]


def test_a_restart_in_between_makes_what_is_known_more_and_never_less():
    window = Window(100, PLENTY, 10)
    window.spilled(A, 7)
    window.held(B, 5)
    window.restart([Standing(A, {State.READY: 2}, 10), Standing(B, {State.READY: 4}, 10)])
    assert window.spilled_total == 11
    assert window.count == 1


def test_what_left_without_having_been_held_changes_nothing():
    window = Window(100, PLENTY, 10)
    window.left(A, 10)
    window.spilled(A)
    window.left(A, 10)
    assert (window.count, window.octets, len(window)) == (0, 0, 1)


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1, 0)])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="most, octets, per_queue and destinations"):
        Window(*wrong)


QUEUES = [(f"csp:{csp}", user, rank) for csp in "ns" for user in "AB" for rank in (0, 1)]


class AgainstAStore(RuleBasedStateMachine):
    """A store with READY parcels, and a caller who does as the depot does; claims take their time."""

    @initialize(most=st.integers(1, 60), octets=st.integers(1, 20 * LARGE), per_queue=st.integers(1, 20))
    def start(self, most: int, octets: int, per_queue: int) -> None:
        self.limits = most, octets, per_queue
        self.window = Window(most, octets, per_queue)
        self.store: dict[tuple, list[tuple[int, int]]] = {queue: [] for queue in QUEUES}
        self.memory: dict[tuple, list[tuple[int, int]]] = {queue: [] for queue in QUEUES}
        self.under_way: list[tuple[Want, list[tuple[int, int]]]] = []
        self.seq = 0
        self.now = 0.0

    @rule(queue=st.sampled_from(QUEUES), octets=st.integers(0, LARGE), many=st.integers(1, 8))
    def accept(self, queue: tuple, octets: int, many: int) -> None:
        for _ in range(many):
            self.seq += 1
            if self.window.admits(queue, octets):
                assert not self.store[queue], "memory overtakes the store"
                self.window.held(queue, octets)
                self.memory[queue].append((self.seq, octets))
            else:
                self.store[queue].append((self.seq, octets))
                self.window.spilled(queue)

    @rule()
    def ask(self) -> None:
        self.now += 1.0
        for want in self.window.wants(self.now):
            queue = (want.destination, want.user, want.rank)
            assert queue not in [(one.destination, one.user, one.rank) for one, _ in self.under_way]
            assert want.most <= self.limits[2]
            self.under_way.append((want, []))

    @precondition(lambda self: self.under_way)
    @rule(lost=st.booleans(), late=st.booleans())
    def answer(self, lost: bool, late: bool) -> None:
        want, _ = self.under_way.pop(0)
        queue = (want.destination, want.user, want.rank)
        if lost:
            self.window.claimed(queue, 0, 0)
            return
        got, self.store[queue] = self.store[queue][: want.most], self.store[queue][want.most :]
        if late:  # something is spilled between the store's answer and the moment at which it is heard
            self.seq += 1
            self.store[queue].append((self.seq, 5))
            self.window.spilled(queue)
        self.window.claimed(queue, want.most, len(got))
        for seq, octets in got:
            self.window.held(queue, octets)
            self.memory[queue].append((seq, octets))

    @rule(queue=st.sampled_from(QUEUES), many=st.integers(1, 10))
    def deliver(self, queue: tuple, many: int) -> None:
        for _ in range(min(many, len(self.memory[queue]))):
            _, octets = self.memory[queue].pop(0)
            self.window.left(queue, octets)

    @rule(queue=st.sampled_from(QUEUES), many=st.integers(1, 3))
    def another_dispatcher_takes(self, queue: tuple, many: int) -> None:
        del self.store[queue][:many]

    @rule()
    def recount(self) -> None:
        self.window.restart([Standing(queue, {State.READY: len(lies)}, 0) for queue, lies in self.store.items()])

    @invariant()
    def the_figures_are_true(self) -> None:
        if not hasattr(self, "window"):
            return
        most, octets, per_queue = self.limits
        held = [one for queue in QUEUES for one in self.memory[queue]]
        assert self.window.count == len(held) <= most + len(QUEUES)
        assert self.window.octets == sum(octets for _, octets in held) <= octets + len(QUEUES) * LARGE
        assert all(len(self.memory[queue]) <= per_queue for queue in QUEUES)
        assert self.window.spilled_total >= sum(map(len, self.store.values()))

    @invariant()
    def nothing_in_the_store_is_forgotten(self) -> None:
        if not hasattr(self, "window"):
            return
        asked = {(one.destination, one.user, one.rank) for one, _ in self.under_way}
        for queue in QUEUES:
            if self.store[queue] and not self.memory[queue] and queue not in asked:
                assert queue in self.window._empty

    def teardown(self) -> None:
        if not hasattr(self, "window"):
            return
        while self.under_way:
            self.answer(lost=False, late=False)
        for _ in range(2000):
            for queue in QUEUES:
                self.deliver(queue, 1000)
            self.ask()
            if not self.under_way:
                break
            while self.under_way:
                self.answer(lost=False, late=False)
        assert not any(self.store.values())
        assert (len(self.window), self.window.count, self.window.octets, self.window.spilled_total) == (0, 0, 0, 0)
        assert not self.window._destinations


TestAgainstAStore = AgainstAStore.TestCase
TestAgainstAStore.settings = settings(max_examples=examples(80), stateful_step_count=40, deadline=None)


@settings(deadline=None, max_examples=examples(50))
@given(st.integers(10, 500), st.integers(0, 20), st.integers(0, 10))
def test_however_many_destinations_take_all_that_they_may_and_give_nothing_back_the_next_one_has_its_part(
    most, down, beside
):
    window = Window(most, PLENTY, most, destinations=down + 1 + beside)
    for number in range(down):
        for user in range(3):
            refilled(window, (f"csp:{number}", f"U{user}", 0))
        while window.room_for(f"csp:{number}"):
            window.held((f"csp:{number}", "due", 0), 0)
    part = most // (2 * (down + 1 + beside))
    assert admitted(window, ("csp:new", "A", 0)) >= max(1, part // 2)


def test_what_is_down_for_good_costs_the_others_no_more_than_half():
    window = Window(20_000, 2**26, 1000)
    for number in range(7):
        for user in range(100):
            refilled(window, (f"csp:{number}", f"U{user}", 0))
    assert admitted(window, ("csp:new", "A", 0), 2000) >= 500
