"""Closed forms of queueing theory, and the confidence interval by which a simulation is held to them.

Rates in SR/s, times in seconds, `load` is the offered load in erlangs (arrival rate times mean service time).

Kleinrock: Queueing Systems, Volume I: Theory, Wiley 1975. Gross: Gross, Shortle, Thompson and Harris, Fundamentals of
Queueing Theory, 4th edition, Wiley 2008.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

ALARM = 1e-5
"""How often a true theory would be rejected by one check, over all seeds."""


class Interval(NamedTuple):
    """Where the true mean lies."""

    low: float
    high: float

    def holds(self, value):
        return self.low <= value <= self.high

    @property
    def half(self):
        return (self.high - self.low) / 2


def interval(samples, alarm=ALARM):
    """Student's t, for the means of independent replications (Law, Simulation Modeling and Analysis, 9.4)."""
    samples = np.asarray(samples, dtype=np.float64)
    error = stats.sem(samples)
    assert error > 0, "replications that are all alike say nothing of their spread"
    return Interval(*map(float, stats.t.interval(1 - alarm, len(samples) - 1, samples.mean(), error)))


def check(samples, theory, *, sharp):
    """The theory's value lies in the interval, and the interval is no wider than `sharp` (a part of the value)."""
    found = interval(samples)
    assert found.half <= sharp * theory, f"too wide to tell: {found} for {theory:.5g}"
    assert found.holds(theory), f"{theory:.5g} is not within {found.low:.5g} to {found.high:.5g}"


def mm1_wait(rate, capacity):
    """Mean wait before service in M/M/1 (Kleinrock, equation 3.26 less the service)."""
    return rate / capacity / (capacity - rate)


def md1_wait(rate, capacity):
    """Mean wait before service in M/D/1: Pollaczek-Khinchine (Kleinrock, equation 5.64 with no variance)."""
    return rate / capacity / (capacity - rate) / 2


def mm1_wait_beyond(rate, capacity, seconds):
    """P(wait > seconds) in M/M/1, first come first served (Kleinrock, section 5.10, equation 5.122)."""
    return rate / capacity * np.exp(-(capacity - rate) * seconds)


def blocked(servers, load):
    """Erlang B: the part that M/M/c/c loses (Kleinrock, section 3.6; Gross, section 2.5)."""
    part = 1.0
    for number in range(1, servers + 1):
        part = load * part / (number + load * part)
    return part


def delayed(servers, load):
    """Erlang C: the part that must wait in M/M/c (Kleinrock, equation 3.40; from Erlang B: Gross, section 2.4)."""
    lost = blocked(servers, load)
    return lost / (1 - load / servers * (1 - lost))


def mmc_wait(rate, capacity, servers):
    """Mean wait in M/M/c whose servers make up `capacity` together (Gross, equation 2.33)."""
    return delayed(servers, rate * servers / capacity) / (capacity - rate)


def mmck_loss(servers, room, load):
    """P(full) in M/M/c/K, `room` = K counting those in service (Gross, section 2.5): a birth-death chain."""
    weights = [1.0]
    for held in range(1, room + 1):
        weights.append(weights[-1] * load / min(held, servers))
    return weights[-1] / sum(weights)


def md1k_loss(room, load):
    """P(full) in M/D/1/K, `room` = K counting the one in service (Gross, section 5.1.7).

    With p the chain of what departures leave behind (0 to K-1), the part lost is 1 - 1 / (p_0 + load).
    """
    arrivals = stats.poisson.pmf(np.arange(room), load)
    moves = np.zeros((room, room))
    for left in range(room):
        least = max(left - 1, 0)
        moves[left, least:] = arrivals[: room - least]
        moves[left, -1] += 1 - moves[left].sum()
    balance = np.vstack([moves.T - np.eye(room), np.ones(room)])
    chain = np.linalg.lstsq(balance, np.append(np.zeros(room), 1.0), rcond=None)[0]
    return 1 - 1 / (chain[0] + load)


def retried(lost, tries):
    """Attempts for each SR when each of them fails with probability `lost` and `tries` are made at most.

    The mean of a geometric law cut off at `tries`: the sum of lost**n for n from 0.
    """
    return (1 - lost**tries) / (1 - lost)


def retrial_loss(loss_at, rate, tries):
    """P(an attempt fails) where failed attempts come back and add to the load: the fixed point of
    p = loss_at(rate * retried(p, tries)).

    It is exact in the limit of long pauses, in which what comes back is a Poisson stream of its own: Cohen, Basic
    problems of telephone traffic theory and the influence of repeated calls, Philips Telecommunication Review 18
    (1957); Falin and Templeton, Retrial Queues, Chapman and Hall 1997.
    """
    low, high = 0.0, 1.0 - 1e-12
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if loss_at(rate * retried(middle, tries)) > middle else (low, middle)
    return low
