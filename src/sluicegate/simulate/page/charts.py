"""Charts over time, or over a parameter. Python says what is to be seen; `charts.js` draws it with uPlot."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sluicegate.simulate.page.markup import Html, join, tag

Tone = Literal["calm", "warm", "bad", "plain", "violet", "olive", "rose", "sky"]
"""What a colour means on every page: those protected, the one who bursts, what failed, all else.

The last four mean nothing. They tell lines apart where there are many.
"""
Axis = Literal["seconds", "clock", "number"]
"""What ``x`` is: seconds of a run, seconds since midnight (shown as hours and minutes), or any number."""


@dataclass(frozen=True)
class Series:
    """One line; ``values`` None is a gap. ``fill`` paints what is under it, or what is ``above`` another one."""

    name: str
    values: Sequence[float | None]
    tone: Tone = "plain"
    fill: bool = False
    above: int | None = None
    """Index of the series on which this one stands: values are then sums, and shown as the difference."""
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    """Edges of a band around the line: an interval of confidence. Both or none."""


@dataclass(frozen=True)
class Line:
    """A level across the chart. ``below``: its name is written under it."""

    name: str
    value: float
    dashed: bool = False
    below: bool = False


@dataclass(frozen=True)
class Span:
    """A stretch of time that is painted, and named where there is room."""

    name: str
    since: float
    until: float
    tone: Tone = "plain"


@dataclass(frozen=True)
class Chart:
    """Series over ``x``. Charts of one ``group`` share their cursor. ``top`` fixes the scale from 0.

    ``summary`` says in a sentence what is to be seen, for those who do not see it.
    """

    name: str
    summary: str
    x: Sequence[float]
    series: Sequence[Series]
    top: float
    unit: str = ""
    percent: bool = False
    lines: Sequence[Line] = ()
    spans: Sequence[Span] = ()
    group: str = "page"
    since: float = 0.0
    until: float | None = None
    """Left and right end of the x axis; None is where ``x`` ends."""
    axis: Axis = "seconds"


def chart(what: Chart) -> Html:
    """The figure: its legend as HTML, its data as JSON."""
    legend = [
        tag("li", tag("i", class_=f"key {one.tone}"), one.name, tag("output", data_series=number))
        for number, one in enumerate(what.series)
    ]
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("b", what.name),
            tag("span", f" {what.unit}", class_="unit") if what.unit else None,
            tag("span", class_="moment"),
            tag("ul", *legend, class_="legend"),
        ),
        tag("div", class_="plot", role="img", aria_label=f"{what.name}: {what.summary}", tabindex=0),
        tag("script", as_script_data(asdict(what)), type="application/json"),
        class_="chart",
    )


def as_script_data(value: object) -> Html:
    """JSON that cannot end the script element in which it stands. Raises ValueError for NaN and infinities."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return join(Html(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")))
