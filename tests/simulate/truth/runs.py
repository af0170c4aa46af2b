"""Runs for the comparison with theory: one User or some, Poisson arrivals, and no more of the world than is needed."""

import math
from dataclasses import replace

import numpy as np
from worlds import Result, world

from sluicegate.simulate.policy import parse
from sluicegate.simulate.run import run
from sluicegate.simulate.traffic import listed
from sluicegate.simulate.world import Dsp, Flow, Kind, User
from sluicegate.throttle import Limits

PLAIN = Kind("Plain", "4.1.1", deadline=1e9)
UNLIMITED = Dsp(1e9, math.inf)
"""A DSP that takes no time."""


def world_of(seconds, *, users=(), kinds=(PLAIN,), **changes):
    """A world in which nothing fails by itself: a flow for each User and CSP."""
    users = users or (User("A", "IS", 1.0),)
    csps = changes.pop("csps", ())
    plain = {"dsp": UNLIMITED, "limits": Limits(1e6, 1e6), "drain": 100.0}
    made = world(seconds=seconds, users=users, kinds=kinds, csps=csps, **{**plain, **changes})
    regions = range(len(csps)) if csps else (-1,)
    return replace(made, flows=tuple(Flow(user, 0, csp) for user in range(len(users)) for csp in regions))


def arrivals(of, rates, seed):
    """Poisson streams, one for each flow."""
    draw = np.random.default_rng([seed, 77])
    counts = draw.poisson(np.asarray(rates) * of.seconds)
    times = draw.random(counts.sum()) * of.seconds
    order = np.argsort(times, kind="stable")
    return listed(times[order], np.repeat(np.arange(len(rates)), counts)[order], seconds=of.seconds)


def simulate(of, rates, seed, policy="none"):
    """One replication."""
    outputs = []
    report = run(of, parse(policy), arrivals(of, rates, seed), seed, lambda _, output: outputs.append(output))
    return Result(0, report, outputs)


def every(result, column):
    """A column of all SRs, those that were delivered at the first attempt and the others."""
    return np.concatenate([result.joined("delivered", column), result.joined("others", column)])


def delivered(result, warm_up):
    """(born, ended) of those that were delivered at once and born after the warm-up, in order of birth."""
    born, ended = result.joined("delivered", "born"), result.joined("delivered", "ended")
    order = np.argsort(born, kind="stable")
    kept = order[born[order] >= warm_up]
    return born[kept], ended[kept]
