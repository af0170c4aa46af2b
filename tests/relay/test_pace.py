"""The pace: what the gateway bears, found out from what it answers, by the real throttle in virtual time."""

import math
from collections import Counter

import pytest
from relay_world import World, rate, relays

from sluicegate.relay.failing import IN_A_ROW
from sluicegate.relay.outlook import Demand, outlook
from sluicegate.relay.pace import CALM, LEAST, Pace

IDEAL = 160.0  # SR/s: an allocation of 100, and a fifth of the 300 that are spare (an ideal sender gets 160.0)
TOLD = {b"ratelimit-policy": b'"allocation";q=300;w=1', b"ratelimit": b'"allocation";r=12;t=1'}


@pytest.mark.parametrize("told", [True, False])
def test_while_traffic_management_is_active_it_gets_what_an_ideal_sender_gets_and_asks_hardly_in_vain(told):
    (relay,) = World(relays(), [[(1, 400.0)]], told=told).run(60).relays
    assert rate(relay, 20, 60) >= 0.97 * IDEAL
    assert relay.offered <= 1.05 * len(relay.admitted)


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.long)])
def test_several_relays_of_one_user_share_without_talking(count):
    world = World(relays(count), [[(1, 400.0)]] * count).run(120)
    got = [rate(relay, 60, 120) for relay in world.relays]
    assert sum(got) >= 0.97 * IDEAL
    assert sum(got) ** 2 / (count * sum(one**2 for one in got)) >= 0.95


@pytest.mark.parametrize("told", [True, False])
def test_a_user_of_two_srs_a_second_gets_its_part_too(told):
    (relay,) = World(relays(), [[(1, 8.0)]], allocation=2.0, told=told).run(360).relays
    assert rate(relay, 60, 360) >= 0.97 * 3.79  # one that asks ten times, for nothing (the sum of its parts is 3.98)


def test_below_the_threshold_nothing_is_held_back():
    (relay,) = World(relays(), [[(1, 500.0)]], others=0.0).run(10).relays
    assert rate(relay, 2, 10) >= 480.0
    assert relay.pace.state(10.0) == "free"


def test_a_gateway_that_throttles_from_one_moment_on_is_followed_within_seconds():
    (relay,) = World(relays(), [[(1, 300.0)]], quiet_until=20.0).run(40).relays
    assert rate(relay, 5, 20) >= 290.0
    assert rate(relay, 24, 40) >= 0.95 * IDEAL
    assert sum(20 <= at < 30 for at in relay.asked) <= 1.2 * sum(20 <= at < 30 for at, _, _ in relay.admitted)


@pytest.mark.parametrize("reserve", [0.0, 6.0])
def test_urgent_ones_that_fit_the_allocation_are_there_in_seconds_whatever_bulk_waits(reserve):
    (relay,) = World(relays(), [[(0, 50.0), (1, 400.0)]], reserve=reserve).run(60).relays
    ages = [age for _, rank, age in relay.admitted if rank == 0]
    assert sum(age <= 30 for age in ages) >= 0.999 * len(ages)
    assert len(ages) >= 0.95 * 60 * 50
    assert rate(relay, 20, 60) >= 0.97 * IDEAL


def test_bulk_leaves_the_moment_to_the_others_and_does_not_starve_alone():
    (both,) = World(relays(bulk=(1,)), [[(0, 90.0), (1, 200.0)]]).run(40).relays
    assert rate(both, 15, 40, 0) >= 85.0
    (alone,) = World(relays(bulk=(1,)), [[(1, 400.0)]]).run(40).relays
    assert rate(alone, 20, 40) >= 0.97 * IDEAL


def test_a_gateway_that_is_down_is_asked_seldom_and_its_return_is_no_herd():
    (relay,) = World(relays(), [[(1, 80.0)]], others=0.0, down=(10.0, 70.0)).run(140).relays
    assert sum(11 <= at < 70 for at in relay.asked) <= 12
    seconds = Counter(int(at) for at in relay.asked if at >= 70)
    back = min(seconds)
    assert back <= 70 + 30
    assert all(
        seconds[back + n] <= 1.2 * 100 * 1.03 ** (n + 1) for n in range(int(CALM))
    )  # its allocation, slowly more
    assert max(seconds.values()) <= 1000  # never above the maximum
    assert len(relay.line) == 0


def test_a_gateway_that_fails_in_two_seconds_of_four_and_tells_nothing_has_hundreds_within_a_minute():
    down = {"down": (0.0, 2.0), "down_every": 4.0}
    (relay,) = World(relays(), [[]], others=0.0, told=False, burst=((1.0, 1, 400),), **down).run(60).relays
    assert len(relay.admitted) == 400


@pytest.mark.parametrize("lost", [0.1, 0.3])
def test_answers_that_get_lost_slow_nothing_down(lost):
    (relay,) = World(relays(), [[(1, 80.0)]], others=0.0, told=False, lost=lost).run(60).relays
    assert rate(relay, 10, 60) >= 0.95 * 80


def test_urgent_ones_are_not_held_back_by_throttled_bulk_and_pay_for_what_they_send():
    pace = paced()
    while pace.may(1.7, 1):
        pace.sent(1.7, 1)
    assert pace.may(1.7, 0)
    before = pace.wait(1.7, 1)
    pace.sent(1.7, 0)
    assert pace.wait(1.7, 1) > before
    pace.answered(1.8, 0, 429, TOLD)
    while pace.may(1.8, 1):
        pace.sent(1.8, 1)
    assert not pace.may(1.8, 0)


def paced():
    pace = Pace()
    for n in range(50):
        pace.answered(1.0 + n / 100, 1, 200, TOLD)
    pace.answered(1.6, 1, 503, {**TOLD, b"retry-after": b"1"})
    return pace


def test_the_allocation_is_learnt_from_the_fields_and_nothing_from_what_is_not_theirs():
    pace = Pace()
    assert pace.learnt.allocation is None
    pace.answered(1.0, 1, 200, TOLD)
    assert (pace.learnt.allocation, pace.learnt.remaining, pace.learnt.rate) == (300.0, 12.0, math.inf)
    for policy in (b"", b'"allocation";q=-1;w=1', b'"allocation";q=9;w=0', b"x" * 100_000, b'"other";q=1;w=1', b"\xff"):
        pace.answered(2.0, 1, 200, {b"ratelimit-policy": policy, b"ratelimit": policy})
    assert (pace.learnt.allocation, pace.learnt.remaining) == (300.0, 12.0)


@pytest.mark.parametrize(
    ("status", "fields"), [(429, {}), (429, {b"retry-after": b"x"}), (503, {b"retry-after": b"2"})]
)
def test_a_429_and_a_503_with_a_retry_after_slow_down(status, fields):
    pace = Pace()
    pace.answered(1.0, 1, 200, {})
    pace.answered(1.1, 1, status, fields)
    assert LEAST <= pace.learnt.rate <= 1.0
    assert pace.state(1.1) == "paced"


def test_all_that_is_throttled_within_a_moment_counts_once():
    pace = paced()
    before = pace.learnt.rate
    for n in range(100):
        pace.answered(1.6 + n / 1000, 1, 429, {})
    assert pace.learnt.rate == pytest.approx(before, rel=0.03)


def test_a_clock_that_stands_or_jumps_back_mints_nothing():
    pace = paced()
    while pace.may(2.0, 1):
        pace.sent(2.0, 1)
    assert not pace.may(1.0, 1)
    assert not pace.may(-1e9, 1)
    assert not pace.may(float("nan"), 1)
    assert pace.wait(2.0, 1) > 0


def test_one_that_fails_is_asked_once_at_a_time_and_later_and_later():
    pace = Pace(chance=lambda: 1.0)
    now, pauses = 0.0, []
    for _ in range(IN_A_ROW):
        assert pace.may(now, 0)
        pace.answered(now, 1, 0, {})
    for _ in range(12):
        wait = pace.wait(now, 0)
        pauses.append(wait)
        now += wait
        assert pace.may(now, 0)
        pace.sent(now, 0)
        assert not pace.may(now, 0)
        pace.answered(now, 0, 502, {})
    assert pauses[:4] == pytest.approx([0.5, 1.0, 2.0, 4.0])
    assert max(pauses) == 30.0
    pace.answered(now + 100, 0, 200, TOLD)
    assert pace.learnt.rate == pytest.approx(1.0)  # nothing was known before: it begins small


def test_one_failure_among_many_answers_holds_nothing_up():
    pace = Pace()
    for n in range(100):
        pace.answered(1.0 + n / 100, 0, 502 if n % 5 == 0 else 200, TOLD)
        assert pace.may(1.0 + n / 100, 0)
    assert pace.learnt.rate == math.inf


def test_below_the_allocation_it_grows_quickly_while_the_bank_fills_and_no_further():
    pace = Pace()
    pace.answered(1.0, 1, 200, TOLD)
    pace.answered(1.1, 1, 429, TOLD)
    assert pace.learnt.rate < 2.0
    for tenth in range(20, 70):
        pace.answered(tenth / 10, 1, 200, TOLD)
    assert 280.0 <= pace.learnt.rate <= 310.0
    slow = Pace()
    slow.answered(1.0, 1, 200, TOLD)
    slow.answered(1.1, 1, 429, TOLD)
    for tenth in range(20, 70):
        slow.answered(tenth / 10, 1, 200, {**TOLD, b"ratelimit": b'"allocation";r=1;t=1'})
    assert slow.learnt.rate < 50.0


def test_after_a_minute_without_a_throttled_answer_nothing_is_limited():
    pace = paced()
    for second in range(2, 70):
        pace.may(float(second), 1)
    assert pace.state(70.0) == "free"


def test_the_outlook_is_strict_priority_on_what_waits_and_comes():
    told = outlook([Demand(0, 10, 2.0, 30.0), Demand(1, 300, 5.0, 60.0), Demand(2, 1000, 1.0, 600.0)], 10.0)
    assert told[0].seconds == pytest.approx(1.0)
    assert told[0].in_time
    assert told[1].seconds == pytest.approx(310 / 8)
    assert (told[1].in_time, told[1].more) == (False, pytest.approx(2 + 5 + 310 / 60 - 10))
    assert told[2].seconds == pytest.approx(1310 / 3)
    assert outlook([Demand(0, 5, 20.0, 30.0), Demand(1, 1, 0.0, 30.0)], 10.0)[1].seconds == math.inf
    assert outlook([Demand(0, 5, 1.0, 30.0)], math.inf)[0].seconds == 0.0
    assert outlook([], 1.0) == {}
