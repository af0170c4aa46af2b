"""The ceiling of a CSP, shared by allocation, and whom the gateway is told to refuse."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sluicegate.dispatch.backlog import CLOSED_WAIT, MOST_TOLD, MOST_WAIT, UNKNOWN_WAIT, Backlog
from thorough import examples

USERS = ["A", "B", "C", "none", "stranger"]
ALLOCATIONS = {"A": 300.0, "B": 100.0, "C": 1.0, "none": 0.0}


def fill(backlog: Backlog, user: str, now: float = 0.0, most: int = 10**6) -> int:
    """Take for a User until it is refused."""
    count = 0
    while count < most and backlog.refuses(user, now) is None:
        backlog.took(user)
        count += 1
    return count


def test_below_the_ceiling_nobody_is_refused():
    backlog = Backlog(1000, 3600.0, ALLOCATIONS)
    for user in USERS:
        assert fill(backlog, user, most=80) == 80
    assert backlog.refused(0.0) == {}
    assert backlog.told(0.0) == {"full": False, "users": {}, "others": None}


def test_one_user_cannot_take_the_places_that_are_kept_for_the_others():
    backlog = Backlog(1000, 3600.0, {"A": 100.0, "B": 100.0})
    assert fill(backlog, "A") == 750
    assert fill(backlog, "B") == 250
    assert backlog.taken == 1000


def test_who_has_no_allocation_gets_what_nobody_kept():
    backlog = Backlog(1000, 3600.0, {"A": 100.0})
    assert fill(backlog, "stranger") == 500
    assert fill(backlog, "A") == 500


def test_once_something_ends_the_next_one_is_taken():
    backlog = Backlog(10, 3600.0, {"A": 1.0})
    assert fill(backlog, "A") == 10
    backlog.ended("A", 0.0)
    assert fill(backlog, "A") == 1


def test_while_the_oldest_is_too_old_only_users_above_their_kept_places_are_refused():
    backlog = Backlog(1000, 3600.0, {"A": 100.0, "B": 100.0})
    for _ in range(300):
        backlog.took("A")
    backlog.oldest(1_000_000.0, at=1_003_601.0)
    assert backlog.refuses("A", 0.0) is not None
    assert backlog.refuses("B", 0.0) is None
    assert backlog.refuses("stranger", 0.0) is not None
    assert list(backlog.refused(0.0)["users"]) == ["A"]
    assert backlog.oldest_at == 1_000_000.0
    backlog.oldest(1_000_002.0, at=1_003_602.0)
    assert backlog.refuses("A", 0.0) is None
    backlog.oldest(1_000_000.0, at=1_003_602.0)
    backlog.oldest(None)
    assert backlog.refused(0.0) == {}


def test_the_age_is_looked_at_by_the_clock_where_no_time_is_given():
    backlog = Backlog(1000, 3600.0, {})
    backlog.oldest(0.0)  # 1970
    assert backlog.refuses("stranger", 0.0) is not None


def test_what_is_drained_by_an_operator_takes_nobody():
    backlog = Backlog(1000, 3600.0, ALLOCATIONS)
    backlog.closed = True
    for user in USERS:
        assert CLOSED_WAIT <= backlog.refuses(user, 0.0) <= MOST_WAIT
    assert backlog.refused(0.0) == {"users": dict.fromkeys(ALLOCATIONS, 60), "others": 60}
    backlog.closed = False
    assert backlog.refuses("A", 0.0) is None


def test_the_wait_follows_the_measured_drain():
    backlog = Backlog(1000, 3600.0, {"A": 1.0})
    backlog.recount({"A": 1300})
    for tick in range(1000):  # 50 a second, for 20 seconds, and as many come
        backlog.ended("A", tick / 50)
        backlog.took("A")
    told = backlog.refused(20.0)["users"]["A"]
    assert told == pytest.approx(301 / 50, abs=2)


def test_before_the_next_probe_nothing_drains():
    backlog = Backlog(10, 3600.0, {"A": 1.0})
    backlog.hint(45.0)
    fill(backlog, "A")
    assert backlog.refused(0.0)["users"]["A"] == 45
    assert 45 <= backlog.refuses("A", 0.0) <= 70


def test_where_nothing_drains_and_no_probe_is_due_a_fixed_wait_is_told():
    backlog = Backlog(10, 3600.0, {"A": 1.0})
    fill(backlog, "A")
    assert backlog.refused(0.0)["users"]["A"] == UNKNOWN_WAIT


@pytest.mark.parametrize("hint", [float("inf"), 1e300, float("nan"), -5.0, 0.0])
def test_no_hint_leads_out_of_the_bounds(hint):
    backlog = Backlog(1, 3600.0, {"A": 1.0})
    backlog.hint(hint)
    fill(backlog, "A")
    for _ in range(50):
        assert 1 <= backlog.refuses("A", 0.0) <= MOST_WAIT


@pytest.mark.parametrize("hint", [1.0, 20.0, 300.0])
def test_those_who_are_refused_together_do_not_come_back_together(hint):
    backlog = Backlog(1, 3600.0, {"A": 1.0})
    backlog.hint(hint)
    fill(backlog, "A")
    waits = sorted(backlog.refuses("A", 0.0) for _ in range(1000))
    width = waits[-1] - waits[0]
    assert width >= 1.9
    busiest = max(sum(at <= wait < at + width / 10 for wait in waits) for at in waits[::20])
    assert busiest <= 110  # evenly: a hundred in each tenth


def test_the_others_are_refused_only_when_all_are():
    backlog = Backlog(10, 3600.0, {"A": 1.0, "B": 1.0})
    fill(backlog, "stranger")
    assert backlog.refused(0.0) == {"users": {"stranger": 10}, "others": None}
    fill(backlog, "A")
    assert backlog.refused(0.0)["others"] is None
    fill(backlog, "B")
    assert backlog.refused(0.0) == {"users": {"A": 10, "B": 10, "stranger": 10}, "others": 10}


def test_of_very_many_users_those_who_have_most_open_are_listed():
    backlog = Backlog(10_000, 3600.0, {"A": 1.0})
    for number in range(MOST_TOLD + 200):
        for _ in range(1 + (number % 2)):
            backlog.took(f"U{number}")
    backlog.closed = True
    told = backlog.told(0.0)
    assert len(told["users"]) == MOST_TOLD
    assert sum(int(name[1:]) % 2 for name in told["users"] if name != "A") == (MOST_TOLD + 200) // 2
    assert told["others"] == 60


def test_what_is_taken_and_what_ends_while_the_store_counts_is_not_lost():
    backlog = Backlog(100, 60.0, {"A": 1.0, "B": 1.0})
    backlog.took("A")
    backlog.counting()
    backlog.took("A")
    backlog.took("new")
    backlog.ended("A", 1.0)
    backlog.took("B")
    backlog.gave_back("B")
    backlog.recount({"A": 1})  # as the store was when it was asked
    assert backlog.taken == 2
    backlog.recount({"A": 1})  # and the next count is the store's word again
    assert backlog.taken == 1


def test_a_recount_is_the_stores_word():
    backlog = Backlog(100, 3600.0, {"A": 1.0})
    fill(backlog, "A", most=30)
    fill(backlog, "gone", most=5)
    backlog.recount({"A": 80, "new": 20})
    assert backlog.taken == 100
    assert backlog.refuses("A", 0.0) is not None
    assert set(backlog.refused(0.0)["users"]) == {"A", "new"}
    backlog.recount({})
    assert (backlog.taken, backlog.refused(0.0)) == (0, {})


def test_memory_does_not_grow_with_users_who_have_nothing_open():
    backlog = Backlog(100, 3600.0, {"A": 1.0})
    for number in range(1000):
        backlog.took(f"U{number}")
        backlog.ended(f"U{number}", 0.0)
    assert list(backlog._held) == ["A"]


def test_what_ended_without_having_been_taken_changes_nothing():
    backlog = Backlog(100, 3600.0, {"A": 1.0})
    backlog.ended("A", 0.0)
    backlog.ended("stranger", 0.0)
    assert backlog.taken == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ((0, 1.0, {}), "ceiling is 1 or more"),
        ((1, 0.0, {}), "age more than 0"),
        ((1, float("nan"), {}), "age more than 0"),
        ((1, 1.0, {"A": -1.0}), "the allocation of 'A'"),
        ((1, 1.0, {"A": float("inf")}), "the allocation of 'A'"),
    ],
)
def test_what_cannot_be_is_refused_and_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        Backlog(*wrong)


class Obedient(RuleBasedStateMachine):
    """Senders who keep to what they are told, whatever drains, ages and is recounted."""

    @initialize(
        ceiling=st.integers(1, 60),
        allocations=st.dictionaries(st.sampled_from(USERS[:4]), st.one_of(st.just(0.0), st.floats(0.01, 1000))),
    )
    def start(self, ceiling: int, allocations: dict[str, float]) -> None:
        self.backlog = Backlog(ceiling, 10.0, allocations)
        self.allocations = allocations
        self.open = dict.fromkeys(USERS, 0)
        self.now = self.old = 0.0

    def _kept(self, user: str) -> int:
        held = self.backlog._held.get(user)
        return held.kept if held else 0

    @rule(user=st.sampled_from(USERS), many=st.integers(1, 20))
    def send(self, user: str, many: int) -> None:
        for _ in range(many):
            wait = self.backlog.refuses(user, self.now)
            if self.open[user] < self._kept(user):
                assert wait is None, "within its kept places"
            if wait is None:
                self.backlog.took(user)
                self.open[user] += 1
            else:
                assert 1 <= wait <= MOST_WAIT

    @rule(user=st.sampled_from(USERS), many=st.integers(1, 20), seconds=st.floats(0, 20))
    def drain(self, user: str, many: int, seconds: float) -> None:
        self.now += seconds
        for _ in range(min(many, self.open[user])):
            self.backlog.ended(user, self.now)
            self.open[user] -= 1

    @rule(age=st.one_of(st.none(), st.floats(0, 20)))
    def grow_old(self, age: float | None) -> None:
        self.backlog.oldest(None if age is None else 1000.0 - age, at=1000.0)

    @rule(seconds=st.floats(0, 1000))
    def probe_in(self, seconds: float) -> None:
        self.backlog.hint(seconds)

    @rule()
    def recount(self) -> None:
        self.backlog.recount(dict(self.open))

    @precondition(lambda self: hasattr(self, "backlog"))
    @invariant()
    def the_ceiling_holds_and_what_is_told_is_what_is_done(self) -> None:
        assert self.backlog.taken == sum(self.open.values()) <= self.backlog.ceiling
        told = json.loads(json.dumps(self.backlog.told(self.now)))
        refused = {user for user in USERS if self.backlog.refuses(user, self.now) is not None}
        listed = set(told["users"])
        assert listed <= refused
        assert {user for user in refused if user in self.allocations or self.open[user]} <= listed
        if told["others"] is not None:
            assert set(USERS) == refused
        assert told["full"] == bool(listed or told["others"] is not None)
        assert all(1 <= seconds <= MOST_WAIT for seconds in told["users"].values())


TestObedient = Obedient.TestCase
TestObedient.settings = settings(max_examples=examples(80), stateful_step_count=40, deadline=None)


@given(st.lists(st.floats(-100, 100), max_size=50))
def test_a_clock_that_jumps_breaks_no_bound(steps):
    backlog, now = Backlog(5, 10.0, {"A": 1.0}), 0.0
    for step in steps:
        now += step
        fill(backlog, "A", now)
        assert 1 <= backlog.refuses("A", now) <= MOST_WAIT
        backlog.ended("A", now)
