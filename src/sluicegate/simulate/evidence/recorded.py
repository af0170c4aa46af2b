"""Of a replay: what was recorded beside what would have been, in all and by User."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sluicegate.simulate.evidence import words
from sluicegate.simulate.evidence.curves import MOST_POINTS, highest, thin
from sluicegate.simulate.page import Cell, Chart, Html, Series, Tone, chart, link, page, search, table, tag

KEY = "recorded"
_LIST = "recorded-users"
_SIDES: tuple[tuple[str, Tone], ...] = (("recorded", "plain"), ("replayed", "calm"))
Summary = Mapping[str, Any]


def recorded_page(summary: Summary, user_keys: Mapping[str, str]) -> Html:
    """The page."""
    told = summary["replay"]
    return page(
        KEY,
        "Recorded and replayed",
        tag("p", f"Policy {told['policy']}, habit {told['habit']}", class_="eyebrow"),
        tag("h1", "What was recorded, and what would have been"),
        tag("p", _claim(told), class_="claim"),
        tag("div", *_charts(summary), class_="pair"),
        tag("h2", "By User"),
        *_users(told, user_keys),
    )


def _claim(told: Mapping[str, Any]) -> str:
    record = told["record"]
    series = told["series"]
    sums = {side: round(sum(series[side]["throttled"]) * series["step"]) for side, _ in _SIDES}
    strangers = len(told["unknown_users"])
    one = strangers == 1
    left_out, held = ("was", "holds") if one else ("were", "hold")
    dropped = f"{left_out} left out" if told["unknown"] == "leave-out" else f"{held} an allocation of 0"
    said = (
        f"{words.count(record['rows'])} recorded attempts, from {_moment(record['first'])} to "
        f"{_moment(record['last'])} UTC. "
        f"Throttled: {words.count(sums['recorded'])} as recorded, {words.count(sums['replayed'])} as replayed."
    )
    if strangers:
        who = "A User" if strangers == 1 else f"{strangers:,} Users"
        said += f" {who} whom the configuration does not name {dropped}."
    if record["bad_rows"]:
        said += f" {words.count(record['bad_rows'])} bad rows were passed over."
    return said


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"


def _charts(summary: Summary) -> Iterator[Html]:
    series = summary["replay"]["series"]
    first, step = summary["scenario"]["first_second"], series["step"]
    wide = max(1, -(-len(series["t"]) // MOST_POINTS))
    x = [first + at + step * wide / 2 for at in series["t"][::wide]]
    for name, field in (("Let through", "admitted"), ("Throttled", "throttled")):
        lines = [Series(side, thin(series[side][field], wide), tone) for side, tone in _SIDES]
        top = max([0.0, *highest(lines)])
        tells = f"at most {top:,.0f} SR/s."
        end = first + max(1, len(series["t"])) * step
        yield chart(
            Chart(
                name, tells, x, lines, 1.08 * top or 1.0, unit="SR/s", group=KEY, since=first, until=end, axis="clock"
            )
        )


def _users(told: Mapping[str, Any], keys: Mapping[str, str]) -> Iterator[Html]:
    people: Sequence[Mapping[str, Any]] = told["per_user"]
    if not people:
        yield tag("p", "What is of one User alone is left out.", class_="hint")
        return
    heads = [
        Cell("User", figure=False),
        Cell("allocation"),
        Cell("wanted"),
        *(Cell(f"{name}: {side}") for name in ("let through", "throttled", "rejected") for side, _ in _SIDES),
    ]
    rows = [
        [
            Cell(link(keys[one["user"]], one["user"]) if one["user"] in keys else one["user"], figure=False),
            Cell(words.rate(one["allocation"])),
            Cell(words.count(one["demand"])),
            *(
                Cell(words.count(one[side][name]))
                for name in ("admitted", "throttled", "rejected")
                for side, _ in _SIDES
            ),
        ]
        for one in people
    ]
    yield search(_LIST, "Find")
    yield tag("div", table("Recorded and replayed, in attempts", heads, rows, name=_LIST), class_="wide")
