"""What must hold between the keys of a scenario: each is right in itself, and the whole would still not work."""

import math
from collections.abc import Callable, Iterator

from sluicegate.duis import CATALOGUE
from sluicegate.settings.problems import Finding, figure
from sluicegate.settings.problems import Path as Place
from sluicegate.simulate.scenario.document import MOST_USERS, Document, Kind
from sluicegate.simulate.scenario.names import check_names
from sluicegate.simulate.scenario.times import ends, starts

Check = Callable[[Document], Iterator[Finding]]


def check(document: Document) -> list[Finding]:
    """All that does not fit together."""
    return [finding for each in _CHECKS for finding in each(document)]


def _something(document: Document) -> Iterator[Finding]:
    if not document.users and not document.groups:
        yield Finding(("user",), "there is no User: add a [[user]] or a [[group]]")
    if not document.kinds:
        yield Finding(("kind",), "there is no kind of Service Request: add a [[kind]]")
    if not document.csps:
        yield Finding(("csp",), "there is no CSP: add a [[csp]]")
    count = len(document.users) + sum(group.count for group in document.groups)
    if count > MOST_USERS:
        yield Finding(("group",), f"there are {count:,} Users, and {MOST_USERS:,} are the most")


def _shares(document: Document) -> Iterator[Finding]:
    whole = math.fsum(csp.share for csp in document.csps)
    if document.csps and abs(whole - 1) > 0.001:
        places: list[Place] = [("csp", index, "share") for index in range(len(document.csps))]
        yield Finding(
            places[-1], f"the shares of the CSPs must add up to 1, and come to {figure(round(whole, 4))}", tuple(places)
        )


def _kinds(document: Document) -> Iterator[Finding]:
    for index, kind in enumerate(document.kinds):
        yield from _catalogued(("kind", index), kind)
        if kind.in_time > kind.deadline:
            yield Finding(
                ("kind", index, "in_time"),
                f"must be at most the deadline of {figure(kind.deadline)} s, and is {figure(kind.in_time)}",
                about=(("kind", index, "deadline"),),
            )


def _catalogued(place: Place, kind: Kind) -> Iterator[Finding]:
    entry = CATALOGUE.get(kind.srv)
    if entry is None:
        yield Finding((*place, "srv"), f"{kind.srv} is not in the catalogue of Service Requests")
        return
    may_not = [role for role in kind.roles if role not in entry.roles]
    if may_not:
        who = f"only {', '.join(entry.roles)} may" if entry.roles else "no Role may"
        yield Finding(
            (*place, "roles"), f"{', '.join(may_not)} may not send {kind.srv} ({entry.name}): {who}", ((*place, "srv"),)
        )
    if kind.internal and not (entry.future_dated_at_dsp or entry.dcc_scheduled):
        yield Finding(
            (*place, "internal"),
            f"{kind.srv} ({entry.name}) can neither be future-dated at the DSP nor scheduled: it is never internal",
            about=((*place, "srv"),),
        )


def _surges(document: Document) -> Iterator[Finding]:
    ways = ("factor", "per_meter", "rate")
    for index, surge in enumerate(document.surges):
        given = [way for way in ways if getattr(surge, way) is not None]
        if len(given) != 1:
            has = f"has {' and '.join(given)}" if given else "has none"
            yield Finding(
                ("surge", index), f"must have exactly one of factor, per_meter and rate, and {has}",
                about=tuple(("surge", index, way) for way in ways),
            )  # fmt: skip
        yield from _span(document, ("surge", index), surge.since, surge.until)


def _times(document: Document) -> Iterator[Finding]:
    for index, change in enumerate(document.dsp.change):
        yield from _begins(document, ("dsp", "change", index), change.since)
    for index, csp in enumerate(document.csps):
        for nth, outage in enumerate(csp.outage):
            yield from _span(document, ("csp", index, "outage", nth), outage.since, outage.until)


def _begins(document: Document, place: Place, since: float) -> Iterator[Finding]:
    window = document.window
    if starts(since, window) >= window.hours * 3600:
        yield Finding(
            (*place, "from"),
            f"is not within the {figure(window.hours)} hours of the run, which starts at "
            f"{int(window.starts // 3600):02}:{int(window.starts % 3600 // 60):02}",
            about=(("window", "starts"), ("window", "hours")),
        )


def _span(document: Document, place: Place, since: float, until: float) -> Iterator[Finding]:
    begins = list(_begins(document, place, since))
    yield from begins
    if not begins and ends(until, document.window) <= starts(since, document.window):
        yield Finding(
            (*place, "until"),
            "must come after `from`: a time before the start of the run counts as the day after",
            about=((*place, "from"), ("window", "starts")),
        )


def _allocations(document: Document) -> Iterator[Finding]:
    capacity = document.capacity
    fixed = [user.allocation for user in document.users if user.allocation is not None]
    fixed += [group.allocation * group.count for group in document.groups if group.allocation is not None]
    free = sum(user.allocation is None for user in document.users)
    free += sum(group.count for group in document.groups if group.allocation is None)
    needed, there = math.fsum(fixed) + free * capacity.least_allocation, capacity.maximum * capacity.allocated
    if needed > there * (1 + 1e-12):
        yield Finding(
            ("capacity", "allocated"),
            f"the allocations come to {figure(round(needed, 6))} SR/s at least, and {figure(round(there, 6))} SR/s "
            f"are allocated ({figure(capacity.allocated)} of the maximum): lower `allocation` of Users and groups or "
            "`least_allocation`",
            about=(("capacity", "maximum"), ("capacity", "least_allocation")),
        )


_CHECKS: tuple[Check, ...] = (check_names, _something, _shares, _kinds, _surges, _times, _allocations)
