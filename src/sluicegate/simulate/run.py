"""One run: a world, a policy and its arrivals through the engine; what became of them as NumPy arrays."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.engine.engine import Engine
from sluicegate.simulate.engine.gate import Adapted, Gate, Imposed, Mechanism, cut
from sluicegate.simulate.engine.network import Network
from sluicegate.simulate.engine.server import Server
from sluicegate.simulate.engine.terms import Log, Strategy
from sluicegate.simulate.engine.tracks import Party, Quota, Track
from sluicegate.simulate.policy import Policy
from sluicegate.simulate.source import Chunk, Source
from sluicegate.simulate.world import Csp, User, World
from sluicegate.throttle import Limits, Throttle, allocation_depth

HABITS = ("none", "immediate", "fixed", "exponential", "honour")
STATES = ("delivered", "returned", "given_up", "quarantined", "pending")
DRAWS = 1 << 14
PIECE = 50_000  # SRs that are handed to the engine at once: what bounds the memory of a run

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


class Delivered(NamedTuple):
    """SRs that were delivered at their first attempt. Times in seconds."""

    flow: Ints
    conforming: NDArray[np.bool_]
    born: Floats
    ended: Floats


class Others(NamedTuple):
    """SRs that ended otherwise, or later. `state` indexes STATES; `throttled`, `failed`: answers that they got."""

    flow: Ints
    conforming: NDArray[np.bool_]
    born: Floats
    ended: Floats
    state: NDArray[np.int8]
    attempts: Ints
    throttled: Ints
    failed: Ints


class Events(NamedTuple):
    """Something that happened to an SR on its way."""

    flow: Ints
    at: Floats


class Output(NamedTuple):
    """What became known while one chunk was fed."""

    delivered: Delivered
    others: Others
    throttled: Events
    failed: Events
    retried: Events


class StationLog(NamedTuple):
    """Per second from 0: what arrived, and what was held at the most, in SR."""

    arrived: Floats
    most: Floats


@dataclass(frozen=True, slots=True)
class CspReport:
    """How a CSP fared. `waiting`: SRs that waited at the DSP for another attempt, at the most in each second."""

    log: StationLog
    waiting: Floats
    attempts: int
    failures: int


@dataclass(frozen=True, slots=True)
class Report:
    """How the plant fared. Outages and `active` (traffic management) are (from, until) in seconds."""

    dsp: StationLog
    outages: tuple[tuple[float, float], ...]
    refused: int
    lost: int
    csps: tuple[CspReport, ...]
    active: tuple[tuple[float, float], ...]
    within: int
    excess: int
    throttled: int


Take = Callable[[Chunk, Output], None]
Progress = Callable[[float, int], None]


def run(
    world: World, policy: Policy, source: Source, seed: int, take: Take, progress: Progress | None = None
) -> Report:
    """Simulate. `take` gets each chunk with what became known; `progress` the time reached and the SRs so far.

    Raises ValueError for a world that cannot be (allocations above the maximum, a rate that is none).
    """
    horizon = world.seconds + world.drain
    throttle, gate = _gate(world, policy)
    tracks = _tracks(world, policy, throttle)
    server = _server(world, policy)
    networks = [_network(csp, _draws(seed, number)) for number, csp in enumerate(world.csps)]
    exponential = world.dsp.service == "exponential"
    work = np.random.default_rng([seed, 3]).exponential(size=1 << 20).tolist() if exponential else []
    retry = world.dsp.retry
    engine = Engine(
        tracks,
        gate,
        server,
        networks,
        Strategy(retry.first, retry.factor, retry.ceiling, retry.attempts, retry.work),
        horizon,
        seed,
        work,
    )
    with _without_collector():
        _go_through(engine, source, horizon, take, progress)
    return _report(engine, gate, server, networks, horizon)


@contextmanager
def _without_collector() -> Iterator[None]:
    """A run makes millions of small objects and no circles: looking for some costs a twentieth of it."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _go_through(engine: Engine, source: Source, horizon: float, take: Take, progress: Progress | None) -> None:
    done = 0
    chunk = Chunk(0.0, 0.0, np.empty(0), np.empty(0, np.int32))
    for chunk in source.chunks():
        for piece in _pieces(chunk):
            engine.feed(piece.times.tolist(), piece.flows.tolist(), piece.end)
            take(piece, _taken(engine))
            done += len(piece.times)
            if progress:
                progress(piece.end, done)
    engine.finish()
    take(Chunk(chunk.end, horizon, np.empty(0), np.empty(0, np.int32)), _taken(engine))
    if progress:
        progress(horizon, done)


def _pieces(chunk: Chunk) -> list[Chunk]:
    """A chunk in pieces of a bounded size."""
    cuts = range(0, max(1, len(chunk.times)), PIECE)
    starts = [chunk.start, *(float(chunk.times[cut]) for cut in cuts[1:])]
    return [
        Chunk(start, end, chunk.times[cut : cut + PIECE], chunk.flows[cut : cut + PIECE])
        for cut, start, end in zip(cuts, starts, [*starts[1:], chunk.end], strict=True)
    ]


def _limits(world: World, policy: Policy) -> Limits:
    """The limits under the policy: more capacity has more of everything, but for the allocations."""
    limits = world.limits
    sharing = "first-come" if policy.sharing == "first-come" else "fair"
    return replace(
        limits,
        maximum=limits.maximum * policy.capacity,
        threshold=limits.threshold * policy.capacity,
        sharing=sharing,  # type: ignore[arg-type]
    )


def _gate(world: World, policy: Policy) -> tuple[Throttle | None, Gate]:
    if not policy.sharing and not policy.imposed:
        return None, Gate()
    limits = _limits(world, policy)
    throttle = adapted = None
    if policy.sharing:
        allocations = {user.name: user.allocation for user in world.users}
        reserves = _reserves(world) if policy.own_priority else {}
        profiles = {user.name: user.profile for user in world.users if user.profile is not None}
        reserves |= {name: profile.reserve for name, profile in profiles.items()}
        teams = {name: profile.parts for name, profile in profiles.items() if profile.teams}
        throttle = Throttle(limits, cut(allocations, limits.maximum), 0.0, reserves, teams)
        if policy.adaptive and world.adaptive:
            how = world.adaptive
            adapted = Adapted(
                limits, allocations, reserves, teams, how.target, how.interval, how.factor, how.step, how.floor
            )
    return throttle, Mechanism(throttle, Imposed(limits) if policy.imposed else None, adapted)


def _reserves(world: World) -> dict[str, float]:
    """The greatest reserve of each User: that of the least urgent kind that it sends."""
    reserves: dict[str, float] = {}
    for flow in world.flows:
        kind = world.kinds[flow.kind]
        if not kind.internal:
            name = world.users[flow.user].name
            reserves[name] = max(reserves.get(name, 0.0), world.reserve * kind.rank)
    return reserves


def _party(user: User, limits: Limits) -> Party:
    depth = allocation_depth(user.allocation, limits.burst_seconds, limits.heaviest)
    party = Party(user.name, user.allocation, depth)
    party.habit = HABITS.index(user.retry.habit)
    party.first, party.ceiling, party.attempts = user.retry.first, user.retry.ceiling, user.retry.attempts
    party.queued = user.retry.order != "each"
    party.ranked = user.retry.order == "priority"
    return party


def _tracks(world: World, policy: Policy, throttle: Throttle | None) -> list[Track]:
    parties = [_party(user, world.limits) for user in world.users]
    if throttle:
        for party in parties:
            party.account = throttle.account(party.name)
    quotas: dict[tuple[int, int], Quota] = {}
    if policy.adt and world.adt:
        quotas = {key: Quota(world.adt.period, limit) for key, limit in world.adt.limits.items()}
    tracks = []
    for number, flow in enumerate(world.flows):
        kind = world.kinds[flow.kind]
        track = Track(number, parties[flow.user], flow.csp, kind.weight)
        track.internal = kind.internal
        track.deadline = kind.deadline
        track.rank = kind.rank
        profile = world.users[flow.user].profile
        if profile is not None:
            track.line, track.reserve = profile.place(kind.srv, kind.command_variant, "")
            track.parted = bool(profile.teams)
            track.team = profile.team(kind.srv, kind.command_variant, "")
        elif policy.own_priority:
            track.line, track.reserve = kind.rank, world.reserve * kind.rank
        track.imposed = min(0.9, world.imposed_reserve * kind.imposed)
        track.quota = None if kind.internal else quotas.get((flow.user, flow.kind))
        tracks.append(track)
    return tracks


def _server(world: World, policy: Policy) -> Server:
    dsp = world.dsp
    factor = policy.capacity
    server = Server(dsp.capacity * factor, dsp.buffer * factor, dsp.outage_after, dsp.restart, dsp.high_mark)
    for at, part in dsp.changes:
        server.change(at, part)
    return server


def _draws(seed: int, number: int) -> list[float]:
    """For each CSP its own: one list for all would make them slow together."""
    draws: list[float] = np.random.default_rng([seed, 2, number]).exponential(size=DRAWS).tolist()
    return draws


def _network(csp: Csp, draws: list[float]) -> Network:
    return Network(
        csp.capacity,
        csp.servers,
        csp.latency,
        csp.spread,
        csp.buffer,
        [*csp.outages],
        draws,
        csp.service == "exponential",
    )


def _taken(engine: Engine) -> Output:
    log, engine.log = engine.log, Log()
    return Output(_delivered(log), _others(log), *map(_events, *zip(*_happened(log), strict=True)))


def _happened(log: Log) -> list[tuple[list[int], list[float]]]:
    return [(log.throttled, log.throttled_at), (log.failed, log.failed_at), (log.retried, log.retried_at)]


def _events(tags: list[int], at: list[float]) -> Events:
    return Events((np.array(tags, np.int64) >> 1).astype(np.int32), _floats(at))


def _delivered(log: Log) -> Delivered:
    tags = np.fromiter(log.tags, np.int64, len(log.tags))
    return Delivered(
        (tags >> 1).astype(np.int32),
        (tags & 1).astype(np.bool_),
        _floats(log.born),
        _floats(log.ended),
    )


def _floats(values: list[float]) -> Floats:
    return np.fromiter(values, np.float64, len(values))


def _others(log: Log) -> Others:
    cases = log.other_cases
    figures = np.fromiter(
        chain.from_iterable((case.tag, case.attempts, case.throttled, case.failed) for case in cases), np.int64
    ).reshape(-1, 4)
    return Others(
        (figures[:, 0] >> 1).astype(np.int32),
        (figures[:, 0] & 1).astype(np.bool_),
        np.array([case.born for case in cases], np.float64),
        np.array(log.other_ended, np.float64),
        np.array(log.other_states, np.int8),
        *(figures[:, column].astype(np.int32) for column in (1, 2, 3)),
    )


def _report(engine: Engine, gate: Gate, server: Server, networks: list[Network], horizon: float) -> Report:
    return Report(
        StationLog(np.array(engine.arrived), np.array(engine.most)),
        tuple((since, min(until, horizon)) for since, until in server.outages),
        server.refused,
        server.lost,
        tuple(
            CspReport(
                StationLog(np.array(network.arrived), np.array(network.most)),
                np.array(network.most_waiting),
                network.attempts,
                network.failures,
            )
            for network in networks
        ),
        tuple(gate.active),
        *gate.outcomes,
    )
