"""`GET /api/v1/status` of a relay: what its operator sees."""

from __future__ import annotations

import asyncio
from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING, Any

from sluicegate import __version__
from sluicegate.database.errors import StoreError
from sluicegate.dispatch.parcel import State
from sluicegate.relay.classes import shown
from sluicegate.relay.outbox import CALLBACK
from sluicegate.relay.outlook import Demand, outlook
from sluicegate.relay.tally import ClassTally

if TYPE_CHECKING:
    from sluicegate.relay.service import RelayService


async def status(service: RelayService) -> dict[str, Any]:
    """Everything. Rates are SR/s, times seconds, sizes octets."""
    desk, sending, writer = service.desk, service.sending, service.writer
    learnt = sending.pace.learnt
    tally = service.tally
    return {
        "version": __version__,
        "user": service.relay.user,
        "mode": service.relay.mode,
        "up_seconds": round(service.clock.at() - service.started_at, 1),
        "draining": service.draining,
        "gateway": {
            "url": str(service.relay.gateway),
            "allocation": _rounded(learnt.allocation),
            "rate": _rounded(learnt.rate),
            "remaining": _rounded(learnt.remaining),
            "state": sending.pace.state(service.clock.now()),
            "in_flight": sending.in_flight,
            "connections": service.relay.connections,
            "last_failure": sending.attempts.last_failure,
        },
        "store": {"failing": writer.failing, "commits": writer.commits, "parcels_written": writer.written},
        "open": desk.pending.count,
        "most": service.relay.waiting,
        "octets_in_memory": desk.pending.octets,
        "not_taken": {
            "full": tally.full,
            "store": tally.unsafe,
            "wish": tally.wishes,
            "draining": tally.draining,
            **service.door.foyer.totals.refused,
        },
        "connections": service.door.foyer.totals.connections,
        "recovered": tally.recovered_count,
        "classes": _classes(service),
        "callback": await _callback(service),
    }


def waiting(service: RelayService) -> Counter[int]:
    """Errands by rank that wait, in the line or set aside; those under way are not among them."""
    counts = Counter(service.sending.line.counts())
    counts.update(errand.rank for errand in service.sending.set_aside())
    return counts


def _classes(service: RelayService) -> list[dict[str, Any]]:
    now, oldest, waits = service.clock.now(), service.desk.pending.oldest(), waiting(service)
    under_way = Counter(errand.rank for errand in service.sending.under_way())
    aside = Counter(errand.rank for errand in service.sending.set_aside())
    expected = outlook(
        [
            Demand(place.rank, waits[place.rank], service.arriving.rate(place.rank), place.deadline)
            for place in service.classes.places
        ],
        service.sending.pace.learnt.rate,
    )
    return [
        {
            "name": shown(place.name),
            "rank": place.rank,
            "bulk": place.bulk,
            "deadline": place.deadline,
            "waiting": waits[place.rank],
            "aside": aside[place.rank],
            "in_flight": under_way[place.rank],
            "oldest_seconds": _rounded(now - oldest[place.rank]) if place.rank in oldest else None,
            **_counted(service.tally.classes[place.rank]),
            "done_in_seconds": _rounded(expected[place.rank].seconds),
            "in_time": expected[place.rank].in_time,
            "needs_more": _rounded(expected[place.rank].more),
        }
        for place in service.classes.places
    ]


def _counted(of: ClassTally) -> dict[str, Any]:
    return {
        "came": of.came,
        "stored": of.stored,
        "joined": of.joined,
        "acknowledged": of.acknowledged,
        "refused": of.refused,
        "expired": of.expired,
        "dropped": of.dropped,
        "given_back": of.given_back,
        "attempts": of.attempts,
        "throttled": of.throttled,
        "behind": of.behind,
        "failed": of.failed,
        "left": of.left,
        "mean_seconds": _rounded(of.seconds / of.acknowledged) if of.acknowledged else None,
    }


async def _callback(service: RelayService) -> dict[str, Any] | None:
    courier = service.letters.couriers.get(CALLBACK)
    if courier is None:
        return None
    states: Counter[State] = Counter()
    try:
        for one in await asyncio.to_thread(service.store.look):
            if one.queue[0] == CALLBACK:
                states.update(one.states)
    except StoreError:
        pass
    counts = courier.counts
    now = service.clock.now()
    return {
        "waiting": states.total(),
        "state": courier.circuit.state(now),
        "in_flight": courier.in_flight,
        "delivered": counts.delivered,
        "failed": counts.failed + counts.busy,
        "given_up": counts.returned,
        "last_failure": courier.last_failure,
    }


def _rounded(number: float | None) -> float | None:
    """Of three places; None for what is not known, or not limited."""
    return None if number is None or not isfinite(number) else round(number, 3)
