"""Who is next: fair over Users, by rank and number inside a User."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rule_parcels import NORTH, parcel

from sluicegate.dispatch.fair import FLOOR, FairQueue
from thorough import examples

USERS = "ABCD"
WEIGHTS = st.fixed_dictionaries({user: st.one_of(st.just(0.0), st.floats(0.1, 1000)) for user in USERS[:3]})


def filled(weights: dict[str, float], **counts: int) -> FairQueue:
    queue, seq = FairQueue(weights), 0
    for user, count in counts.items():
        for _ in range(count):
            queue.add(parcel(seq, user))
            seq += 1
    return queue


def served(queue: FairQueue, count: int) -> Counter[str]:
    return Counter(one.user for one in (queue.pop() for _ in range(count)) if one is not None)


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "pop", "pop", "remove", "hurry"]), st.sampled_from(USERS), st.integers(0, 3)),
    max_size=150,
)


@settings(deadline=None)
@given(WEIGHTS, st.integers(0, 40), STEPS)
def test_while_two_users_stay_backlogged_their_served_shares_differ_by_a_parcel_of_each(weights, begin, steps):
    """Goyal, Vin, Cheng 1997, theorem 1: |n_f/w_f - n_m/w_m| <= 1/w_f + 1/w_m, over any such time."""
    queue, seq = filled(weights, A=begin, B=begin), 1000
    differences: dict[tuple[str, str], list[float]] = {}
    done: Counter[str] = Counter()
    for what, user, n in [*steps, *[("pop", "", 0)] * 60]:
        if what == "add":
            for _ in range(n + 1):
                seq += 1
                queue.add(parcel(seq, user, rank=n))
        elif what == "pop":
            taken = queue.pop()
            done[taken.user if taken else ""] += 1
        else:
            some = sorted(one.seq for one in queue if one.user == user)
            if some:
                queue.remove(some[n % len(some)]) if what == "remove" else queue.hurry(some[n % len(some)], 0)
        waiting = {one.user for one in queue}
        for one in USERS:
            for other in USERS[USERS.index(one) + 1 :]:
                if one in waiting and other in waiting:
                    wf, wm = queue.weight(one), queue.weight(other)
                    seen = differences.setdefault((one, other), [])
                    seen.append(done[one] / wf - done[other] / wm)
                    assert max(seen) - min(seen) <= (1 / wf + 1 / wm) * (1 + 1e-9)
                else:
                    differences.pop((one, other), None)


@settings(deadline=None)
@given(WEIGHTS, st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=100))
def test_what_is_given_back_costs_nothing(weights, steps):
    """Each parcel that is given back and not taken again may put its User one further ahead, and none further."""
    queue = filled(weights, A=300, B=300)
    flight, back, most_back = [], Counter(), Counter()
    done: Counter[str] = Counter()
    seen = []
    for pop, n in steps:
        if pop or not flight:
            taken = queue.pop()
            flight.append(taken)
            done[taken.user] += 1
            back[taken.user] = max(0, back[taken.user] - 1)
        else:
            returned = flight.pop(n % len(flight))
            queue.give_back(returned)
            done[returned.user] -= 1
            back[returned.user] += 1
        most_back |= back
        wa, wb = queue.weight("A"), queue.weight("B")
        seen.append(done["A"] / wa - done["B"] / wb)
        bound = (1 + most_back["A"]) / wa + (1 + most_back["B"]) / wb
        assert max(seen) - min(seen) <= bound * (1 + 1e-9)


def test_served_shares_follow_the_weights():
    assert served(filled({"A": 300, "B": 100, "C": 100}, A=500, B=500, C=500), 500) == {"A": 300, "B": 100, "C": 100}


def test_a_user_that_comes_back_gets_no_credit_for_its_absence():
    queue = filled({"A": 1, "B": 1}, A=2000)
    served(queue, 1000)
    for seq in range(10_000, 10_100):
        queue.add(parcel(seq, "B"))
    for _ in range(20):
        assert served(queue, 2) == {"A": 1, "B": 1}


def test_a_user_that_waited_in_flight_and_was_given_back_gets_no_credit_for_it():
    queue = filled({"A": 1, "B": 1}, A=2000, B=1)
    flight = [queue.pop() for _ in range(1000)]
    queue.give_back(next(one for one in flight if one.user == "B"))
    for seq in range(10_000, 10_100):
        queue.add(parcel(seq, "B"))
    assert served(queue, 1) == {"B": 1}  # what was given back
    assert served(queue, 40) == {"A": 20, "B": 20}


def test_a_user_that_was_served_alone_pays_nothing_for_it_once_nobody_waits():
    queue = filled({"A": 1, "B": 1}, A=1000)
    served(queue, 1000)
    for seq in range(10):
        queue.add(parcel(seq, "AB"[seq % 2]))
    assert served(queue, 4) == {"A": 2, "B": 2}


def test_a_user_without_an_allocation_and_one_who_is_not_known_wait_long_and_not_for_ever():
    queue = filled({"A": 100, "zero": 0}, A=1000, zero=10, stranger=10)
    assert queue.weight("zero") == queue.weight("stranger") == 100 * FLOOR
    assert served(queue, 306) == {"A": 300, "zero": 3, "stranger": 3}


def test_where_nobody_has_an_allocation_all_are_alike():
    assert served(filled({"A": 0.0}, A=10, B=10, C=10), 15) == {"A": 5, "B": 5, "C": 5}


def test_other_weights_count_from_now_on_and_nobody_waits_for_what_the_old_ones_cost():
    queue = filled({"A": 1000, "B": 0}, A=3000, B=3000)
    served(queue, 200)
    queue.reweigh({"A": 1, "B": 1})
    count = served(queue, 100)
    assert abs(count["A"] - count["B"]) <= 2


def test_a_retried_older_one_goes_before_newer_ones_of_its_rank():
    queue = FairQueue({"A": 1})
    for seq in (5, 6, 7):
        queue.add(parcel(seq))
    queue.add(parcel(2))
    assert [queue.pop().seq for _ in range(4)] == [2, 5, 6, 7]


def test_what_is_given_back_is_next_of_its_rank():
    queue = filled({"A": 1}, A=3)
    first = queue.pop()
    queue.give_back(first)
    assert queue.pop() is first


def test_a_parcel_in_a_hurry_has_its_new_rank_and_is_told_as_it_was():
    queue = FairQueue({"A": 1})
    queue.add(parcel(1, rank=0))
    queue.add(parcel(2, rank=3))
    queue.add(parcel(3, rank=1))
    assert queue.hurry(2, 0).rank == 3
    assert (queue.count((NORTH, "A", 3)), queue.count((NORTH, "A", 0))) == (0, 2)
    assert queue.hurry(2, 0) is None
    assert queue.hurry(2, 5) is None
    assert queue.hurry(99, 0) is None
    taken = [queue.pop() for _ in range(3)]
    assert [(one.seq, one.rank) for one in taken] == [(1, 0), (2, 0), (3, 1)]


def test_a_parcel_that_is_added_twice_is_there_once():
    queue = FairQueue({"A": 1})
    assert queue.add(parcel(1, octets=10))
    assert not queue.add(parcel(1, octets=30))
    assert (len(queue), queue.octets) == (1, 30)
    assert queue.pop().octets == 30
    assert queue.pop() is None


def test_an_empty_queue_has_nothing():
    queue = FairQueue({})
    assert queue.pop() is None
    assert queue.remove(1) is None
    assert list(queue) == []
    assert (len(queue), queue.octets, queue.count((NORTH, "A", 0))) == (0, 0, 0)


def test_parcels_may_be_removed_while_they_are_looked_at():
    queue = filled({"A": 1}, A=10)
    for one in queue:
        queue.remove(one.seq)
    assert len(queue) == 0


def test_memory_does_not_grow_with_what_is_taken_and_given_back():
    queue = filled({"A": 1, "B": 5}, A=50, B=50)
    for n in range(5000):
        queue.give_back(queue.pop())
        queue.hurry(n % 100, 0)
        if one := queue.remove(n % 100):
            queue.add(parcel(one.seq, one.user, rank=2))
    assert len(queue) == 100
    assert len(queue._heap) < 100
    assert sum(len(flow.heap) for flow in queue._flows.values()) < 400


def test_users_who_have_nothing_are_forgotten_once_nobody_waits():
    queue = FairQueue({})
    for seq in range(1000):
        queue.add(parcel(seq, f"U{seq}"))
    while queue.pop():
        pass
    assert not queue._flows
    assert not queue._counts


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused_with_the_name_of_its_user(weight):
    with pytest.raises(ValueError, match="the weight of 'A'"):
        FairQueue({"A": weight})
    queue = FairQueue({"A": 2.0})
    with pytest.raises(ValueError, match="the weight of 'A'"):
        queue.reweigh({"A": weight})
    assert queue.weight("A") == 2.0
    with pytest.raises(ValueError, match="floor"):
        FairQueue({}, floor=0.0)


class AnyInterleaving(RuleBasedStateMachine):
    """Nothing is lost or doubled; the rank order of each User is strict; the counts are those of a plain list."""

    @initialize(weights=WEIGHTS)
    def start(self, weights: dict[str, float]) -> None:
        self.queue = FairQueue(weights)
        self.here: dict[int, tuple[str, int]] = {}
        self.flight = {}
        self.seq = 0

    @rule(user=st.sampled_from(USERS), rank=st.integers(0, 3), many=st.integers(1, 5))
    def add(self, user: str, rank: int, many: int) -> None:
        for _ in range(many):
            self.seq += 1
            assert self.queue.add(parcel(self.seq, user, rank, octets=self.seq % 7))
            self.here[self.seq] = (user, rank)

    @rule(times=st.integers(1, 4))
    def pop(self, times: int) -> None:
        for _ in range(times):
            taken = self.queue.pop()
            assert (taken is None) == (not self.here)
            if taken is not None:
                mine = [(rank, seq) for seq, (user, rank) in self.here.items() if user == taken.user]
                assert (taken.rank, taken.seq) == min(mine)
                del self.here[taken.seq]
                self.flight[taken.seq] = taken

    @precondition(lambda self: self.flight)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        taken = self.flight.pop(data.draw(st.sampled_from(sorted(self.flight))))
        self.queue.give_back(taken)
        self.here[taken.seq] = (taken.user, taken.rank)

    @precondition(lambda self: self.flight)
    @rule(data=st.data(), rank=st.integers(0, 3))
    def try_again_later(self, data: st.DataObject, rank: int) -> None:
        taken = self.flight.pop(data.draw(st.sampled_from(sorted(self.flight))))
        assert self.queue.add(taken)
        self.here[taken.seq] = (taken.user, taken.rank)

    @rule(seq=st.integers(1, 60))
    def remove(self, seq: int) -> None:
        removed = self.queue.remove(seq)
        assert (removed is not None) == (seq in self.here)
        self.here.pop(seq, None)

    @rule(seq=st.integers(1, 60), rank=st.integers(0, 3))
    def hurry(self, seq: int, rank: int) -> None:
        before = self.queue.hurry(seq, rank)
        smaller = seq in self.here and rank < self.here[seq][1]
        assert (before is not None) == smaller
        if smaller:
            assert before.rank == self.here[seq][1]
            self.here[seq] = (self.here[seq][0], rank)

    @rule(weights=WEIGHTS)
    def reweigh(self, weights: dict[str, float]) -> None:
        self.queue.reweigh(weights)

    @invariant()
    def all_is_there(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert len(self.queue) == len(self.here)
        assert {one.seq: (one.user, one.rank) for one in self.queue} == self.here
        assert self.queue.octets == sum(seq % 7 for seq in self.here)
        counts = Counter(self.here.values())
        for user in USERS:
            for rank in range(4):
                assert self.queue.count((NORTH, user, rank)) == counts[user, rank]


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(max_examples=examples(80), stateful_step_count=40, deadline=None)
