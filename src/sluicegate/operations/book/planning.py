"""A plan: how high each campaign's window gets with all that is announced, and the quieter slots for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from sluicegate.operations.book.campaigns import HOUR, Campaign
from sluicegate.operations.book.slots import Slot, Usual, hours_in, laid_over, peak_of, quieter, rate_in, span_of

REACH: Final = 7 * 24
"""Hours before and after a campaign's beginning in which it is offered quieter slots."""


class Planned(NamedTuple):
    """A campaign, the highest hour of its window with all others (SR/s), and quieter slots."""

    campaign: Campaign
    peak: float
    offered: Sequence[Slot]


def around(at: int) -> Callable[[Campaign], range]:
    """The hours in which a campaign may begin instead: those to come at a time, within REACH of where it is."""
    next_hour = at // HOUR + 1

    def hours(one: Campaign) -> range:
        first = max(next_hour, one.starts_at // HOUR - REACH)
        return range(first, max(first, one.starts_at // HOUR + REACH + 1))

    return hours


def plan(
    wanted: Iterable[Campaign],
    every: Sequence[Campaign],
    usual: Usual,
    weights: Mapping[str, float],
    hours_of: Callable[[Campaign], range],
) -> list[Planned]:
    """Each of `wanted`, among `every` campaign that is announced (they themselves too), which all stay where they are.

    Args:
        usual: SR/s without campaigns. weights: of SRVs, where they are not 1.
        hours_of: where a campaign may begin instead.
    """
    reach = [(one, hours_of(one)) for one in wanted]
    spans = [span_of(one, hours) for one, hours in reach]
    if not spans:
        return []
    whole = range(min(span.start for span in spans), max(span.stop for span in spans))
    load = {hour.hour: hour.all for hour in laid_over(every, usual, whole, weights)}
    found = []
    for (one, hours), span in zip(reach, spans, strict=True):
        weight = weights.get(one.srv, 1.0)
        without = {hour: load[hour] for hour in span}
        for hour in hours_in(one):
            without[hour] = max(0.0, load[hour] - rate_in(one, hour, weight))
        found.append(Planned(one, peak_of(one, without, weight), quieter(one, without, hours, weight)))
    return found
