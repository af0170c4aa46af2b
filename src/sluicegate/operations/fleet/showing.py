"""The ledger and the workers of a fleet, as status, metrics and readiness tell of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from sluicegate.ledger import Told
    from sluicegate.operations.fleet.colleagues import Colleagues
    from sluicegate.operations.watch import Watched


def status(watched: Watched) -> dict[str, Any] | None:
    """How this worker stands with the ledger, and the fleet; None: the banks are in this process."""
    now = monotonic()
    told, colleagues = watched.ledger.told(now), watched.colleagues
    if told is None:
        return None
    return {
        "worker": {
            "name": told.worker,
            "state": _state(told),
            "alone_seconds": None if told.alone is None else round(told.alone, 3),
            "share": round(told.share, 4),
            "draws": told.draws,
            "lost_draws": told.lost_draws,
            "waits": told.waits,
            "trouble": told.trouble or None,
        },
        "fleet": None if colleagues is None else _fleet(colleagues, now),
    }


def _fleet(of: Colleagues, now: float) -> dict[str, Any]:
    look = of.last
    draws, lost, waits = of.sums.drawn
    told: dict[str, Any] = {
        "looked_seconds_ago": None if look is None else round(now - of.looked_at, 3),
        "trouble": of.trouble or None,
        "writes_history": of.writes(),
        "draws": draws,
        "lost_draws": lost,
        "waits": waits,
        "banks": None,
        "parts": None,
        "parts_away": None,
        "workers": per_worker(of, now),
    }
    if look is not None:
        told["banks"] = {
            "offered": round(look.offered, 3),
            "system": round(look.system, 3),
            "pool": round(look.pool, 3),
            "in_hand": round(look.held, 3),
            "fill": round(look.fill, 4),
        }
        told["parts"] = look.parts
        told["parts_away"] = list(look.away)
    return told


def per_worker(of: Colleagues, now: float) -> Sequence[dict[str, Any]]:
    """Each worker, by name: as the ledger has it in its books, and as it tells of itself."""
    look, known = of.last, of.sums.workers
    seen = {one.worker: one for one in look.workers} if look is not None else {}
    since = now - of.looked_at
    told = []
    for name in sorted(seen.keys() | {name for name, one in list(known.items()) if one.head is not None} | {of.name}):
        at, head = seen.get(name), known[name].head if name in known else None
        told.append(
            {
                "name": name,
                "this": name == of.name,
                "listen": head.place if head is not None else None,
                "tells": head is not None,
                "connections": head.connections if head is not None else None,
                "in_flight": sum(list(known[name].in_flight.values())) if head is not None else None,
                "max_in_flight": head.places if head is not None else None,
                "drew_seconds_ago": round(at.age + since, 3) if at is not None else None,
                "silent": at is not None and at.silent,
                "share": round(at.share, 4) if at is not None else None,
                "lease_seconds": round(at.lease, 1) if at is not None else None,
                "in_hand": round(at.held, 3) if at is not None else None,
                "admitted_alone": round(at.alone, 3) if at is not None else None,
            }
        )
    return told


def max_in_flight(watched: Watched) -> int:
    """Requests that may be at the upstream at once; of a fleet that is shown here, at all its workers together."""
    fleet = watched.colleagues
    return watched.settings.capacity.max_in_flight if fleet is None or not fleet.looks else fleet.max_in_flight


def metrics(watched: Watched) -> Iterator[Metric]:
    """Those of docs/metrics.md that begin with `sluicegate_ledger_`; none where the banks are in this process."""
    told, of = watched.ledger.told(monotonic()), watched.colleagues
    if told is None:
        return
    yield _gauge("sluicegate_ledger_alone", "1 while the ledger is away and a share decides.", told.alone is not None)
    yield _gauge("sluicegate_ledger_closed", "1 while nothing is admitted: the lease has ended.", told.closed)
    yield _gauge("sluicegate_ledger_share", "Of the whole, what this worker falls back to.", told.share)
    look = of.last if of is not None else None
    workers = told.workers if look is None or look.parts == 1 else len(look.workers)  # else those of this part
    yield _gauge("sluicegate_ledger_workers", "Workers that share the capacity.", workers)
    draws, lost, waits = (told.draws, told.lost_draws, told.waits) if of is None or not of.looks else of.sums.drawn
    yield CounterMetricFamily("sluicegate_ledger_draws", "Draws from the ledger.", value=draws)
    yield CounterMetricFamily("sluicegate_ledger_lost_draws", "Draws that were not answered in time.", value=lost)
    yield CounterMetricFamily("sluicegate_ledger_waits", "Requests that waited for a draw.", value=waits)
    if of is not None:
        yield _gauge("sluicegate_ledger_writes", "1 where history and notices are this worker's.", of.writes() is True)
    if look is not None:
        yield _gauge("sluicegate_ledger_parts_away", "Parts of the ledger that do not answer.", len(look.away))
        silent = sum(one.silent for one in look.workers)
        yield _gauge("sluicegate_ledger_silent_workers", "Workers with a share that draw nothing.", silent)
        yield _gauge("sluicegate_ledger_in_hand", "What all workers have drawn and not spent, in SR.", look.held)
        yield _gauge("sluicegate_ledger_fill", "The part of their rates at which the banks fill.", look.fill)
        banks = GaugeMetricFamily(
            "sluicegate_ledger_bank_level", "What the ledger's banks hold, in SR.", labels=["bank"]
        )
        for bank, level in (("offered", look.offered), ("system", look.system), ("pool", look.pool)):
            banks.add_metric([bank], level)
        yield banks


def readiness(told: Told | None) -> tuple[bool, str]:
    """Whether requests may come, and what to say."""
    if told is None:
        return True, "ready"
    if not told.answered:
        return False, "the ledger has not answered yet"
    if told.closed:
        return False, "the ledger is away, and the lease has ended"
    if told.alone is not None:
        return True, f"ready, alone for {told.alone:.0f} s by a share of {told.share:.3g}"
    return True, "ready"


def _state(told: Told) -> str:
    if not told.answered:
        return "not answered yet"
    if told.closed:
        return "closed"
    return "alone" if told.alone is not None else "together"


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
