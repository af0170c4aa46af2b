"""The breaker and the offences, on a clock of their own."""

import hypothesis.strategies as st
from hypothesis import given

from sluicegate.front.offences import BANISHED, FORGIVEN, FREE, MOST, REMEMBERED, SLOWEST, Offences
from sluicegate.http.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PROBE, Breaker


def tries(breaker: Breaker, now: float) -> float:
    """A request that comes: how long it must wait; if not at all, it is sent."""
    wait = breaker.blocks(now)
    if not wait:
        breaker.probe(now)
    return wait


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        assert tries(breaker, at) == 0
        breaker.failed(at)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed(0)
        assert breaker.state == "closed"
        breaker.connected()
    assert opened().state == "open"


def test_after_the_pause_one_may_try_and_the_others_wait() -> None:
    breaker = opened(10)
    assert 0 < breaker.blocks(10) <= FIRST_PAUSE
    at = 10 + FIRST_PAUSE
    assert breaker.blocks(at) == 0
    assert breaker.state == "open", "nobody has tried yet"
    assert tries(breaker, at) == 0
    assert breaker.state == "half-open"
    assert [breaker.blocks(at + moment) > 0 for moment in (0, 0.1, 1)] == [True] * 3
    breaker.connected()
    assert breaker.state == "closed"
    assert breaker.blocks(at) == 0


def test_each_failed_probe_doubles_the_pause_up_to_the_longest() -> None:
    breaker, at, pauses = opened(), 0.0, []
    for _ in range(12):
        pause = breaker.blocks(at)
        pauses.append(round(pause, 6))
        at += pause
        assert tries(breaker, at) == 0
        breaker.failed(at)
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_failures_that_come_late_make_the_pause_no_longer() -> None:
    breaker = opened(0)
    for _ in range(100):
        breaker.failed(0.1)
    assert breaker.blocks(FIRST_PAUSE) == 0


def test_a_probe_that_never_tells_does_not_keep_it_open_for_ever() -> None:
    breaker = opened(0)
    assert tries(breaker, FIRST_PAUSE) == 0
    assert breaker.blocks(FIRST_PAUSE + LONGEST_PROBE - 0.01) > 0
    assert breaker.blocks(FIRST_PAUSE + LONGEST_PROBE) == 0


def test_a_probe_whose_sender_left_lets_the_next_one_try() -> None:
    breaker = opened(0)
    assert tries(breaker, 1) == 0
    assert breaker.blocks(1) > 0
    breaker.unanswered()
    assert breaker.blocks(1) == 0


def test_an_answer_closes_it() -> None:
    breaker = opened(0)
    breaker.answered()
    assert breaker.state == "closed"


@given(st.lists(st.tuples(st.sampled_from(["ask", "fail", "connect", "leave"]), st.floats(0, 3)), max_size=80))
def test_it_never_blocks_for_longer_than_the_longest_pause(steps) -> None:
    breaker, now = Breaker(), 0.0
    for what, seconds in steps:
        now += seconds
        if what == "ask":
            assert 0 <= tries(breaker, now) <= LONGEST_PAUSE
        elif what == "fail":
            breaker.failed(now)
        elif what == "connect":
            breaker.connected()
        else:
            breaker.unanswered()
    assert breaker.blocks(now + LONGEST_PAUSE + LONGEST_PROBE) == 0


def test_a_few_offences_are_answered_at_once_then_later_and_then_not_at_all() -> None:
    offences = Offences()
    waits = [offences.commit("a", 0.0) for _ in range(int(MOST) + 1)]
    assert set(waits[: int(FREE)]) == {0.0}
    slowed = waits[int(FREE) : int(MOST)]
    assert slowed == sorted(slowed)
    assert 0 < slowed[0] < slowed[-1] == SLOWEST
    assert waits[-1] < 0
    assert offences.banished("a", 0.0)
    assert not offences.banished("b", 0.0)
    assert offences.commit("b", 0.0) == 0.0


def test_offences_are_forgiven_with_time() -> None:
    offences = Offences()
    for _ in range(int(MOST) + 1):
        offences.commit("a", 0.0)
    assert offences.banished("a", BANISHED - 0.1)
    assert not offences.banished("a", BANISHED + 0.1)
    assert offences.commit("a", BANISHED + (MOST - FREE) / FORGIVEN + 2) == 0.0
    assert offences.score("a", 1e6) == 0.0


@given(st.integers(1, 500))
def test_offending_on_while_banished_makes_it_no_longer_than_once(times) -> None:
    offences = Offences()
    for _ in range(int(MOST) + times):
        offences.commit("a", 0.0)
    assert offences.score("a", 0.0) <= MOST + BANISHED * FORGIVEN


def test_as_many_offenders_as_like_take_no_more_memory() -> None:
    offences = Offences()
    for number in range(REMEMBERED + 500):
        offences.commit(str(number), 0.0)
    assert len(offences._known) == REMEMBERED
    assert offences.score("0", 0.0) == 0.0
    assert offences.score(str(REMEMBERED + 499), 0.0) == 1.0


@given(st.lists(st.floats(0.9, 30), max_size=200))
def test_who_offends_less_than_once_a_second_is_never_slowed(gaps) -> None:
    offences, now = Offences(), 0.0
    for gap in gaps:
        now += max(gap, 1 / FORGIVEN)
        assert offences.commit("a", now) == 0.0
