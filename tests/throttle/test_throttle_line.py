"""Retry-After: thousands of clients who obey it come back as a stream and not as a herd."""

import heapq
import random
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.throttle import THROTTLED, Account, Limits, Throttle
from sluicegate.throttle.line import FIRST, come_back_in, lump


def herd(limits, allocation, clients, delay):
    """All clients of one User ask within the first second's beginning, and again whenever they are told to.

    Returns how many ask in the busiest second after the first, and how often a client asks after its first try.
    """
    throttle = Throttle(limits, {"A": allocation, "B": limits.maximum - allocation})
    user = throttle.account("A")
    rng = random.Random(5)
    queue = [(0.0, client) for client in range(clients)]
    later, admitted_later, by_second = 0, 0, {}
    while queue:
        now, client = heapq.heappop(queue)
        if now > 0:
            later += 1
            by_second[floor(now)] = by_second.get(floor(now), 0) + 1
        if throttle.decide(user, 1.0, now) == THROTTLED:
            wait = throttle.retry_after(user, 1.0, now)
            assert isinstance(wait, int)
            assert 1 <= wait <= 300
            heapq.heappush(queue, (now + wait + rng.random() * delay, client))
        elif now > 0:
            admitted_later += 1
    return max(by_second.values()), later / admitted_later


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(
    ("threshold", "allocation", "burst", "clients"),
    [
        (800, 300, 0.5, 6000),
        (800, 300, 2.0, 6000),
        (240, 90, 0.5, 6000),
        (1000, 100, 1.0, 6000),
        (100, 40, 0.5, 6000),
        (100, 4, 0.5, 6000),
        (1000, 100, 0.1, 6000),
    ],
)
def test_6000_at_once_come_back_as_a_stream(threshold, allocation, burst, clients, delay):
    """Busiest later second <= 1.0 T, and <= 1.2 asked for one admitted."""
    busiest, asked = herd(Limits(threshold * 1.25, threshold, burst), allocation, clients, delay)
    assert busiest <= 1.0 * threshold
    assert asked <= 1.2


@pytest.mark.parametrize("allocation", [4, 40])
def test_where_the_line_is_longer_than_the_longest_wait_its_end_is_spread_over_half_of_that(allocation):
    """6,000 at 100 SR/s are a minute; 60,000 would be ten. Nobody is told more than five."""
    limits = Limits(130, 100)
    throttle = Throttle(limits, {"A": allocation, "B": 80.0})
    user = throttle.account("A")
    refused = [_ for _ in range(60_000) if throttle.decide(user, 1.0, 0.0) == THROTTLED]
    waits = [throttle.retry_after(user, 1.0, 0.0) for _ in refused]
    assert max(waits) <= 300
    assert min(waits) >= 1
    capped = waits[-10_000:]
    assert min(capped) >= 150
    assert max(capped.count(wait) for wait in set(capped)) <= 2 * len(capped) / 150


SIZES = st.floats(0.01, 1e4)


@given(
    rate=SIZES,
    weight=st.floats(0.1, 100.0),
    held=st.floats(0.0, 100.0),
    burst=st.floats(0.05, 10.0),
    now=st.floats(0, 1e6),
    behind=st.floats(-100.0, 300.0),
    advised=st.integers(0, 10_000),
)
def test_the_wait_is_that_of_the_line(rate, weight, held, burst, now, behind, advised):
    """slot = max(last slot, now + FIRST - min(held, w)/rate) + w/rate, at a rate that is less where a bank holds less
    than a second; told in whole seconds, up to a fifth and 2 s later; from 300 on, between 150 and 300.
    """
    throttle = Throttle(Limits(100, 50), {"A": 10.0})
    user: Account = throttle.account("A")
    user.slot, user.advised = now + behind, advised
    slower = rate * min(1.0, 1.2 * burst)
    slot = max(now + behind, now + FIRST - min(held, weight) / slower) + weight / slower
    wait = slot - now

    told = come_back_in(user, weight, now, rate, held, lump(burst))

    assert isinstance(told, int)
    assert user.slot == pytest.approx(min(slot, now + 300))
    assert 1 <= told < 300
    if wait < 297:
        assert max(1, floor(wait - 1e-6)) <= told <= max(1, floor(wait + min(0.2 * wait, 2.0) + 1 + 1e-6))
    else:
        assert told >= 150


@given(weight=st.sampled_from([1.0, 5.0]), times=st.lists(st.floats(0, 50), min_size=1, max_size=30))
def test_advice_is_always_whole_seconds_from_1_to_300_and_costs_nothing(weight, times):
    throttle = Throttle(Limits(10, 5, 0.5, heaviest=5.0), {"A": 1.0, "none": 0.0})
    twin = Throttle(Limits(10, 5, 0.5, heaviest=5.0), {"A": 1.0, "none": 0.0})
    for now in times:
        for name in ("A", "none"):
            for _ in range(10):
                wait = throttle.retry_after(throttle.account(name), weight, now)
                assert isinstance(wait, int)
                assert 1 <= wait <= 300
        outcome = throttle.decide(throttle.account("A"), weight, now)
        assert outcome == twin.decide(twin.account("A"), weight, now)
