"""`GET /api/v1/status` and `GET /api/v1/backpressure`: what an operator sees, and what the gateway is told."""

from __future__ import annotations

import asyncio
from heapq import nlargest
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final

from sluicegate import __version__
from sluicegate.database.errors import StoreError
from sluicegate.dispatch.parcel import CSP, USER, State
from sluicegate.dispatch.store.interface import Standing

if TYPE_CHECKING:
    from sluicegate.dispatch.service import Dispatcher

MOST_CSPS: Final = 250
"""Whose backlog the gateway is told: those with most."""


async def status(dispatcher: Dispatcher) -> dict[str, Any]:
    """Everything about every destination. Figures of the backlog are the store's, so of all dispatchers together."""
    try:
        standing = await asyncio.to_thread(dispatcher.store.look)
    except StoreError:
        standing = []
    by_name: dict[str, list[Standing]] = {}
    for one in standing:
        by_name.setdefault(one.queue[0], []).append(one)
    couriers = dispatcher.depot.couriers
    writer = dispatcher.writer
    return {
        "version": __version__,
        "up_seconds": round(time() - dispatcher.started_at, 1),
        "draining": dispatcher.draining,
        "store": {
            "failing": writer.failing,
            "commits": writer.commits,
            "parcels_written": writer.written,
            "dispatchers": writer.dispatchers,
        },
        "intake": dispatcher.server.counts.told(),
        "in_memory": dispatcher.depot.window.count,
        "csps": {
            name.removeprefix(CSP): _destination(dispatcher, name, by_name.get(name, []))
            for name in sorted({*couriers, *by_name})
            if name.startswith(CSP)
        },
        "users": {
            name.removeprefix(USER): _destination(dispatcher, name, by_name.get(name, []))
            for name in sorted({*couriers, *by_name})
            if name.startswith(USER)
        },
    }


def _destination(dispatcher: Dispatcher, name: str, standing: list[Standing]) -> dict[str, Any]:
    now = monotonic()
    states: dict[State, int] = {}
    users: dict[str, int] = {}
    for one in standing:
        for state, count in one.states.items():
            states[state] = states.get(state, 0) + count
            users[one.queue[1]] = users.get(one.queue[1], 0) + count
    told: dict[str, Any] = {
        "backlog": sum(states.values()),
        "states": {state.name.lower(): states.get(state, 0) for state in State if state <= State.PARKED},
        "octets": sum(one.octets for one in standing),
    }
    courier = dispatcher.depot.couriers.get(name)
    if courier is None:
        return {**told, "breaker": "none", "why": "nobody delivers there: it is not in the configuration"}
    counts = courier.counts
    told |= {
        "breaker": courier.circuit.state(now),
        "next_probe_seconds": round(min(courier.circuit.next_probe(now), 1e6), 1),
        "paused": courier.paused,
        "in_flight": courier.in_flight,
        "attempts": counts.attempts,
        "delivered": counts.delivered,
        "no_answer": counts.no_answer,
        "busy": counts.busy,
        "failed": counts.failed,
        "refused": counts.refused,
        "returned": counts.returned,
        "last_failure": courier.last_failure,
    }
    backlog = dispatcher.depot.backlogs.get(name)
    if backlog is not None:
        told |= {
            "draining": backlog.closed,
            "ceiling": backlog.ceiling,
            "full": bool(backlog.refused(now)),
            "oldest_seconds": round(time() - backlog.oldest_at, 1)
            if states and backlog.oldest_at is not None
            else None,
            "by_user": dict(sorted(users.items(), key=lambda pair: -pair[1])),
        }
    return told


def backpressure(dispatcher: Dispatcher) -> dict[str, Any]:
    """Which CSPs refuse whom now, and for how long; how much waits for each. docs/backpressure.md is the interface."""
    now = monotonic()
    csps, waiting = {}, {}
    for name, backlog in dispatcher.depot.backlogs.items():
        refused = backlog.refused(now)
        if refused:
            csps[name.removeprefix(CSP)] = refused
        if backlog.taken:
            waiting[name.removeprefix(CSP)] = backlog.taken
    most = nlargest(MOST_CSPS, waiting, key=waiting.__getitem__) if len(waiting) > MOST_CSPS else waiting
    return {"version": 1, "csps": csps, "waiting": {name: waiting[name] for name in most}}
