"""The counters of a User, and of a gateway, as plain nested counts: to be told, subtracted and added up.

A count never falls while its worker lives. So what came since is a difference, and a worker that is gone leaves in a
sum what it counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from sluicegate.operations.tally import MOST_VERSIONS, Histogram, Tally, Totals

MOST: Final = 2**53
LONGEST: Final = 256  # characters of a key
MICRO: Final = 1e6

Row = list[Any]
"""Lists and mappings of counts, always of the same form."""
Classes = dict[str, list[int]]
"""Within, excess, throttled by the name of a class."""


def row_of(tally: Tally, srvs: Mapping[str, list[int]]) -> Row:
    """A User's; `srvs`: all that was counted by SRV since the start."""
    return [
        [
            tally.within, tally.excess, tally.throttled, tally.rejected, tally.passed, tally.drilled,
            tally.answered_429, tally.answered_503,
        ],
        {str(version): count for version, count in tally.versions.items()},
        dict(tally.refused_by_csp),
        {name: list(counts) for name, counts in tally.classes},
        {srv: list(counts) for srv, counts in srvs.items()},
    ]  # fmt: skip


def add(tally: Tally, row: Row, classes: Classes) -> None:
    """Add to a User's. What is counted by class goes to `classes`: a tally tells those of the profile in force."""
    outcomes, versions, csps, by_class, srvs = row
    within, excess, throttled, rejected, passed, drilled, answered_429, answered_503 = outcomes
    tally.within += within
    tally.excess += excess
    tally.throttled += throttled
    tally.rejected += rejected
    tally.passed += passed
    tally.drilled += drilled
    tally.answered_429 += answered_429
    tally.answered_503 += answered_503
    for text, count in versions.items():
        version = Decimal(text)
        if version in tally.versions or len(tally.versions) < MOST_VERSIONS:
            tally.versions[version] = tally.versions.get(version, 0) + count
    for csp, count in csps.items():
        tally.refused_by_csp[csp] = tally.refused_by_csp.get(csp, 0) + count
    for name, counts in by_class.items():
        _add_to(classes.setdefault(name, [0, 0, 0]), counts)
    for srv, counts in srvs.items():
        if any(counts):
            _add_to(tally.saw_srv(srv) if srv not in tally.srvs else tally.srvs[srv], counts)


def totals_row(totals: Totals, drawn: tuple[int, int, int]) -> Row:
    """A gateway's. `drawn`: draws, lost draws, and requests that waited for one."""
    return [
        dict(totals.refused),
        {str(status): count for status, count in totals.upstream.items()},
        [totals.handshake_failures, totals.abandoned, totals.asked_http, totals.asked_grpc],
        [*totals.decision.counts, round(totals.decision.total * MICRO)],
        [*totals.response.counts, round(totals.response.total * MICRO)],
        list(drawn),
    ]


def add_totals(totals: Totals, row: Row) -> None:
    """Add to a gateway's, all but the draws."""
    refused, upstream, plain, decision, response, _drawn = row
    for problem, count in refused.items():
        totals.refused[problem] = totals.refused.get(problem, 0) + count
    for status, count in upstream.items():
        totals.upstream[int(status)] = totals.upstream.get(int(status), 0) + count
    totals.handshake_failures += plain[0]
    totals.abandoned += plain[1]
    totals.asked_http += plain[2]
    totals.asked_grpc += plain[3]
    _observed(totals.decision, decision)
    _observed(totals.response, response)


def grown(new: Any, old: Any) -> Any:
    """What came since `old` (None: nothing was known). What has fallen began again at nil."""
    if old is None:
        return new
    if type(new) is int:
        return new - old if new >= old else new
    if type(new) is dict:
        return {key: grown(one, old.get(key)) for key, one in new.items() if one != old.get(key)}
    if type(new[0]) is int:
        return [one - before if one >= before else one for one, before in zip(new, old, strict=True)]
    return [grown(one, before) for one, before in zip(new, old, strict=True)]


def checked(row: Any, like: Row) -> Row:
    """A row that somebody told. Raises ValueError where it is not of the form of `like`."""
    if not _same(row, like):
        raise ValueError("these are no counters")
    return row  # type: ignore[no-any-return]


A_GATEWAY: Final[Row] = [{"": 0}, {"": 0}, *totals_row(Totals(), (0, 0, 0))[2:]]


def _same(told: Any, like: Any) -> bool:
    if isinstance(like, list):
        if not isinstance(told, list) or len(told) != len(like):
            return False
        return all(_same(one, other) for one, other in zip(told, like, strict=True))
    if isinstance(like, dict):
        (of_each,) = like.values()
        return isinstance(told, dict) and all(len(key) <= LONGEST and _same(one, of_each) for key, one in told.items())
    return type(told) is int and 0 <= told <= MOST


def _add_to(counts: list[int], more: list[int]) -> None:
    for at, count in enumerate(more):
        counts[at] += count


def _observed(histogram: Histogram, row: list[int]) -> None:
    _add_to(histogram.counts, row[:-1])
    histogram.total += row[-1] / MICRO
