"""Campaigns laid over the usual load: how high each hour gets, which hours are quieter, what a run came to. Pure.

Hours are counted from 1970 (UTC); what is usual goes by the hour of the week by London's clocks. SR/s by weight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sluicegate.operations.book.campaigns import HOUR, Campaign
from sluicegate.operations.book.effective import LONDON

Usual = Callable[[int], float]
"""SR/s that an hour usually has, without campaigns."""

SECONDS: Final = 3600
MOST_OFFERED: Final = 3
WORTH: Final = 0.01
"""A slot is offered if its peak is lower by more than this part."""


def usual_of(by_hour: Mapping[int, float], covered: Iterable[int], scale: float = 1.0) -> Usual:
    """What is usual, by a record: the mean of the same hours of the week, of those hours of which there are any.

    Args:
        by_hour: SRs in each hour, by weight. covered: hours of which the record has something.
        scale: by so much more (or less) is expected.
    """
    slots: dict[int, list[float]] = defaultdict(list)
    for hour in covered:
        slots[_of_week(hour)].append(by_hour.get(hour, 0.0) / SECONDS)
    means = {slot: sum(rates) / len(rates) for slot, rates in slots.items()}
    whole = sum(means.values()) / len(means) if means else 0.0
    return lambda hour: scale * means.get(_of_week(hour), whole)


def _of_week(hour: int) -> int:
    local = datetime.fromtimestamp(hour * SECONDS, LONDON)
    return local.weekday() * 24 + local.hour


def rate_in(one: Campaign, hour: int, weight: float = 1.0) -> float:
    """SR/s that a campaign adds to an hour, if it is spread evenly over its window."""
    overlap = min(one.ends_at, (hour + 1) * HOUR) - max(one.starts_at, hour * HOUR)
    return max(0, overlap) / HOUR * one.rate * weight


class Hour(NamedTuple):
    """An hour to come: what is usual, and what campaigns add, in SR/s."""

    hour: int
    usual: float
    campaigns: float

    @property
    def all(self) -> float:
        """Together."""
        return self.usual + self.campaigns


def laid_over(campaigns: Sequence[Campaign], usual: Usual, hours: range, weights: Mapping[str, float]) -> list[Hour]:
    """Every one of `hours` with what is usual and what the campaigns add."""
    added = dict.fromkeys(hours, 0.0)
    for one in campaigns:
        for hour in range(max(hours.start, one.starts_at // HOUR), min(hours.stop, -(-one.ends_at // HOUR))):
            added[hour] += rate_in(one, hour, weights.get(one.srv, 1.0))
    return [Hour(hour, usual(hour), more) for hour, more in added.items()]


class Slot(NamedTuple):
    """A window (microseconds since 1970), and the highest hour in it with the campaign, in SR/s."""

    starts_at: int
    ends_at: int
    peak: float


def span_of(one: Campaign, hours: range) -> range:
    """The hours that count for a campaign where it is, and wherever it may begin in `hours`."""
    last = -(-one.ends_at // HOUR)
    return range(min(hours.start, one.starts_at // HOUR), max(hours.stop + last - one.starts_at // HOUR + 1, last))


def peak_of(one: Campaign, load: Mapping[int, float], weight: float) -> float:
    """The highest hour of a campaign's window. load: SR/s of its hours without it."""
    return max(load[hour] + rate_in(one, hour, weight) for hour in hours_in(one))


def quieter(one: Campaign, load: Mapping[int, float], hours: range, weight: float) -> list[Slot]:
    """Windows as long that begin in one of `hours` and have a lower peak: the lowest first, none over another.

    load: SR/s without it, of all hours of `span_of`.
    """
    length = one.ends_at - one.starts_at
    now, found = peak_of(one, load, weight), []
    whole, rate = length // HOUR, one.rate * weight
    loads = [load[hour] for hour in range(hours.start, hours.stop + whole + 1)]
    for place, hour in enumerate(hours):  # a long window times many hours: the slices are what makes it quick
        rest = rate * (length % HOUR) / HOUR
        peak = max(
            max(loads[place : place + whole], default=0.0) + rate * (whole > 0), rest and loads[place + whole] + rest
        )
        if peak < now * (1 - WORTH):
            found.append(Slot(hour * HOUR, hour * HOUR + length, peak))
    found.sort(key=lambda slot: (slot.peak, abs(slot.starts_at - one.starts_at)))  # of equal ones the nearest
    offered: list[Slot] = []
    for slot in found:
        if len(offered) < MOST_OFFERED and all(
            slot.ends_at <= other.starts_at or slot.starts_at >= other.ends_at for other in offered
        ):
            offered.append(slot)
    return offered


def hours_in(one: Campaign) -> range:
    """Those that its window touches."""
    return range(one.starts_at // HOUR, -(-one.ends_at // HOUR))


class Run(NamedTuple):
    """What a campaign came to: SRs in its window, in the day before and after it, and its highest hour (SR/s).

    announced: SRs. part: how much of the window the record covers.
    """

    announced: int
    inside: int
    outside: int
    peak: float
    part: float

    @property
    def over(self) -> float:
        """By which part more came than was announced for what the record covers; below 0: less."""
        expected = self.announced * self.part
        return self.inside / expected - 1 if expected else 0.0


def run_of(one: Campaign, seen: Mapping[int, int], covered: Iterable[int]) -> Run:
    """An announcement against what came. seen: first attempts of that User and SRV by hour; covered: see `usual_of`."""
    hours = hours_in(one)
    first, last, there = hours.start, hours.stop, set(covered)
    inside = {hour: seen.get(hour, 0) for hour in hours}
    outside = sum(count for hour, count in seen.items() if hour not in inside and first - 24 <= hour < last + 24)
    known = sum(hour in there for hour in inside)
    peak = max(inside.values(), default=0) / SECONDS
    return Run(one.volume, sum(inside.values()), outside, peak, known / len(inside))
