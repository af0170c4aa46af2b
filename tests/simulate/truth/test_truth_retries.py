"""How much Users' retries amplify the load, against closed forms."""

import math

import numpy as np
import pytest
import queues
from queues import check
from runs import every, simulate, world_of

from sluicegate.simulate.world import Dsp, Kind, Retry, User
from sluicegate.throttle import Limits

LONG = 1e9
BROKEN = Dsp(1.0, 1.0, outage_after=0.001, restart=LONG)
"""The first SR overloads it, and it fails before that is done: nothing is ever served."""
SHUT = Limits(1.0, 1.0, burst_seconds=0.5)
LAST = Kind("Last in the imposed order", "4.1.1", imposed=9, deadline=LONG)


def attempts(result):
    """Of each SR."""
    return np.append(np.ones(len(result.joined("delivered", "born"))), result.joined("others", "attempts"))


def one_user(**habit):
    return (User("A", "IS", 1.0, retry=Retry(**habit)),)


@pytest.mark.parametrize("tries", [1, 2, 7])
@pytest.mark.parametrize("habit", ["immediate", "fixed", "exponential", "honour"])
def test_while_nothing_is_served_each_sr_is_sent_as_often_as_the_habit_allows(habit, tries):
    """Every attempt fails, so the closed form (1 - p**k) / (1 - p) is k, its limit for p = 1."""
    of = world_of(20.0, users=one_user(habit=habit, first=0.5, ceiling=4.0, attempts=tries), dsp=BROKEN)
    result = simulate(of, [20.0], 1)
    assert result.ends()["given_up"] == len(attempts(result)) > 300
    assert (attempts(result) == tries).all()
    assert (result.joined("others", "failed") == tries).all()
    assert len(result.joined("retried", "at")) == (tries - 1) * len(attempts(result))


@pytest.mark.parametrize(("pause", "deadline"), [(1.0, 10.5), (2.0, 10.5), (4.0, 3.5)])
def test_while_nothing_is_served_a_deadline_allows_one_attempt_and_one_for_each_pause(pause, deadline):
    """Attempts at born, born + pause, ... up to born + deadline: 1 + floor(deadline / pause)."""
    kind = Kind("Urgent", "2.2", deadline=deadline)
    of = world_of(20.0, users=one_user(habit="fixed", first=pause), kinds=(kind,), dsp=Dsp(1.0, 0.5))
    assert (attempts(simulate(of, [20.0], 1)) == 1 + math.floor(deadline / pause)).all()


def test_who_is_last_in_an_order_that_leaves_it_nothing_is_throttled_at_each_attempt():
    """The bank keeps more for those before it than it leaves: p = 1 at the gate, so k answers for each SR."""
    of = world_of(20.0, users=one_user(habit="fixed", attempts=5), kinds=(LAST,), limits=SHUT)
    result = simulate(of, [20.0], 1, "imposed-priority")
    assert (result.joined("others", "throttled") == 5).all()
    assert len(result.joined("others", "throttled")) == len(attempts(result)) > 300


def test_retries_against_a_full_buffer_settle_at_the_fixed_point_of_retrial_theory():
    """p = the loss of M/D/1/K at the load that p itself causes (see `queues.retrial_loss`); the amplification is
    (1 - p**k) / (1 - p) and p**k are given up. Pauses of up to 20 s, 1000 services, scatter what comes back."""
    capacity, room, busy, tries = 50.0, 3, 1.0, 4
    users = one_user(habit="exponential", first=20.0, ceiling=20.0, attempts=tries)
    of = world_of(400.0, users=users, dsp=Dsp(capacity, float(room), high_mark=1.0), kinds=(LAST,), drain=100.0)
    sent, lost = [], []
    for seed in range(12):
        result = simulate(of, [busy * capacity], seed)
        born = every(result, "born")
        kept = (born >= 150.0) & (born < 320.0)  # what came back has settled; the last attempt meets arrivals still
        sent.append(attempts(result)[kept].mean())
        gave_up = np.append(np.zeros(len(result.joined("delivered", "born"))), result.joined("others", "state") == 2)
        lost.append(gave_up[kept].mean())
    p = queues.retrial_loss(lambda rate: queues.md1k_loss(room, rate / capacity), busy * capacity, tries)
    assert 0.2 < p < 0.8
    check(sent, queues.retried(p, tries), sharp=0.05)
    check(lost, p**tries, sharp=0.25)


def test_retries_at_a_gate_that_passes_its_threshold_settle_at_the_fluids_closed_form():
    """All who come are served at T or give up after k attempts. In steady overload a stream of `rate` is served to a
    part T / rate = 1 - p**k, so p = (1 - T / rate)**(1 / k), and the amplification is (1 - p**k) / (1 - p).
    (Berger and Whitt 1990 for the gate's fluid, one class; the sum of a cut geometric law for the rest.)"""
    threshold, rate, tries = 30.0, 60.0, 4
    users = one_user(habit="exponential", first=15.0, ceiling=15.0, attempts=tries)
    kind = Kind("First in the imposed order", "2.2", imposed=0, deadline=LONG)
    of = world_of(250.0, users=users, kinds=(kind,), limits=Limits(threshold, threshold, 1.0), drain=100.0)
    sent = []
    for seed in range(8):
        result = simulate(of, [rate], seed, "imposed-priority")
        born = every(result, "born")
        sent.append(attempts(result)[(born >= 90.0) & (born < 200.0)].mean())
    p = (1 - threshold / rate) ** (1 / tries)
    check(sent, queues.retried(p, tries), sharp=0.05)
