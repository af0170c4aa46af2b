"""Who sends what: the flows of a scenario, their rates over the day, and the surges on top."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluicegate.duis import CATALOGUE, web_service
from sluicegate.settings.problems import Finding
from sluicegate.simulate.scenario import document as doc
from sluicegate.simulate.scenario.population import FLAT, Member
from sluicegate.simulate.scenario.times import ends, starts
from sluicegate.simulate.traffic import STEP, Rates, Surge, steps_of
from sluicegate.simulate.world import NO_CSP, Flow

MOST_FLOWS = 200_000


class FlowsError(ValueError):
    """Flows that cannot be; `findings` say why."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(self.findings)


@dataclass(frozen=True)
class Traffic:
    """The flows, their rates, and what each User sends at the gateway on the mean of a day (SR/s at scale 1)."""

    flows: tuple[Flow, ...]
    rates: Rates
    forecasts: tuple[float, ...]


def command_variant(kind: doc.Kind) -> int:
    """As given, or else the usual one: 8 where no device takes part, 5 of a critical command, 1 of any other."""
    if kind.command_variant is not None:
        return kind.command_variant
    entry = CATALOGUE[kind.srv]
    return 8 if entry.non_device else 5 if entry.critical else 1


def ends_at_dsp(kind: doc.Kind) -> bool:
    """Whether no CSP takes part: non-device SRVs, and what is only transformed."""
    return CATALOGUE[kind.srv].non_device or web_service(command_variant(kind)) != "S"


def roles_of(kind: doc.Kind) -> tuple[str, ...]:
    """Who sends it: as given, or else all who may."""
    return kind.roles or CATALOGUE[kind.srv].roles


def traffic_of(document: doc.Document, people: Sequence[Member], scale: float) -> Traffic:
    """Raises FlowsError."""
    flows, sizes = _candidates(document, people)
    if len(flows) > MOST_FLOWS:
        raise FlowsError(
            [Finding(("kind",), f"{MOST_FLOWS:,} flows (User, kind, CSP) are the most: use fewer of them")]
        )
    kinds = np.array([flow.kind for flow in flows], dtype=np.intp)
    users = np.array([flow.user for flow in flows], dtype=np.intp)
    daily = np.array([kind.daily for kind in document.kinds])
    internal = np.array([kind.internal for kind in document.kinds], dtype=np.bool_)
    base = daily[kinds] * sizes / 86_400.0
    picks: list[NDArray[np.bool_]] = []
    findings: list[Finding] = []
    for index, surge in enumerate(document.surges):
        picked = np.array([_meant(surge, document, people, flow) for flow in flows], dtype=np.bool_)
        findings += _empty(index, surge, picked, base)
        picks.append(picked)
    if findings:
        raise FlowsError(findings)
    more = [picked for picked, surge in zip(picks, document.surges, strict=True) if surge.factor is None]
    kept = np.flatnonzero(np.logical_or.reduce([base > 0, *more]))
    rates = Rates(
        seconds=document.window.hours * 3600,
        base=base[kept] * scale,
        users=users[kept],
        kinds=kinds[kept],
        shape=_shapes(document),
        steady=internal[kinds[kept]],
        surges=tuple(
            _surge(document, surge, np.flatnonzero(picked[kept]), sizes[kept], scale)
            for surge, picked in zip(document.surges, picks, strict=True)
        ),
    )
    forecasts = np.bincount(users, np.where(internal[kinds], 0.0, base), minlength=len(people))
    return Traffic(tuple(flows[index] for index in kept), rates, tuple(map(float, forecasts)))


def _candidates(document: doc.Document, people: Sequence[Member]) -> tuple[list[Flow], NDArray[np.float64]]:
    """All flows that may be, and how many meters (or prepayment meters, or Users) stand behind each."""
    roles = [roles_of(kind) for kind in document.kinds]
    at_dsp = [ends_at_dsp(kind) for kind in document.kinds]
    flows, sizes = [], []
    for user, person in enumerate(people):
        for index, kind in enumerate(document.kinds):
            if person.role not in roles[index]:
                continue
            size = _size(kind, person)
            for csp, part in {NO_CSP: 1.0}.items() if at_dsp[index] else person.csps.items():
                flows.append(Flow(user, index, csp))
                sizes.append(size * part)
        if len(flows) > MOST_FLOWS:
            break
    return flows, np.array(sizes, dtype=np.float64)


def _size(kind: doc.Kind, person: Member) -> float:
    if kind.per == "user":
        return 1.0
    return person.meters * (person.prepayment if kind.per == "prepayment" else 1.0)


def _meant(surge: doc.Surge, document: doc.Document, people: Sequence[Member], flow: Flow) -> bool:
    person = people[flow.user]
    return (
        (not surge.kinds or document.kinds[flow.kind].name in surge.kinds)
        and (not surge.roles or person.role in surge.roles)
        and ((not surge.groups and not surge.users) or person.group in surge.groups or person.name in surge.users)
        and (not surge.csps or (flow.csp != NO_CSP and document.csps[flow.csp].name in surge.csps))
    )


def _empty(index: int, surge: doc.Surge, picked: NDArray[np.bool_], base: NDArray[np.float64]) -> Iterator[Finding]:
    if not picked.any():
        yield Finding(("surge", index), "is about no flow: nobody that is meant sends what is meant, there or at all")
    elif surge.factor is not None and not base[picked].any():
        yield Finding(
            ("surge", index, "factor"),
            "multiplies nothing, as the usual rate is 0: use `rate` or `per_meter` instead, or give the kind a `daily`",
        )


def _shapes(document: doc.Document) -> NDArray[np.float64]:
    """What the daily mean is multiplied by, for each kind and step: a straight line from point to point."""
    window = document.window
    seconds = window.hours * 3600
    edges = np.minimum(np.arange(steps_of(seconds) + 1) * STEP, seconds)
    middles = window.starts + (edges[1:] + edges[:-1]) / 2
    rows = {FLAT: np.ones(len(middles))}
    for shape in document.shapes:
        hours = np.array(shape.hours) / np.mean(shape.hours)
        rows[shape.name] = np.interp(middles, np.arange(25) * 3600.0, [*hours, hours[0]], period=86_400.0)
    return np.array([rows[kind.shape] for kind in document.kinds])


def _surge(
    document: doc.Document, surge: doc.Surge, flows: NDArray[np.intp], sizes: NDArray[np.float64], scale: float
) -> Surge:
    start, end = starts(surge.since, document.window), ends(surge.until, document.window)
    if surge.factor is not None:
        return Surge(start, end, flows, factor=surge.factor, ramp=surge.ramp)
    parts = sizes[flows]
    if surge.rate is not None:
        whole = parts.sum()
        parts = parts / whole if whole else np.full(len(flows), 1.0 / len(flows))
        return Surge(start, end, flows, extra=surge.rate * scale * parts, ramp=surge.ramp)
    area = Surge(start, end, flows, ramp=surge.ramp).area
    return Surge(start, end, flows, extra=(surge.per_meter or 0.0) * scale / area * parts, ramp=surge.ramp)
