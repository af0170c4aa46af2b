"""Charts out of the series of a policy: thinned to what a screen can show, with outages and active periods painted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sluicegate.simulate.evidence import words
from sluicegate.simulate.page import Chart, Line, Series, Span, Tone

MOST_POINTS = 360
MOST_USER_POINTS = 160
_BESIDE = 400  # stretches of time that are nearer than this part of the whole are painted as one

Summary = Mapping[str, Any]
Policy = Mapping[str, Any]


class Curve(NamedTuple):
    """A line: its name, its values by step of time, and its colour."""

    name: str
    values: Sequence[float | None]
    tone: Tone
    fill: bool = False


def over_time(
    summary: Summary,
    policy: Policy,
    name: str,
    tells: str,
    curves: Sequence[Curve],
    *,
    step: float | None = None,
    unit: str = "SR/s",
    lines: Sequence[Line] = (),
    top: float | None = None,
    points: int = MOST_POINTS,
    group: str = "page",
    percent: bool = False,
) -> Chart:
    """A chart over the time of day. ``step``: seconds between values, else as the totals."""
    step = step or policy["series"]["step"]
    first = summary["scenario"]["first_second"]
    count = max((len(curve.values) for curve in curves), default=0)
    together = max(1, -(-count // points))
    x = [round(first + (place + 0.5 * together) * step, 1) for place in range(0, count, together)]
    series = [Series(curve.name, thin(curve.values, together), curve.tone, curve.fill) for curve in curves]
    most = max([0.0, *highest(series), *(line.value for line in lines)])
    return Chart(
        name,
        tells,
        x,
        series,
        top=top or 1.08 * most or 1.0,
        unit=unit,
        percent=percent,
        lines=lines,
        spans=list(spans(summary, policy)),
        group=group,
        since=first,
        until=first + count * step or first + 1.0,
        axis="clock",
    )


def thin(values: Sequence[float | None], together: int) -> list[float | None]:
    """The mean of each so many values, in four figures. None where there is none."""
    out: list[float | None] = []
    for start in range(0, len(values), together):
        some = [value for value in values[start : start + together] if value is not None]
        out.append(float(f"{sum(some) / len(some):.4g}") if some else None)
    return out


def highest(series: Sequence[Series]) -> Iterator[float]:
    """The highest value of each."""
    for one in series:
        yield max((value for value in one.values if value is not None), default=0.0)


def spans(summary: Summary, policy: Policy) -> Iterator[Span]:
    """The DSP's outages, and when traffic management was active; the first of each is named."""
    first = summary["scenario"]["first_second"]
    series = policy["series"]
    whole = max(len(series["t"]) * series["step"], 1.0)
    kinds: tuple[tuple[str, str, Tone], ...] = (("active", "active", "warm"), ("down", "outage", "bad"))
    for field, name, tone in kinds:
        for number, (since, until) in enumerate(together(series[field], whole / _BESIDE)):
            yield Span("" if number else name, first + since, first + until, tone)


def together(stretches: Sequence[Sequence[float]], beside: float) -> list[tuple[float, float]]:
    """Stretches of time, those that are nearer than ``beside`` made one."""
    out: list[tuple[float, float]] = []
    for since, until in sorted((one[0], one[1]) for one in stretches):
        if out and since - out[-1][1] <= beside:
            out[-1] = (out[-1][0], max(until, out[-1][1]))
        else:
            out.append((since, until))
    return out


def offered_and_delivered(summary: Summary, policy: Policy, name: str, top: float, group: str) -> Chart:
    """What was asked for and what came of it."""
    series = policy["series"]
    down = policy["dsp"]["outage_minutes"]
    return over_time(
        summary,
        policy,
        name,
        f"at most {max(series['offered'], default=0):,.0f} SR/s were asked for, at most "
        f"{max(series['delivered'], default=0):,.0f} SR/s delivered; the DSP was down for {down:.0f} minutes.",
        [
            Curve("asked for", series["offered"], "plain"),
            Curve("delivered", series["delivered"], "calm", fill=True),
        ],
        lines=capacity_lines(summary, policy),
        top=top,
        group=group,
    )


def common_top(summary: Summary, policies: Sequence[Policy], names: Sequence[str]) -> float:
    """One scale for several policies' charts, so that they can be compared. The capacity is on it."""
    together = max(1, -(-max(len(one["series"]["t"]) for one in policies) // MOST_POINTS))
    most = (value for one in policies for name in names for value in thin(one["series"][name], together))
    lines = (line.value for one in policies for line in capacity_lines(summary, one))
    return 1.08 * max(*lines, *(value for value in most if value is not None)) or 1.0


def capacity_lines(summary: Summary, policy: Policy) -> list[Line]:
    """The maximum capacity and the operating threshold under this policy."""
    factor = _capacity_factor(policy["name"])
    maximum, threshold = (factor * summary["scenario"][name] for name in ("maximum", "operating_threshold"))
    name = f"capacity {words.rate(maximum)}, operating threshold {words.rate(threshold)}"
    return [Line(name, maximum), Line("", threshold, dashed=True)]


def _capacity_factor(name: str) -> float:
    part = next((part for part in name.split("+") if part.startswith("capacity:")), "capacity:1")
    return float(part.removeprefix("capacity:"))
