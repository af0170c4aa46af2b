"""The first page: what happened, who gains, who pays, and how the policies compare."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from sluicegate.simulate.evidence import words
from sluicegate.simulate.evidence.curves import common_top, offered_and_delivered
from sluicegate.simulate.evidence.figures import equivalent, fact, looked_for
from sluicegate.simulate.evidence.findings import Pair, claim, pair, under, verdict
from sluicegate.simulate.page import Cell, Html, Tone, chart, level_cell, link, page, table, tag

KEY = "overview"
Summary = Mapping[str, Any]
Policy = Mapping[str, Any]
Keys = Mapping[str, str]


def overview(summary: Summary, keys: Keys) -> Html:
    """The page. ``keys``: of the pages of policies."""
    scenario = summary["scenario"]
    both = pair(summary)
    what = "what would have happened to recorded traffic" if summary["what"] == "replay" else "a simulation"
    date = f" · {scenario['date']}" if scenario["date"] else ""
    return page(
        KEY,
        "Overview",
        *banners(summary),
        tag("p", f"Sluicegate · {what}{date}", class_="eyebrow"),
        tag("h1", scenario["title"]),
        tag("p", scenario["description"], class_="claim") if scenario["description"] else None,
        *(_beside(summary, both) if both else _alone(summary)),
        tag("h2", "The policies beside each other"),
        tag(
            "p",
            f"The same {words.count(scenario['requests'])} requests under each. What a column means stands under ",
            link("assumptions", "assumptions"),
            ".",
            class_="hint",
        ),
        comparison(summary, keys),
        first=True,
    )


def banners(summary: Summary) -> Iterator[Html]:
    """What a reader must know before any figure."""
    if not summary["complete"]:
        yield tag(
            "p",
            tag("b", "The run was stopped before its end. "),
            "What stands here is what it had until then: figures are too low, and policies may be missing. "
            "Nothing should be decided on it.",
            class_="banner stopped",
            role="note",
        )
    if summary["anonymous"]:
        yield tag(
            "p",
            tag("b", "Users have pseudonyms. "),
            "Their sizes stand in bands, what they sent in parts of 100, and their charts have scales of their own.",
            class_="banner",
            role="note",
        )


def _beside(summary: Summary, both: Pair) -> Iterator[Html]:
    yield tag("p", claim(both), class_="claim")
    yield _facts(both)
    answers = (tag("div", tag("dt", question), tag("dd", answer)) for question, answer in verdict(both))
    yield tag("dl", *answers, class_="verdict")
    yield tag("h2", "What was asked for, and what was delivered")
    yield tag("p", "Painted: when the DSP was down, and when traffic management was active.", class_="hint")
    top = common_top(summary, both, ("offered", "delivered"))
    pictures = (chart(offered_and_delivered(summary, policy, under(policy), top, KEY)) for policy in both)
    yield tag("div", *pictures, class_="pair")


def _alone(summary: Summary) -> Iterator[Html]:
    for policy in summary["policies"]:
        top = common_top(summary, [policy], ("offered", "delivered"))
        yield chart(offered_and_delivered(summary, policy, under(policy), top, KEY))


def _facts(both: Pair) -> Html:
    down = [one["dsp"]["outage_minutes"] for one in both]
    harmed = [one["harm"]["harmed"] for one in both]
    if both.before["urgent"]["offered"]:
        name, in_time = "Urgent requests delivered in time", [one["urgent"]["share"] for one in both]
    else:
        name = "Requests delivered in time"
        in_time = [words.part_of(one["total"]["in_time"], one["total"]["offered"]) for one in both]
    return tag(
        "dl",
        fact(name, in_time, words.share, more_is_better=True),
        fact("The DSP was down for", down, words.minutes, more_is_better=False),
        fact("Requests harmed within their User's allocation", harmed, words.count, more_is_better=False),
        equivalent(both.after),
        class_="facts",
    )


Column = tuple[str, Sequence[float | None], Sequence[str], Tone, Literal["share", "level"]]
"""Heading, values (for the bars), their texts, the bars' colour, and whether a bar is full at 1 or at the largest."""


def comparison(summary: Summary, keys: Keys) -> Html:
    """The table of policies."""
    policies = summary["policies"]
    columns = list(_columns(policies))
    heads = [Cell("Policy", figure=False), *(Cell(column[0], figure=False) for column in columns)]
    rows = [
        [Cell(link(keys[policy["name"]], policy["title"]), figure=False), *(_cell(column, place) for column in columns)]
        for place, policy in enumerate(policies)
    ]
    return tag("div", table("The policies beside each other", heads, rows), class_="wide")


def _columns(policies: Sequence[Policy]) -> Iterator[Column]:
    urgent = [one["urgent"]["share"] for one in policies]
    yield "urgent requests in time", urgent, [words.share(value) for value in urgent], "calm", "share"
    down = [one["dsp"]["outage_minutes"] for one in policies]
    yield "DSP down for", down, [words.minutes(value) for value in down], "bad", "level"
    harm = [one["harm"]["share"] for one in policies]
    yield "harmed within their allocation", harm, [words.share(value) for value in harm], "bad", "level"
    jain = [one["jain"] for one in policies]
    yield "fairness (1: all alike)", jain, [words.index(value) for value in jain], "calm", "share"
    tries = [one["amplification"] for one in policies]
    yield "attempts a request", tries, [words.times(value) for value in tries], "warm", "level"
    peaks = [max((csp["peak_minute"] for csp in one["csps"].values()), default=None) for one in policies]
    yield "busiest CSP minute, SR/s", peaks, [words.rate(value) for value in peaks], "plain", "level"
    if any(looked_for(one) for one in policies):
        bought = [(one.get("equivalent_capacity") or {}).get("k") for one in policies]
        yield "capacity to buy the same", bought, [_bought_text(one) for one in policies], "plain", "level"
    if any(one.get("costs") for one in policies):
        costs = [(one.get("costs") or {}).get("total_year") for one in policies]
        yield "cost of a year", costs, [words.pounds(value) for value in costs], "plain", "level"


def _bought_text(policy: Policy) -> str:
    bought = policy.get("equivalent_capacity")
    if not bought or not looked_for(policy):
        return words.NOTHING
    return words.times(bought["k"]) if bought["reached"] else "none found"


def _cell(column: Column, place: int) -> Cell:
    _, values, texts, tone, scale = column
    value = values[place]
    if value is None:
        return Cell(texts[place], figure=False)
    full = 1.0 if scale == "share" else max((one for one in values if one is not None), default=1.0) or 1.0
    return level_cell(value / full, texts[place], tone)
