"""What comes of another value of a setting: each measure over the parameter, with its interval of confidence."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from sluicegate.simulate.evidence import words
from sluicegate.simulate.page import Cell, Chart, Html, Series, Tone, chart, page, table, tag

KEY = "sweep"
Summary = Mapping[str, Any]
_TONES: tuple[Tone, ...] = ("calm", "plain", "violet", "olive", "rose", "sky", "warm")


class Measure(NamedTuple):
    """How a swept measure is told."""

    title: str
    unit: str
    percent: bool
    text: Callable[[float | None], str]


MEASURES = {
    "urgent_share": Measure("Urgent requests delivered in time", "", True, words.share),
    "outage_minutes": Measure("The DSP was down for", "minutes", False, words.minutes),
    "harm_share": Measure("Harmed within their allocation", "", True, words.share),
    "jain": Measure("Fairness (1: all alike)", "", False, words.index),
    "amplification": Measure("Attempts a request", "", False, words.times),
    "urgent_p95": Measure("95 in 100 urgent requests took at most", "seconds", False, words.seconds),
    "delivered_share": Measure("Requests delivered", "", True, words.share),
    "throttled_share": Measure("Requests throttled at least once", "", True, words.share),
    "active_minutes": Measure("Traffic management active", "minutes", False, words.minutes),
}


def sweep_page(summary: Summary) -> Html:
    """The page: charts over one parameter; a table where several were changed together."""
    sweep = summary["sweep"]
    parameters = sweep["parameters"]
    paths = words.listed([one["path"] for one in parameters], most=len(parameters))
    body = _charts(summary) if len(parameters) == 1 else iter(())
    return page(
        KEY,
        "Sweep",
        tag("p", paths, class_="eyebrow"),
        tag("h1", "With other settings"),
        tag(
            "p",
            f"Each point is the mean of {sweep['seeds']:,} runs, each with traffic of its own seed. "
            "The band around a line is the 95% interval of confidence of that mean.",
            class_="claim",
        ),
        *body,
        tag("h2", "In figures"),
        *_tables(summary),
    )


def _measure(name: str) -> Measure:
    return MEASURES.get(name, Measure(name.replace("_", " "), "", False, words.rate))


def _names(sweep: Mapping[str, Any]) -> list[str]:
    found = dict.fromkeys(name for measures in sweep["policies"].values() for name in measures)
    return sorted(found, key=lambda name: list(MEASURES).index(name) if name in MEASURES else len(MEASURES))


def _tones(sweep: Mapping[str, Any]) -> dict[str, Tone]:
    """`none` as what fails, the mechanism as what protects, the others merely apart."""
    tones: dict[str, Tone] = {"none": "bad", "allocation": "calm"}
    free = [tone for tone in _TONES if tone != "calm" or "allocation" not in sweep["policies"]]
    others = [name for name in sweep["policies"] if name not in tones]
    return tones | {name: free[place % len(free)] for place, name in enumerate(others)}


def _charts(summary: Summary) -> Iterator[Html]:
    sweep = summary["sweep"]
    parameter = sweep["parameters"][0]
    titles = {one["name"]: one["title"] for one in summary["policies"]}
    tones = _tones(sweep)
    yield tag("h2", f"Over {parameter['path']}")
    pictures = []
    for name in _names(sweep):
        lines = [
            Series(titles.get(policy, policy), one["mean"], tones[policy], low=one["low"], high=one["high"])
            for policy, measures in sweep["policies"].items()
            if (one := measures.get(name))
        ]
        pictures.append(_chart(_measure(name), parameter, lines))
    yield tag("div", *map(chart, pictures), class_="pair")


def _chart(measure: Measure, parameter: Mapping[str, Any], lines: Sequence[Series]) -> Chart:
    highs = (value for line in lines for value in (*line.values, *(line.high or ())) if value is not None)
    most = max(highs, default=0.0)
    limited = measure.percent or measure.text is words.index
    values = parameter["values"]
    return Chart(
        measure.title,
        f"over {parameter['path']} from {values[0]:g} to {values[-1]:g}; the figures stand in the table below.",
        values,
        lines,
        top=1.04 if limited and most > 0.5 else 1.08 * most or 1.0,
        unit=measure.unit,
        percent=measure.percent,
        group=KEY,
        since=values[0],
        until=values[-1] if values[-1] > values[0] else values[0] + 1,
        axis="number",
    )


def _tables(summary: Summary) -> Iterator[Html]:
    """A table for each measure: a row for each setting (in the order of the product of several), a column a policy."""
    sweep = summary["sweep"]
    titles = {one["name"]: one["title"] for one in summary["policies"]}
    settings = list(product(*(one["values"] for one in sweep["parameters"])))
    for name in _names(sweep):
        measure = _measure(name)
        heads = [Cell(one["path"], figure=number > 0) for number, one in enumerate(sweep["parameters"])]
        heads += [Cell(titles.get(policy, policy)) for policy in sweep["policies"]]
        rows = []
        for place, setting in enumerate(settings):
            values = [Cell(f"{value:g}", figure=number > 0) for number, value in enumerate(setting)]
            told = [_interval(measures.get(name), place, measure) for measures in sweep["policies"].values()]
            rows.append([*values, *told])
        yield tag("h2", measure.title, class_="small")
        yield table(measure.title, heads, rows)


def _interval(one: Mapping[str, Any] | None, place: int, measure: Measure) -> Cell:
    if one is None or one["mean"][place] is None:
        return Cell(words.NOTHING)
    text = measure.text
    low, high = one["low"][place], one["high"][place]
    band = None if low is None else tag("span", f"{text(low)} to {text(high)}", class_="role")
    return Cell(tag("span", text(one["mean"][place]), band))
