"""A fleet of one worker that asks for every single request decides as one process does, request by request."""

from bisect import insort
from random import Random

import pytest
from fleet_of_one import Clock, Worker
from hypothesis import given, settings
from hypothesis import strategies as st
from lua_shard import LuaShard

from sluicegate.ledger.fleet.messages import Terms, Want
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits, Throttle
from thorough import examples

LONG = 1000.0  # seconds: all banks are full


@st.composite
def scenarios(draw):
    burst = draw(st.sampled_from([0.1, 0.5, 2.0]))
    threshold = draw(st.sampled_from([20.0, 80.0, 400.0]))
    heaviest = draw(st.sampled_from([1.0, 5.0]))
    limits = Limits(threshold * 1.25, threshold, burst, 3.0, heaviest, draw(st.sampled_from(["fair", "first-come"])))
    users = draw(st.integers(1, 12))
    parts = [draw(st.sampled_from([0.0, 0.5, 1.0, 3.0])) for _ in range(users)]
    whole = sum(parts) or 1.0
    allocations = {
        f"u{i}": part / whole * threshold * draw(st.sampled_from([0.5, 1.0])) for i, part in enumerate(parts)
    }
    reserves = {name: draw(st.sampled_from([0.0, 0.0, 3.0])) for name in allocations}
    load = draw(st.sampled_from([0.5, 1.1, 2.0, 6.0]))
    pace = round(1e6 / (threshold * load))
    random = draw(st.randoms(use_true_random=False))
    lull = draw(st.sampled_from([0, round(burst * 1e6), 4_000_000]))
    requests = []
    for _ in range(draw(st.integers(20, 250))):
        gap = lull if lull and random.random() < 0.01 else random.choice([0, pace, 2 * pace])
        name = f"u{min(random.randrange(users), random.randrange(users))}"
        weight = heaviest if random.random() < 0.2 else 1.0
        requests.append((gap, name, weight, random.choice([0.0, reserves[name]])))
    return limits, allocations, reserves, requests


def in_order_of_coming(allocations, requests):
    """The jitter of a newcomer goes by the order in which the Users came to be known."""
    order = list(dict.fromkeys(name for _, name, _, _ in requests))
    return {name: allocations[name] for name in [*order, *(set(allocations) - set(order))]}


@settings(max_examples=examples(30), deadline=None)
@given(scenarios())
def test_every_request_asked_for_alone_is_decided_as_by_one_process(scenario):
    assert_the_same(*scenario)


@pytest.mark.parametrize("seed", range(3))
def test_so_it_is_in_a_long_overload_where_vessels_fill_and_flow_over(seed):
    random = Random(seed)
    limits = Limits(500.0, 400.0, 0.1, 3.0, 5.0)
    allocations = {f"u{i}": 120.0 / (1 + i) for i in range(8)}
    requests = []
    rates = {name: random.choice([0.5, 1.2, 6.0]) * allocation for name, allocation in allocations.items()}
    coming = sorted((random.expovariate(rates[name]), name) for name in allocations)
    now = 0.0
    while len(requests) < 1200:
        at, name = coming.pop(0)
        pause = 0.3 if random.random() < 0.02 else 0.0  # what it leaves lifts the others
        insort(coming, (at + pause + random.expovariate(rates[name]), name))
        requests.append((round((at - now) * 1e6), name, 5.0 if random.random() < 0.1 else 1.0, 0.0))
        now = at
    assert_the_same(limits, allocations, dict.fromkeys(allocations, 0.0), requests)


def assert_the_same(limits, allocations, reserves, requests):
    allocations = in_order_of_coming(allocations, requests)
    one = Throttle(limits, allocations, 0.0, reserves)
    terms = Terms(
        *(limits.maximum, limits.threshold, limits.burst_seconds, limits.calm_seconds, limits.heaviest, limits.sharing),
        sum(one.account(name).depth for name in allocations),
        hold=2 * LONG,
        settle=0.0,
    )
    clock = Clock()
    worker = Worker(LuaShard(clock.server), clock, terms=terms)
    worker.draw()
    clock.sleep(LONG)
    worker.draw()
    for gap, name, weight, reserve in requests:
        clock.true += gap
        account = one.account(name)
        outcome = one.decide(account, weight, clock.true / 1e6, reserve)
        want = Want(name, account.allocation, account.depth, unit=weight, reserve=reserve, waiting=weight)
        (got,) = worker.draw(want).given
        worker.draw(want._replace(waiting=0.0))  # tells that it has nothing in hand: what it got is spent
        assert (got.within, got.excess) == {
            WITHIN: (weight, 0.0),
            EXCESS: (0.0, weight),
            THROTTLED: (0.0, 0.0),
        }[outcome]
    state = one.state(clock.true / 1e6)
    assert worker.draw().active == state.active
