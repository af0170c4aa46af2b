"""The circuit before a destination: closed, open, half-open, busy."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sluicegate.dispatch.circuit import LONGEST_ATTEMPT, LONGEST_PROBE, MOST_BUSY, Circuit
from thorough import examples

TINY = 1e-6


def attempt(circuit: Circuit, now: float, failed: bool) -> bool:
    number = circuit.began(now)
    if failed:
        circuit.failed(now, number)
        return False
    return circuit.succeeded(now, number)


def opened(failures: int = 3, pause: float = 5.0, **more) -> Circuit:
    circuit = Circuit(failures, pause, **more)
    for _ in range(failures):
        attempt(circuit, 0.0, failed=True)
    assert circuit.state(0.0) == "open"
    return circuit


def test_so_many_failures_in_a_row_open_it_and_one_less_does_not():
    circuit = Circuit(failures=10)
    for _ in range(9):
        attempt(circuit, 1.0, failed=True)
    assert circuit.state(1.0) == "closed"
    assert circuit.may(1.0)
    attempt(circuit, 1.0, failed=True)
    assert circuit.state(1.0) == "open"
    assert not circuit.may(1.0)


def test_one_that_fails_half_the_time_opens_it():
    circuit = Circuit(failures=10)
    for n in range(20):
        assert circuit.state(1.0) == "closed"
        attempt(circuit, 1.0, failed=n % 2 == 1)
    assert circuit.state(1.0) == "open"


def test_one_that_fails_a_third_of_the_time_does_not():
    circuit = Circuit(failures=10)
    for n in range(1000):
        attempt(circuit, 1.0, failed=n % 3 == 0)
        assert circuit.state(1.0) == "closed"


def test_it_is_open_for_the_pause_and_then_half_open():
    circuit = opened(pause=5.0)
    assert circuit.wait(1.0) == 4.0
    assert circuit.next_probe(1.0) == 4.0
    assert not circuit.may(4.999)
    assert circuit.may(5.0)
    assert circuit.state(5.0) == "half-open"
    assert circuit.wait(5.0) == 0.0


def test_each_failed_probe_doubles_the_pause_up_to_the_longest():
    circuit, now, pauses = opened(pause=5.0, longest_pause=30.0), 0.0, []
    for _ in range(5):
        pauses.append(circuit.wait(now))
        now += circuit.wait(now)
        attempt(circuit, now, failed=True)
    assert pauses == [5, 10, 20, 30, 30]


def test_a_probe_that_succeeds_closes_it_and_says_so_once():
    circuit = opened()
    assert attempt(circuit, 5.0, failed=False)
    assert circuit.state(5.0) == "closed"
    assert not attempt(circuit, 5.0, failed=False)


def test_the_pause_is_the_first_one_again_after_it_was_closed():
    circuit = opened(failures=2, pause=5.0)
    attempt(circuit, 5.0, failed=True)
    attempt(circuit, 15.0, failed=False)
    for _ in range(2):
        attempt(circuit, 20.0, failed=True)
    assert circuit.wait(20.0) == 5.0


def test_what_was_counted_before_it_opened_counts_no_more_after_it_closed():
    circuit = opened(failures=3)
    attempt(circuit, 5.0, failed=False)
    attempt(circuit, 5.0, failed=True)
    attempt(circuit, 5.0, failed=True)
    assert circuit.state(5.0) == "closed"


@pytest.mark.parametrize("probes", [1, 3])
def test_while_it_is_half_open_at_most_so_many_probe_at_once(probes):
    circuit = opened(probes=probes)
    numbers = []
    for _ in range(probes):
        assert circuit.may(6.0)
        numbers.append(circuit.began(6.0))
    assert not circuit.may(6.0)
    circuit.unclear(7.0, numbers[0])
    assert circuit.may(7.0)
    assert circuit.state(7.0) == "half-open"


def test_failures_of_attempts_that_began_before_it_opened_neither_lengthen_the_pause_nor_count_twice():
    circuit = Circuit(failures=3, pause=5.0)
    numbers = [circuit.began(0.0) for _ in range(20)]
    for number in numbers[:10]:
        circuit.failed(1.0, number)
    assert circuit.wait(1.0) == 5.0
    for number in numbers[10:15]:
        circuit.failed(6.5, number)  # half-open by now
    assert circuit.state(6.5) == "half-open"
    attempt(circuit, 7.0, failed=False)
    for number in numbers[15:]:
        circuit.failed(8.0, number)
    assert circuit.state(8.0) == "closed"


def test_a_success_of_an_attempt_that_began_before_it_opened_does_not_close_it():
    circuit = Circuit(failures=1, pause=5.0)
    early, late = circuit.began(0.0), circuit.began(0.0)
    attempt(circuit, 0.0, failed=True)
    assert not circuit.succeeded(1.0, early)
    assert circuit.state(1.0) == "open"
    assert not circuit.succeeded(6.0, late)
    assert circuit.state(6.0) == "half-open"


def test_of_several_probes_the_first_one_decides():
    circuit = opened(probes=3, pause=5.0)
    one, two, three = (circuit.began(6.0) for _ in range(3))
    circuit.failed(7.0, one)
    assert circuit.wait(7.0) == 10.0
    circuit.failed(8.0, two)
    assert not circuit.succeeded(8.0, three)
    assert circuit.wait(7.0 + 1) == 9.0


def test_a_probe_that_never_ends_is_not_waited_for_for_ever():
    circuit = opened()
    number = circuit.began(5.0)
    assert circuit.wait(5.0) == LONGEST_PROBE
    assert not circuit.may(5.0 + LONGEST_PROBE - 1)
    assert circuit.may(5.0 + LONGEST_PROBE)
    assert circuit.succeeded(5.0 + LONGEST_PROBE + 9, number)  # it does tell something, when it ends


def test_an_attempt_that_is_not_named_is_taken_for_the_oldest():
    circuit = Circuit(failures=2, pause=5.0)
    for _ in range(6):
        circuit.began(0.0)
    for _ in range(5):
        circuit.failed(1.0)
    assert circuit.wait(1.0) == 5.0
    circuit.began(6.0)  # a probe; one of before is still on its way
    circuit.failed(6.5)  # ... and this is that one
    assert circuit.state(6.5) == "half-open"
    assert circuit.succeeded(7.0)


def test_an_attempt_that_ends_twice_counts_once():
    circuit = Circuit(failures=2)
    number = circuit.began(0.0)
    circuit.failed(0.0, number)
    circuit.failed(0.0, number)
    assert circuit.state(0.0) == "closed"


def test_retry_after_is_honoured_and_is_no_failure():
    circuit = Circuit(failures=1)
    number = circuit.began(0.0)
    circuit.busy(20.0, 0.0, number)
    assert circuit.state(1.0) == "busy"
    assert circuit.wait(5.0) == 15.0
    assert circuit.next_probe(5.0) == 15.0
    assert not circuit.may(19.9)
    assert circuit.may(20.0)
    assert circuit.state(20.0) == "closed"


def test_a_probe_that_is_answered_busy_neither_closes_it_nor_lengthens_the_pause():
    circuit = opened(pause=5.0)
    circuit.busy(16.0, 6.0, circuit.began(6.0))
    assert circuit.state(6.0) == "busy"
    assert circuit.may(16.0)
    assert circuit.state(16.0) == "half-open"
    attempt(circuit, 16.0, failed=True)
    assert circuit.wait(16.0) == 10.0


@pytest.mark.parametrize(("until", "wait"), [(math.inf, MOST_BUSY), (1e300, MOST_BUSY), (math.nan, 0), (-5.0, 0)])
def test_no_retry_after_puts_a_destination_off_for_longer_than_the_most(until, wait):
    circuit = Circuit()
    circuit.busy(until, 10.0)
    assert circuit.wait(10.0) == wait


def test_a_shorter_retry_after_does_not_shorten_a_longer_one():
    circuit = Circuit()
    circuit.busy(100.0, 0.0)
    circuit.busy(5.0, 0.0)
    assert circuit.wait(0.0) == 100.0


def test_a_clock_that_jumps_back_stands_still():
    circuit = opened(pause=5.0)
    assert circuit.may(6.0)
    assert circuit.may(-1000.0)
    number = circuit.began(-1000.0)
    circuit.failed(-1000.0, number)
    assert circuit.wait(-1000.0) == 10.0


def test_memory_does_not_grow_with_attempts_whose_end_nobody_told():
    circuit = Circuit()
    for n in range(10_000):
        circuit.began(n * 10.0)
    assert len(circuit._in_flight) <= LONGEST_ATTEMPT / 10 + 1


@pytest.mark.parametrize("wrong", [(0,), (1, 0.0), (1, 5.0, 4.0), (1, 5.0, math.inf), (1, math.nan), (1, 1.0, 2.0, 0)])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"failures and probes|longest_pause"):
        Circuit(*wrong)


class AnyHistory(RuleBasedStateMachine):
    """Any order of beginnings and ends, by a caller who begins only what he may."""

    @initialize(failures=st.integers(1, 5), pause=st.floats(0.1, 10), more=st.floats(0, 100), probes=st.integers(1, 3))
    def start(self, failures: int, pause: float, more: float, probes: int) -> None:
        self.longest, self.probes = pause + more, probes
        self.circuit = Circuit(failures, pause, self.longest, probes)
        self.now = 0.0
        self.numbers: dict[int, float] = {}
        self.since_open: set[int] = set()

    def _open(self) -> bool:
        return self.circuit.state(self.now) in {"open", "half-open"} or bool(self.circuit._opened)

    @rule(seconds=st.one_of(st.floats(0, 1), st.floats(0, 200)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.circuit.may(self.now))
    @rule()
    def begins(self) -> None:
        was_open = self._open()
        number = self.circuit.began(self.now)
        self.numbers[number] = self.now
        if was_open:
            self.since_open.add(number)

    @precondition(lambda self: self.numbers)
    @rule(data=st.data(), how=st.sampled_from(["failed", "succeeded", "unclear", "busy"]))
    def ends(self, data: st.DataObject, how: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.numbers)))
        del self.numbers[number]
        was_open, was_busy, waited = self._open(), self.circuit.state(self.now) == "busy", self.circuit.wait(self.now)
        if how == "succeeded":
            closed = self.circuit.succeeded(self.now, number)
            assert not closed or (was_open and number in self.since_open)
        elif how == "busy":
            self.circuit.busy(self.now + data.draw(st.floats(-10, 1000)), self.now, number)
        else:
            getattr(self.circuit, how)(self.now, number)
        if how == "failed" and was_open and not was_busy and number not in self.since_open:
            assert self.circuit.wait(self.now) <= waited
        if not self._open() or (how == "failed" and self.circuit.state(self.now) == "open" and not was_open):
            self.since_open.clear()

    @invariant()
    def waiting_is_enough_and_bounded(self) -> None:
        if not hasattr(self, "circuit"):
            return
        wait = self.circuit.wait(self.now)
        assert 0 <= wait <= max(self.longest, MOST_BUSY, LONGEST_PROBE) + TINY
        assert (wait == 0) == self.circuit.may(self.now)
        assert self.circuit.next_probe(self.now) <= wait
        assert self.circuit.state(self.now) in {"closed", "open", "half-open", "busy"}
        if self.circuit.state(self.now) == "half-open":
            assert len(self.circuit._probing) <= self.probes


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 8))
def test_it_opens_exactly_when_so_many_of_the_last_twice_as_many_failed(outcomes, failures):
    circuit, seen = Circuit(failures), []
    for failed in outcomes:
        attempt(circuit, 0.0, failed)
        seen.append(failed)
        assert (circuit.state(0.0) == "open") == (sum(seen[-2 * failures :]) >= failures)
        if circuit.state(0.0) == "open":
            break
