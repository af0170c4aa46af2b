"""The parts of a stand-in CSP that need no sockets."""

import contextlib
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.duis import compose_request, read_header
from sluicegate.simulate.standin_csp.behaviour import Behaviour
from sluicegate.simulate.standin_csp.chance import Chance
from sluicegate.simulate.standin_csp.order import Order
from sluicegate.simulate.standin_csp.requests import Requests, key_of, request_id
from sluicegate.simulate.standin_csp.schedule import Condition, Schedule, State


def key(counter, device=0, originator=0):
    return b"".join(number.to_bytes(8, "big") for number in (originator, device, counter))


@pytest.mark.parametrize(
    ("seconds", "condition"),
    [
        (0, Condition()),
        (20, Condition(State.DOWN)),
        (49.9, Condition(State.DOWN)),
        (50, Condition()),
        (60, Condition(slow=2)),
        (65, Condition(State.HANG, slow=6, latency=1.5, fail=0.5)),
        (1e9, Condition(fail=0.25)),
    ],
)
def test_a_schedule_says_what_holds(seconds, condition):
    plan = "20-50:down, 60-70:slow=2,65-70:slow=3,65-70:hang,65-70:latency=1.5,65-70:fail=0.5,65-:fail=0.25,"
    assert Schedule.read(plan).at(seconds) == condition


def test_an_entry_without_a_word_is_down():
    assert Schedule.read("1-2").at(1).state is State.DOWN


def test_a_schedule_tells_when_it_changes_next():
    schedule = Schedule.read("20-50:down,40-:fail=1")
    assert [schedule.next_change(at) for at in (0, 20, 40, 50)] == [20, 40, 50, math.inf]
    assert Schedule().next_change(0) == math.inf


@pytest.mark.parametrize(
    "plan",
    ["x", "20", "50-20:down", "20-20", "-5-6", "1-2:sleep", "1-2:slow", "1-2:slow=x", "1-2:fail=1.1", "1-2:latency=-1",
     "nan-5", "inf-", "1-2:slow=nan", "1-2," * 1000, "1" * 100_000],
)  # fmt: skip
def test_a_schedule_that_cannot_be_is_refused_with_its_entry(plan):
    with pytest.raises(ValueError, match=r"entry|entries|there are|takes a number") as error:
        Schedule.read(plan)
    assert len(str(error.value)) < 200


@given(st.text())
def test_whatever_a_schedule_is_it_is_read_or_refused(text):
    with contextlib.suppress(ValueError):
        Schedule.read(text).at(5)


@pytest.mark.parametrize("name", ["latency", "fail", "rate", "busy_seconds", "late_seconds", "no_answer_devices"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 1e9, "1", None, True, 10**400])
def test_a_behaviour_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        Behaviour().changed({name: value})


def test_the_queue_is_what_is_served_in_a_second_unless_it_is_said():
    assert [Behaviour(rate=2.5).held, Behaviour(rate=0.1).held, Behaviour(rate=9, queue=3).held] == [3, 1, 3]


@given(st.integers(), st.binary(max_size=24), st.integers(1, 99))
def test_draws_are_the_same_for_the_same_arrival_and_lie_between_0_and_1(seed, one, arrival):
    draws = Chance(seed).draws(one, arrival)
    assert draws == Chance(seed).draws(one, arrival)
    assert all(0 <= draw < 1 for draw in draws)
    assert 0 <= Chance(seed).of_device(one) < 1


def test_draws_are_even_and_independent():
    draws = [Chance(7).draws(key(n), 1) for n in range(4000)]
    for place in range(8):
        assert abs(sum(one[place] for one in draws) / 4000 - 0.5) < 0.03
        assert abs(sum(one[place] < 0.25 and one[place - 1] < 0.25 for one in draws) / 4000 - 0.0625) < 0.02


def test_a_key_and_its_request_id_are_one():
    header = read_header(compose_request("90-b3-d5-1f-30-01-00-00", "00-DB-12-34-56-78-90-A0", 2**64 - 1, "2.2"), True)
    assert request_id(key_of(header)) == f"{header.originator}:{header.target}:{header.counter}"


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.booleans()), max_size=60), st.integers(4, 12))
def test_of_what_is_remembered_each_arrival_is_counted(arrivals, most):
    requests, expected, executed = Requests(most), Counter(), set()
    for counter, marked, execute in arrivals:
        number = requests.arrived(key(counter), 1.0, 1, marked)
        expected[number] += 1
        assert requests.count(number) == expected[number]
        assert (number in executed) is bool(requests.executed_as(number))
        if execute and number not in executed:
            requests.execute(number, "I99")
            executed.add(number)
    told = requests.page(0, 100)
    assert len(requests) <= most
    assert [row["number"] for row in told["requests"]] == list(range(requests.forgotten, requests.in_all))
    assert {row["number"]: row["count"] for row in told["requests"]} == {
        number: count for number, count in expected.items() if number >= requests.forgotten
    }
    assert requests.in_all + requests.repeated["marked"] + requests.repeated["unmarked"] == len(arrivals)
    assert (requests.executed_in_all, requests.executed_twice) == (len(executed), 0)


def test_an_answer_to_what_is_forgotten_is_no_error():
    requests = Requests(4)
    for counter in range(6):
        requests.arrived(key(counter), 1.0)
    requests.answered(0, "I99")
    assert [row["answer"] for row in requests.page(0, 9)["requests"]] == [""] * len(requests)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40))
def test_order_is_broken_exactly_when_a_counter_is_below_the_highest_before(arrivals):
    order, highest, broken = Order(1000), {}, 0
    for device, counter in arrivals:
        order.first_arrival(key(counter, device))
        broken += counter < highest.get(device, 0)
        highest[device] = max(counter, highest.get(device, 0))
    assert order.arrived_out_of_order == broken
    assert len(order.examples) == min(broken, 20)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans()), max_size=40))
def test_at_once_are_the_different_requests_of_a_device(steps):
    order, here, most = Order(1000), [], 0
    for device, counter, ends in steps:
        one = key(counter, device)
        if ends and one in here:
            order.ends(one)
            here.remove(one)
        elif not ends:
            order.begins(one)
            here.append(one)
            most = max(most, len({other for other in here if other[8:16] == one[8:16]}))
    assert order.most_at_once == most


def test_pairs_beyond_what_is_remembered_are_forgotten():
    order = Order(4)
    for device in range(100):
        order.executed(key(5, device))
    assert len(order._executed._of) <= 4
