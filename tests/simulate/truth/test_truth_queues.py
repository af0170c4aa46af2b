"""The plant and the CSPs against the textbook's queues, on independent replications.

The warm-up, in which the empty start still shows, is left out. Every SR's wait follows from when it was born and when
it was done: first in, first out, nobody is served before the one ahead is done.
"""

import math
from functools import cache

import numpy as np
import pytest
import queues
from queues import check
from runs import delivered, every, simulate, world_of

from sluicegate.simulate.world import Csp, Dsp, DspRetry, Retry, User

CAPACITY = 100.0
RUNS = 24
WARM_UP = 5.0
SECONDS = 50.0


@cache
def plant(service, busy):
    """Waits (s) and how many were found waiting, by replication."""
    of = world_of(SECONDS, dsp=Dsp(CAPACITY, math.inf, service=service))
    waits, found = [], []
    for seed in range(RUNS):
        born, ended = delivered(simulate(of, [busy * CAPACITY], seed), 0.0)
        kept = born >= WARM_UP
        ahead = np.append(-math.inf, ended[:-1])
        waits.append(np.maximum(0.0, ahead - born)[kept])
        inside = np.arange(len(born)) - np.searchsorted(ended, born, side="right")
        found.append(np.maximum(0, inside - 1)[kept])
    return waits, found


CASES = [
    ("exponential", 0.5, queues.mm1_wait),
    ("exponential", 0.7, queues.mm1_wait),
    ("constant", 0.5, queues.md1_wait),
    ("constant", 0.8, queues.md1_wait),
]


@pytest.mark.parametrize(("service", "busy", "wait"), CASES)
def test_the_mean_wait_at_the_dsp_is_that_of_pollaczek_and_khinchine(service, busy, wait):
    """Kleinrock 1975: M/M/1 (section 3.2), M/D/1 (section 5.7)."""
    waits, _ = plant(service, busy)
    check([part.mean() for part in waits], wait(busy * CAPACITY, CAPACITY), sharp=0.2)


@pytest.mark.parametrize(("service", "busy", "wait"), CASES)
def test_arrivals_find_the_mean_queue_at_the_dsp(service, busy, wait):
    """Little's law (Kleinrock 1975, section 2.1) gives the mean queue; Poisson arrivals see time averages (Wolff,
    Poisson arrivals see time averages, Operations Research 30, 1982)."""
    _, found = plant(service, busy)
    check([part.mean() for part in found], busy * CAPACITY * wait(busy * CAPACITY, CAPACITY), sharp=0.2)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05, 0.1])
def test_the_wait_at_the_dsp_has_the_tail_of_an_exponential(seconds):
    """M/M/1, first come first served: Kleinrock 1975, section 5.10."""
    waits, _ = plant("exponential", 0.7)
    theory = queues.mm1_wait_beyond(0.7 * CAPACITY, CAPACITY, seconds)
    check([(part > seconds).mean() for part in waits], theory, sharp=0.6)


@pytest.mark.parametrize(("room", "busy"), [(1, 0.8), (4, 0.9), (6, 1.3)])
def test_a_dsp_with_a_buffer_refuses_what_theory_loses(room, busy):
    """M/D/1/K: Gross, section 5.1.7. The buffer counts the SR in service."""
    users = (User("A", "IS", 1.0, retry=Retry("none")),)
    of = world_of(20.0, users=users, dsp=Dsp(CAPACITY, float(room), high_mark=1.0))
    lost = []
    for seed in range(RUNS):
        result = simulate(of, [busy * CAPACITY], seed)
        born = every(result, "born") >= 1.0
        refused = np.append(np.zeros(len(result.joined("delivered", "born"))), result.joined("others", "failed"))
        lost.append(refused[born].mean())
    check(lost, queues.md1k_loss(room, busy), sharp=0.2)


@pytest.mark.parametrize(("servers", "busy"), [(1, 0.6), (3, 0.7), (10, 0.8)])
def test_the_mean_wait_at_a_csp_is_erlangs(servers, busy):
    """M/M/c, Erlang C: Kleinrock 1975, section 3.5; Gross, section 2.3. The mean service time is added."""
    of = world_of(SECONDS, csps=(Csp("North", CAPACITY, servers, "exponential"),))
    times = []
    for seed in range(RUNS):
        born, ended = delivered(simulate(of, [busy * CAPACITY], seed), WARM_UP)
        times.append((ended - born).mean())
    theory = queues.mmc_wait(busy * CAPACITY, CAPACITY, servers) + servers / CAPACITY
    check(times, theory, sharp=0.1)


@pytest.mark.parametrize(("servers", "room", "busy"), [(5, 5, 0.8), (1, 1, 0.6), (3, 6, 1.1)])
def test_a_csp_with_a_buffer_loses_what_theory_loses(servers, room, busy):
    """M/M/c/c, Erlang B: Kleinrock 1975, section 3.6; M/M/c/K: Gross, section 2.5. K counts those in service."""
    csp = Csp("North", CAPACITY, servers, "exponential", buffer=float(room))
    of = world_of(25.0, csps=(csp,), dsp=Dsp(1e9, math.inf, retry=DspRetry(attempts=1)))
    lost = []
    for seed in range(RUNS):
        report = simulate(of, [busy * CAPACITY], seed).report
        lost.append(report.csps[0].failures / report.csps[0].attempts)
    check(lost, queues.mmck_loss(servers, room, busy * servers), sharp=0.15)
