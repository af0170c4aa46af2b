"""Campaigns as their API tells of them: all to those who work there; to a User its own, and how full the time is."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, Final, NamedTuple

from sluicegate.operations.book.campaigns import HOUR, Campaign
from sluicegate.operations.book.from_history import FORECAST, RECORDED, Came, Expected
from sluicegate.operations.book.planning import Planned, around, plan
from sluicegate.operations.book.slots import laid_over
from sluicegate.operations.store.trail import shown
from sluicegate.settings import Capacity

COARSE: Final = 0.05
"""Parts of the operating threshold in which a User is told how full a time is: others' campaigns are not its own."""


class Looked(NamedTuple):
    """What was found at a time (microseconds since 1970).

    user: who looks; None: one of those who work there. allocation: the User's, in SR/s.
    every: all campaigns that are not over. load, own: what is expected of all Users, and of this one, without them.
    over: those of which it is told what they came to.
    """

    at: int
    user: str | None
    capacity: Capacity
    allocation: float | None
    every: Sequence[Campaign]
    load: Expected
    own: Expected
    over: Sequence[tuple[Campaign, Came | None]]


def overview(looked: Looked, days: int, most: int) -> dict[str, Any]:
    """What is to come in so many days, hour by hour, the next `most` campaigns with quieter slots, and what is over."""
    mine = [one for one in looked.every if looked.user in (None, one.user)]
    first = looked.at // HOUR
    hours = laid_over(mine, looked.own.usual, range(first, first + days * 24), looked.capacity.weights)
    planned = _planned(mine[:most], looked)
    return {
        "basis": {"of": looked.own.basis, "said": _basis(looked.own)},
        "lines": _lines(looked),
        "hours": {
            "since": shown(first * HOUR),
            "usual": [round(hour.usual, 3) for hour in hours],
            "campaigns": [round(hour.campaigns, 3) for hour in hours],
        },
        "to_come": len(mine),
        "campaigns": [_lying(one, looked) for one in planned],
        "over": [{**plain(one, looked.at), "run": _run(run)} for one, run in looked.over],
    }


def of(one: Campaign, looked: Looked) -> dict[str, Any]:
    """One campaign: how it lies, where it is to come; what it came to, as far as it has begun."""
    run = next((run for other, run in looked.over if other.id == one.id), None)
    told: dict[str, Any] = {"campaign": plain(one, looked.at), "basis": _basis(looked.load), "run": _run(run)}
    if one.withdrawn_at is None and one.ends_at > looked.at:
        (planned,) = _planned([one], looked)
        told["campaign"] = _lying(planned, looked)
        told["meaning"] = _meaning(planned, looked)
    return told


def plain(one: Campaign, at: int) -> dict[str, Any]:
    """As it was announced."""
    return {
        "campaign": one.id,
        "state": state(one, at),
        "user": one.user,
        "srv": one.srv,
        "volume": one.volume,
        "starts_at": shown(one.starts_at),
        "ends_at": shown(one.ends_at),
        "rate": round(one.rate, 3),
        "note": one.note,
        "announced_at": shown(one.announced_at),
        "by": one.who,
    }


def state(one: Campaign, at: int) -> str:
    """In a word or two."""
    if one.withdrawn_at is not None:
        return "withdrawn"
    if one.ends_at <= at:
        return "over"
    return "running" if one.starts_at <= at else "to come"


def _planned(wanted: Sequence[Campaign], looked: Looked) -> list[Planned]:
    return plan(wanted, looked.every, looked.load.usual, looked.capacity.weights, around(looked.at))


def _lying(planned: Planned, looked: Looked) -> dict[str, Any]:
    return {
        **plain(planned.campaign, looked.at),
        "level": _level(planned.peak, looked),
        "quieter": [
            {"starts_at": shown(slot.starts_at), "ends_at": shown(slot.ends_at), "level": _level(slot.peak, looked)}
            for slot in planned.offered
        ],
    }


def _level(peak: float, looked: Looked) -> float:
    """A highest hour as a part of the operating threshold; to a User in coarse steps, upwards."""
    part = peak / looked.capacity.operating_threshold
    return round(part, 4) if looked.user is None else round(COARSE * ceil(part / COARSE - 1e-9), 2)


def _meaning(planned: Planned, looked: Looked) -> str:
    level, one = _level(planned.peak, looked), planned.campaign
    rate = f"{one.volume:,} requests, {one.rate:,.1f} SR/s if they are spread evenly over the window."
    about = "" if looked.user is None else "about "
    high = f"With it and all that is announced, its highest hour has {about}{level:.0%} of the operating threshold"
    if level > 1:
        return f"{rate} {high}: that is too full, and who is above its allocation may be throttled."
    return f"{rate} {high}."


def _run(found: Came | None) -> dict[str, Any] | None:
    if found is None:
        return None
    run = found.run
    return {
        "came": run.inside,
        "outside": run.outside,
        "peak": round(run.peak, 3),
        "part": round(run.part, 4),
        "over": round(run.over, 4),
        "held": found.held,
    }


def _lines(looked: Looked) -> list[dict[str, Any]]:
    if looked.user is not None:
        return [{"name": "your allocation", "rate": looked.allocation or 0.0}]
    capacity = looked.capacity
    return [
        {"name": "operating threshold", "rate": capacity.operating_threshold},
        {"name": "maximum capacity", "rate": capacity.maximum},
    ]


def _basis(load: Expected) -> str:
    weeks = f"the last {load.hours:,} hours of which there is a history" if load.hours else ""
    if load.basis == FORECAST:
        spread = f"spread as {weeks} were" if weeks else "spread evenly, for there is no history yet"
        return f"The forecasts that are kept with version {load.version} of the book, {spread}."
    if load.basis == RECORDED:
        return f"No forecast is kept: {weeks} stand for it, each hour of the week by itself."
    return "No forecast is kept, and there is no history yet: nothing is expected but what is announced."
