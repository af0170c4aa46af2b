"""From a checked scenario file to the `World` that is simulated: names become indices, parts become rates."""

import math
from collections.abc import Sequence

from sluicegate.simulate import world as to
from sluicegate.simulate.scenario import document as doc
from sluicegate.simulate.scenario.flows import Traffic, command_variant
from sluicegate.simulate.scenario.population import Member, allocations
from sluicegate.simulate.scenario.tables import Csp
from sluicegate.simulate.scenario.times import ends, starts
from sluicegate.throttle import Limits


def world_of(name: str, document: doc.Document, people: Sequence[Member], traffic: Traffic) -> to.World:
    """`people` and `traffic` are those of the document; all rates are multiplied by its scale."""
    scale, window = document.scale, document.window
    heaviest = max([1.0, *(kind.weight for kind in document.kinds)])
    return to.World(
        name=name,
        title=document.title,
        seconds=window.hours * 3600,
        users=_users(document, people, traffic),
        kinds=tuple(map(_kind, document.kinds)),
        csps=tuple(_csp(document, csp) for csp in document.csps),
        flows=traffic.flows,
        dsp=_dsp(document, heaviest),
        limits=Limits(
            maximum=document.capacity.maximum * scale,
            threshold=document.capacity.maximum * document.capacity.operating_threshold * scale,
            burst_seconds=document.capacity.burst_seconds,
            calm_seconds=document.capacity.calm_seconds,
            heaviest=heaviest,
        ),
        adt=_adt(document, traffic),
        adaptive=_adaptive(document),
        prices=_prices(document),
        reserve=document.priority.reserve,
        imposed_reserve=document.priority.imposed_reserve,
        drain=window.drain,
        first_second=window.starts,
        date=window.date,
        scale=scale,
        description=document.description.strip(),
        assumptions=document.assumptions,
    )


def _users(document: doc.Document, people: Sequence[Member], traffic: Traffic) -> tuple[to.User, ...]:
    habits = {
        retry.name: to.Retry(retry.habit, retry.first, retry.ceiling, retry.attempts, retry.order)
        for retry in document.retries
    }
    return tuple(
        to.User(
            name=person.name,
            role=person.role,
            allocation=allocation * document.scale,
            meters=person.meters,
            retry=habits[person.retry] if person.retry else to.Retry(),
            change=person.change,
        )
        for person, allocation in zip(people, allocations(document, people, traffic.forecasts), strict=True)
    )


def _kind(kind: doc.Kind) -> to.Kind:
    return to.Kind(
        name=kind.name,
        srv=kind.srv,
        command_variant=command_variant(kind),
        urgent=kind.urgent,
        in_time=kind.in_time,
        deadline=kind.deadline,
        weight=kind.weight,
        rank=kind.rank,
        imposed=kind.rank if kind.imposed is None else kind.imposed,
        internal=kind.internal,
    )


def _dsp(document: doc.Document, heaviest: float) -> to.Dsp:
    dsp, scale = document.dsp, document.scale
    return to.Dsp(
        capacity=dsp.capacity * scale,
        buffer=max(heaviest, dsp.capacity * scale * dsp.buffer_seconds),
        outage_after=math.inf if dsp.outage_after is None else dsp.outage_after,
        restart=dsp.restart,
        high_mark=dsp.high_mark,
        service=dsp.service,
        changes=tuple(sorted((starts(change.since, document.window), change.part) for change in dsp.change)),
        retry=to.DspRetry(**dsp.retry.model_dump()),
    )


def _csp(document: doc.Document, csp: Csp) -> to.Csp:
    capacity = csp.capacity * document.scale
    return to.Csp(
        name=csp.name,
        capacity=capacity,
        # Fewer channels, not slower ones: what one of them takes for an SR must not depend on the scale.
        servers=max(1, round(csp.servers * document.scale)),
        service=csp.service,
        latency=csp.latency,
        spread=csp.spread,
        buffer=math.inf if csp.buffer_seconds is None else max(1.0, capacity * csp.buffer_seconds),
        outages=tuple(
            sorted((starts(span.since, document.window), ends(span.until, document.window)) for span in csp.outage)
        ),
    )


def _adt(document: doc.Document, traffic: Traffic) -> to.Adt | None:
    adt = document.adt
    if adt is None:
        return None
    forecast: dict[tuple[int, int], float] = {}
    for flow, mean in zip(traffic.flows, traffic.rates.base, strict=True):
        if not document.kinds[flow.kind].internal:
            key = flow.user, flow.kind
            forecast[key] = forecast.get(key, 0.0) + float(mean)
    return to.Adt(
        adt.period,
        {key: max(adt.least, math.ceil(adt.multiple * mean * adt.period)) for key, mean in forecast.items()},
    )


def _adaptive(document: doc.Document) -> to.Adaptive | None:
    adaptive = document.adaptive
    if adaptive is None:
        return None
    return to.Adaptive(
        target=adaptive.target * document.dsp.buffer_seconds,
        interval=adaptive.interval,
        factor=adaptive.factor,
        step=adaptive.step,
        floor=adaptive.floor,
    )


def _prices(document: doc.Document) -> to.Prices | None:
    """One SR of a run at scale 0.02 stands for fifty, so the money that comes out is that of scale 1."""
    prices, scale = document.prices, document.scale
    if prices is None:
        return None
    return to.Prices(
        capacity_per_sr_s_year=prices.capacity_per_sr_s_year / scale,
        outage_minute=prices.outage_minute,
        urgent_late=prices.urgent_late / scale,
        undelivered=prices.undelivered / scale,
        delay_hour=prices.delay_hour / scale,
        days_like_this=prices.days_like_this,
    )
