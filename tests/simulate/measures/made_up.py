"""Worlds and outputs made up at random, as no engine would make them, and the plain way to count them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sluicegate.simulate.run import CspReport, Delivered, Events, Others, Output, Report, StationLog
from sluicegate.simulate.source import Chunk
from sluicegate.simulate.world import NO_CSP, Csp, Dsp, Flow, Kind, User, World
from sluicegate.throttle import Limits

KINDS = (
    Kind("Top up", "2.2", urgent=True, in_time=30.0),
    Kind("Read", "4.1.1", in_time=600.0),
    Kind("Scheduled", "4.8.1", in_time=60.0, internal=True),
)


def world(seconds: float = 600.0, drain: float = 300.0, users: int = 5, **more: Any) -> World:
    """Some Users of two Roles, three kinds, two CSPs and what goes to none."""
    people = tuple(User(f"User {n}", "IS" if n % 2 else "GS", 1.0 + n) for n in range(users))
    flows = tuple(Flow(u, k, c) for u in range(users) for k in range(3) for c in (0, 1, NO_CSP))
    csps = (Csp("North", 60.0), Csp("South", 60.0))
    limits = Limits(100.0, 80.0)
    return World(
        "made-up", "Made up", seconds, people, KINDS, csps, flows, Dsp(100.0, 200.0), limits, drain=drain, **more
    )


@dataclass(frozen=True)
class Fate:
    """One SR as it is known in the end."""

    flow: int
    born: float
    ended: float
    state: int
    conforming: bool
    attempts: int
    throttled: int
    failed: int


def fates(of: World, count: int, seed: int) -> list[Fate]:
    """SRs in order of birth; about half of them delivered at the first attempt."""
    draw = np.random.default_rng(seed)
    found = []
    for born in np.sort(draw.uniform(0, of.seconds, count)).tolist():
        flow, conforming = int(draw.integers(len(of.flows))), bool(draw.random() < 0.6)
        ended = born + float(draw.lognormal(2, 2))
        if draw.random() < 0.5:
            found.append(Fate(flow, born, ended, 0, conforming, 1, 0, 0))
        else:
            throttled, failed = (int(x) for x in draw.integers(0, 3, 2))
            attempts = throttled + failed + 1
            found.append(Fate(flow, born, ended, int(draw.integers(5)), conforming, attempts, throttled, failed))
    return found


def outputs(of: World, srs: list[Fate], chunks: int = 7):
    """The SRs as chunks and outputs: ends become known with the chunk in which the SR was born."""
    width = of.seconds / chunks
    for number in range(chunks):
        start, end = number * width, (number + 1) * width
        here = [one for one in srs if start <= one.born < end or (number == chunks - 1 and one.born >= end)]
        first = [one for one in here if one.attempts == 1 and one.state == 0]
        others = [one for one in here if one.attempts > 1 or one.state != 0]
        chunk = Chunk(start, end, np.array([one.born for one in here]), _ints(one.flow for one in here))
        yield chunk, Output(_delivered(first), _others(others), *_events(others))


def report(of: World, **changes: Any) -> Report:
    """A quiet plant."""
    seconds = int(of.seconds + of.drain)
    log = StationLog(np.ones(seconds), np.ones(seconds))
    csps = tuple(CspReport(log, np.zeros(seconds), 10, 1) for _ in of.csps)
    plain = {"dsp": log, "outages": (), "refused": 0, "lost": 0, "csps": csps, "active": ()}
    return Report(**{**plain, "within": 0, "excess": 0, "throttled": 0, **changes})


def _ints(values):
    return np.array(list(values), np.int32)


def _delivered(srs):
    return Delivered(
        _ints(one.flow for one in srs),
        np.array([one.conforming for one in srs], bool),
        np.array([one.born for one in srs], np.float64),
        np.array([one.ended for one in srs], np.float64),
    )


def _others(srs):
    return Others(
        *_delivered(srs),
        np.array([one.state for one in srs], np.int8),
        _ints(one.attempts for one in srs),
        _ints(one.throttled for one in srs),
        _ints(one.failed for one in srs),
    )


def _events(srs):
    for name in ("throttled", "failed"):
        rows = [one for one in srs for _ in range(getattr(one, name))]
        yield Events(_ints(one.flow for one in rows), np.array([one.born for one in rows], np.float64))
    rows = [one for one in srs for _ in range(one.attempts - 1)]
    yield Events(_ints(one.flow for one in rows), np.array([one.born for one in rows], np.float64))
