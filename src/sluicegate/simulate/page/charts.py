"""Charts over time. Python says what is to be seen; `charts.js` draws it with uPlot."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sluicegate.simulate.page.markup import Html, join, tag

Tone = Literal["calm", "warm", "bad", "plain"]
"""What a colour means on every page: those protected, the one who bursts, what failed, all else."""


@dataclass(frozen=True)
class Series:
    """One line; ``values`` None is a gap. ``fill`` paints what is under it, or what is ``above`` another one."""

    name: str
    values: Sequence[float | None]
    tone: Tone = "plain"
    fill: bool = False
    above: int | None = None
    """Index of the series on which this one stands: values are then sums, and shown as the difference."""


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
    """Series over ``x`` (seconds). Charts of one ``group`` share their cursor. ``top`` fixes the scale from 0.

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
    until: float | None = None
    """Right end of the x axis."""


def chart(what: Chart) -> Html:
    """The figure: its legend as HTML, its data as JSON."""
    legend = [
        tag("li", tag("i", class_=f"key {one.tone}"), one.name, tag("output", data_series=number))
        for number, one in enumerate(what.series)
    ]
    return tag(
        "figure",
        tag("figcaption", tag("b", what.name), tag("ul", *legend, class_="legend")),
        tag("div", class_="plot", role="img", aria_label=f"{what.name}: {what.summary}", tabindex=0),
        tag("script", as_script_data(asdict(what)), type="application/json"),
        class_="chart",
    )


def as_script_data(value: object) -> Html:
    """JSON that cannot end the script element in which it stands. Raises ValueError for NaN and infinities."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return join(Html(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")))
