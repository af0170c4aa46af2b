"""An open network of queues, simulated by ciw and by the engine.

Poisson arrivals, a DSP (M/M/1), two CSPs (M/M/c) to which chance leads. ciw: Palmer, Knight, Harper and Hawa, Ciw: an
open-source discrete event simulation library, Journal of Simulation 13 (2019). Both are also held to Jackson's theorem
(Networks of waiting lines, Operations Research 5, 1957): each station is as if it stood alone.
"""

import math
from functools import cache

import ciw
import numpy as np
import pytest
import queues
from runs import simulate, world_of
from scipy import stats

from sluicegate.simulate.world import Csp, Dsp

RATE, DSP = 80.0, 110.0
CSPS = (Csp("North", 70.0, 3, "exponential"), Csp("South", 50.0, 4, "exponential"))
ROUTES = (0.6, 0.4)
WARM_UP, SECONDS = 4.0, 24.0
RUNS = 12
CONFIDENCE = 0.999


@cache
def ours():
    """Mean times in the system, s, by replication and CSP."""
    of = world_of(SECONDS, csps=CSPS, dsp=Dsp(DSP, math.inf, service="exponential"))
    found = []
    for seed in range(2 * RUNS):
        result = simulate(of, [RATE * route for route in ROUTES], seed)
        flow, born, ended = (result.joined("delivered", column) for column in ("flow", "born", "ended"))
        found.append([(ended - born)[(flow == csp) & (born >= WARM_UP)].mean() for csp in range(len(CSPS))])
    return np.array(found)


@cache
def theirs():
    """The same by ciw."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(RATE), None, None],
        service_distributions=[ciw.dists.Exponential(DSP)]
        + [ciw.dists.Exponential(csp.capacity / csp.servers) for csp in CSPS],
        number_of_servers=[1, *(csp.servers for csp in CSPS)],
        routing=[[0.0, *ROUTES], [0.0] * 3, [0.0] * 3],
    )
    found = []
    for seed in range(RUNS):
        ciw.seed(seed)
        simulation = ciw.Simulation(network)
        simulation.simulate_until_max_time(SECONDS + 2.0)
        born, times = {}, ([], [])
        for record in simulation.get_all_records():
            if record.node == 1:
                born[record.id_number] = record.arrival_date
        for record in simulation.get_all_records():
            since = born.get(record.id_number, math.inf)
            if record.node > 1 and WARM_UP <= since < SECONDS:
                times[record.node - 2].append(record.exit_date - since)
        found.append([np.mean(times[csp]) for csp in range(len(CSPS))])
    return np.array(found)


@pytest.mark.long  # ciw takes most of the time; `make test` holds ours to the theorem
def test_both_find_the_same_time_in_the_system():
    """Welch's interval for the difference of the two means holds 0, at either CSP."""
    for csp in range(len(CSPS)):
        difference = stats.ttest_ind(ours()[:, csp], theirs()[:, csp], equal_var=False).confidence_interval(CONFIDENCE)
        assert difference.low <= 0.0 <= difference.high, csp
        assert difference.high - difference.low < 0.3 * ours()[:, csp].mean(), csp


@pytest.mark.parametrize("found", [ours, pytest.param(theirs, marks=pytest.mark.long)])
def test_both_agree_with_jackson(found):
    at_dsp = queues.mm1_wait(RATE, DSP) + 1 / DSP
    for csp, station in enumerate(CSPS):
        wait = queues.mmc_wait(RATE * ROUTES[csp], station.capacity, station.servers)
        queues.check(found()[:, csp], at_dsp + wait + station.servers / station.capacity, sharp=0.25)
