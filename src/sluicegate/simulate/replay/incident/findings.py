"""What the counts of an incident mean: by phase, by User, who drove it, who else was harmed. It is incident.json."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from sluicegate import __version__
from sluicegate.duis import CATALOGUE
from sluicegate.settings import Settings
from sluicegate.simulate.measures.histogram import percentiles
from sluicegate.simulate.measures.rounding import rounded
from sluicegate.simulate.record import Record
from sluicegate.simulate.replay.incident.gather import (
    BEFORE,
    COUNTED,
    DURING,
    PHASES,
    Gathered,
    Period,
    Reached,
    gather,
    total,
)
from sluicegate.simulate.replay.incident.held import HeldMinute, held_back
from sluicegate.simulate.replay.incident.words import sentences
from sluicegate.simulate.replay.replay import told_record
from sluicegate.simulate.replay.rows import Ints

Entry = dict[str, Any]

PARTS: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
DRIVES: Final = 0.2
"""A User drives an incident if this part of all that was sent beyond the usual is its own."""

SHORTEST_USUAL: Final = 60.0
"""Seconds before the period that the record must have, so that they can tell what is usual."""

_NOTICEABLE: Final = 1.2  # times the usual: below it, nobody sent noticeably more
_SLOWER: Final = 2.0
_MOST_SRVS: Final = 10
_FEWEST: Final = 20  # so many latencies are needed to say that they became longer
_MOST_CHARTED: Final = 5


def incident(
    record: Record,
    when: Period,
    settings: Settings | None,
    config: str,
    reached: Reached,
    demand: Iterable[HeldMinute] | None = None,
) -> Entry:
    """The investigation. `record` is open from `when.first` until `when.last`. Raises RecordError.

    `demand`: what relays held back, if it is known; see `held_back`.
    """
    found = gather(record, when, settings.capacity.weights if settings else {}, reached)
    allocations = {user.name: user.allocation for user in settings.users} if settings else {}
    users = _users(found, allocations)
    drivers = _drivers(users)
    told: Entry = {
        "sluicegate": __version__,
        "what": "incident",
        "record": told_record(record, found.rows),
        "config": config or None,
        "limits": _limits(settings),
        "period": {"from": when.since.isoformat(), "to": when.until.isoformat()},
        "phases": {name: _phase(found, phase) for phase, name in enumerate(PHASES)},
        "users": users,
        "drivers": drivers,
        "harmed": _harmed(users, drivers),
        "srvs": _srvs(found, found.srvs[:, DURING].sum(axis=0)),
        "statuses": {str(status): count for status, count in sorted(found.statuses.items())},
        "followed": {
            "held": found.held,
            "again": found.again,
            "through": found.through,
            "gap": rounded(_part(found.gaps, 0.5), 4),
        },
        "demand": None if demand is None else held_back(demand, when),
        "series": _series(found, users),
    }
    return {**told, "said": sentences(told)}


def _limits(settings: Settings | None) -> Entry | None:
    if settings is None:
        return None
    capacity = settings.capacity
    return {"maximum": rounded(capacity.maximum), "operating_threshold": rounded(capacity.operating_threshold)}


def _part(times: Ints, part: float) -> float | None:
    found = float(percentiles(times.reshape(1, -1), (part,))[0, 0])
    return None if math.isnan(found) else found


def _times(times: Ints) -> Entry:
    return {name: rounded(_part(times, part), 4) for name, part in PARTS.items()}


def _phase(found: Gathered, phase: int) -> Entry:
    """What all Users together did in a phase."""
    seconds = found.seconds(phase)
    counts = found.counts[:, phase].sum(axis=0)
    return {
        "seconds": rounded(seconds),
        **total(counts),
        "rate": _rate(float(found.loads[:, phase].sum()), seconds),
        **_times(found.times[:, phase].sum(axis=0)),
    }


def _rate(load: float, seconds: float) -> float | None:
    return rounded(load / seconds, 4) if seconds > 0 else None


def _users(found: Gathered, allocations: dict[str, float]) -> list[Entry]:
    """By User, those who sent most in the period first. Rates are SR/s by weight; `peak` is that of a bin."""
    entries = []
    sent = int(found.counts[:, DURING, 0].sum())
    for number, name in enumerate(found.reader.users.texts):
        counts = found.counts[number]
        if not counts[:, 0].any():
            continue
        rate = _rate(float(found.loads[number, DURING]), found.seconds(DURING))
        before = found.seconds(BEFORE)
        usual = _rate(float(found.loads[number, BEFORE]), before) if before >= SHORTEST_USUAL else None
        allocation = allocations.get(name)
        peak = float(found.users_by_bin[number, _bins_of(found)].max(initial=0.0)) / found.step
        entries.append(
            {
                "user": name,
                "allocation": rounded(allocation),
                "rate": rate,
                "usual": usual,
                "times_usual": rounded(rate / usual, 3) if rate is not None and usual else None,
                "times_allocation": rounded(rate / allocation, 3) if rate is not None and allocation else None,
                "peak": rounded(peak, 4),
                "share": rounded(int(counts[DURING, 0]) / sent, 4) if sent else None,
                **{
                    phase_name: {**total(counts[phase]), **_times(found.times[number, phase])}
                    for phase, phase_name in enumerate(PHASES)
                },
                "srvs": _srvs(found, found.srvs[number, DURING]),
            }
        )
    return sorted(entries, key=lambda one: (-one["during"]["attempts"], one["user"]))


def _bins_of(found: Gathered) -> slice:
    """The bins of time that lie in the period, at least one."""
    first, since, until, _ = _edges(found)
    start = math.ceil((since - first) / found.step)
    return slice(start, max(start + 1, int((until - first) // found.step)))


def _edges(found: Gathered) -> tuple[float, float, float, float]:
    when = found.when
    first, since, until, last = (at.timestamp() for at in (when.first, when.since, when.until, when.last))
    return first, since, until, last


def _srvs(found: Gathered, counts: Ints) -> list[Entry]:
    """The SRVs that were sent most."""
    texts = found.reader.srvs.texts
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda place: (-int(counts[place]), texts[place]))
    return [
        {
            "srv": texts[place],
            "name": variant.name if (variant := CATALOGUE.get(texts[place])) else None,
            "attempts": int(counts[place]),
        }
        for place in order[:_MOST_SRVS]
    ]


def _drivers(users: list[Entry]) -> list[str]:
    """Those who sent most beyond what is usual for them; nobody, where there is nothing to compare with."""
    if any(one["usual"] is None for one in users):  # all, or none
        return []
    more = {one["user"]: max(0.0, one["rate"] - one["usual"]) for one in users}
    beyond = sum(more.values())
    if sum(one["rate"] for one in users) < _NOTICEABLE * sum(one["usual"] for one in users) or not beyond:
        return []
    return sorted((name for name, part in more.items() if part >= DRIVES * beyond), key=lambda name: -more[name])


def _harmed(users: list[Entry], drivers: list[str]) -> list[Entry]:
    """Users, other than those who drove it, who were held, met errors or waited longer than before."""
    found = []
    for one in users:
        why = [] if one["user"] in drivers else _harms(one)
        if why:
            allocation = one["allocation"]
            within = None if allocation is None else bool(one["peak"] <= allocation)
            found.append({"user": one["user"], "within_allocation": within, "why": why})
    return found


def _harms(one: Entry) -> list[str]:
    during, before = one["during"], one["before"]
    why = [name for name in ("throttled", "rejected") if during[name] and _more(one, name)]
    if _more(one, "errors"):
        why.append("errors")
    answered = min(during["admitted"], before["admitted"])
    if answered >= _FEWEST and during["p95"] and before["p95"] and during["p95"] >= _SLOWER * before["p95"]:
        why.append("slower")
    return why


def _more(one: Entry, name: str) -> bool:
    """Whether a greater part of its attempts met with this than before."""
    during, before = one["during"], one["before"]
    usual = before[name] / before["attempts"] if before["attempts"] else 0.0
    return bool(during["attempts"] and during[name] / during["attempts"] > usual)


def _series(found: Gathered, users: list[Entry]) -> Entry:
    """Over time from `first_second` (seconds from midnight UTC), in SR/s; p95 in seconds, null without an answer."""
    first = found.when.first
    midnight = first.hour * 3600 + first.minute * 60 + first.second
    rates = np.round(found.by_bin / found.step, 3)
    slow = [rounded(None if math.isnan(one) else one, 4) for one in percentiles(found.times_by_bin, (0.95,))[:, 0]]
    names = found.reader.users.texts
    charted = [one["user"] for one in users[:_MOST_CHARTED]]
    _, since, until, _ = _edges(found)
    return {
        "step": found.step,
        "first_second": midnight,
        "t": [place * found.step for place in range(len(rates))],
        "since": rounded(since - first.timestamp(), 9),
        "until": rounded(until - first.timestamp(), 9),
        **{name: rates[:, column].tolist() for column, name in enumerate(COUNTED)},
        "p95": slow,
        "users": {name: np.round(found.users_by_bin[names.index(name)] / found.step, 3).tolist() for name in charted},
    }
