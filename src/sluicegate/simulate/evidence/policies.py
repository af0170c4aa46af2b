"""A page for each policy: totals, Roles, kinds, CSPs and the DSP, beside what there was without it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluicegate.simulate.evidence import words
from sluicegate.simulate.evidence.curves import (
    Curve,
    capacity_lines,
    common_top,
    offered_and_delivered,
    over_time,
)
from sluicegate.simulate.evidence.figures import equivalent, fact, in_time_cell, without_empty
from sluicegate.simulate.evidence.findings import Change, Pair, changes, pair
from sluicegate.simulate.page import Cell, Html, Link, Tone, chart, link, navigation, page, table, tag

PART = "policies"
MOST_LISTED = 8
Summary = Mapping[str, Any]
Policy = Mapping[str, Any]
Keys = Mapping[str, str]
_CSP_TONES: tuple[Tone, ...] = ("plain", "violet", "sky", "olive", "rose")


def policy_pages(summary: Summary, keys: Keys, user_keys: Keys) -> Iterator[Html]:
    """A page a policy, in the order of the summary."""
    both = pair(summary)
    base = both.before if both else None
    chips = [Link(keys[one["name"]], one["title"]) for one in summary["policies"]]
    for policy in summary["policies"]:
        yield page(
            keys[policy["name"]],
            policy["title"],
            navigation("Policies", chips, "chips"),
            tag("p", f"Policy {policy['name']}", class_="eyebrow"),
            tag("h1", policy["title"]),
            tag("p", policy["explanation"], class_="claim"),
            *_body(summary, policy, None if policy is base else base, keys, user_keys),
            part=PART,
        )


def _body(summary: Summary, policy: Policy, base: Policy | None, keys: Keys, user_keys: Keys) -> Iterator[Html]:
    key = keys[policy["name"]]
    yield _facts(policy, base)
    yield tag("h2", "Over the day")
    yield tag("div", *_totals(summary, policy, base, key), class_="pair")
    yield tag("h2", "What the DSP saw")
    yield _dsp(policy, base)
    yield tag("h2", "What the CSPs saw")
    yield from _csps(summary, policy, base, key)
    yield tag("h2", "By Role")
    yield _groups("Role", policy["roles"], base["roles"] if base else None)
    yield tag("h2", "By kind of request")
    yield _groups("Kind", policy["kinds"], base["kinds"] if base else None, _notes(summary))
    if base:
        yield tag("h2", "Users who fare differently")
        yield from _differences(Pair(base, policy), user_keys)


def _notes(summary: Summary) -> dict[str, str]:
    return {
        kind[
            "name"
        ]: f"{kind['srv']}{', urgent' if kind['urgent'] else ''}{', inside the DSP' if kind['internal'] else ''}"
        for kind in summary["kinds"]
    }


def _facts(policy: Policy, base: Policy | None) -> Html:
    sides = [one for one in (base, policy) if one is not None]
    urgent, jain = [one["urgent"]["share"] for one in sides], [one["jain"] for one in sides]
    down, harmed = [one["dsp"]["outage_minutes"] for one in sides], [one["harm"]["harmed"] for one in sides]
    tries = [one["amplification"] for one in sides]
    return tag(
        "dl",
        fact("Urgent requests in time", urgent, words.share, more_is_better=True),
        fact("The DSP was down for", down, words.minutes, more_is_better=False),
        fact("Harmed within their allocation", harmed, words.count, more_is_better=False),
        fact("Attempts a request", tries, words.times, more_is_better=False),
        fact("Fairness (1: all alike)", jain, words.index, more_is_better=True),
        equivalent(policy),
        class_="facts three",
    )


def _totals(summary: Summary, policy: Policy, base: Policy | None, key: str) -> Iterator[Html]:
    sides = [one for one in (base, policy) if one is not None]
    top = common_top(summary, sides, ("offered", "delivered"))
    yield chart(offered_and_delivered(summary, policy, "Asked for and delivered", top, key))
    series = policy["series"]
    yield chart(
        over_time(
            summary,
            policy,
            "At the gate and at the DSP",
            f"at most {max(series['attempts'], default=0):,.0f} SR/s were sent, at most "
            f"{max(series['throttled'], default=0):,.0f} SR/s were throttled, and at most "
            f"{max(series['failed'], default=0):,.0f} SR/s refused or lost by the DSP.",
            [
                Curve("sent, repeats included", series["attempts"], "plain"),
                Curve("admitted", series["admitted"], "calm", fill=True),
                Curve("throttled", series["throttled"], "warm"),
                Curve("refused or lost", series["failed"], "bad"),
            ],
            lines=capacity_lines(summary, policy),
            group=key,
        )
    )


def _dsp(policy: Policy, base: Policy | None) -> Html:
    rows = [
        ("Outages", "outages", words.count),
        ("Time in outages", "outage_minutes", words.minutes),
        ("Busiest second, SR", "peak", words.count),
        ("Most requests held", "most_held", words.count),
        ("Refused, its buffer being full", "refused", words.count),
        ("Lost in an outage", "lost", words.count),
        ("Part of its capacity that was used", "utilisation", words.share),
    ]
    heads = [Cell("DSP", figure=False), *([Cell(base["title"])] if base else []), Cell(policy["title"])]
    told = [
        [Cell(name, figure=False), *(Cell(text(one["dsp"][field])) for one in (base, policy) if one is not None)]
        for name, field, text in rows
    ]
    told.append(
        [
            Cell("Traffic management active", figure=False),
            *(Cell(words.minutes(one["active_minutes"])) for one in (base, policy) if one is not None),
        ]
    )
    return table(f"The DSP under {policy['title']}", heads, told)


def _csps(summary: Summary, policy: Policy, base: Policy | None, key: str) -> Iterator[Html]:
    columns = [
        ("requests, busiest second", "peak", words.count),
        ("SR/s, busiest minute", "peak_minute", words.rate),
        ("most that waited in it", "most_backlog", words.count),
        ("most the DSP held back", "most_waiting", words.count),
        ("attempts", "attempts", words.count),
        ("failed attempts", "failures", words.count),
    ]
    if base:
        yield tag("p", "Without → with this policy.", class_="hint")
    heads = [Cell("CSP", figure=False), Cell("capacity, SR/s"), *(Cell(name) for name, *_ in columns)]
    capacities = {csp["name"]: csp["capacity"] for csp in summary["csps"]}
    rows = []
    for name, after in policy["csps"].items():
        before = base["csps"].get(name) if base else None
        cells = [Cell(" → ".join(text(one[field]) for one in (before, after) if one)) for _, field, text in columns]
        rows.append([Cell(name, figure=False), Cell(words.rate(capacities.get(name))), *cells])
    yield tag("div", table(f"The CSPs under {policy['title']}", heads, rows), class_="wide")
    yield tag("div", *_csp_charts(summary, policy, key), class_="pair below")


def _csp_charts(summary: Summary, policy: Policy, key: str) -> Iterator[Html]:
    series = policy["series"]["csps"]
    pictures = [
        ("Arrivals at the CSPs", "arrived", "SR/s", "attempts that arrive at each CSP"),
        ("Waiting in the CSPs", "backlog", "SR", "requests that wait inside each CSP"),
        ("Held by the DSP for the CSPs", "waiting", "SR", "requests that the DSP holds back to try again"),
    ]
    for name, field, unit, tells in pictures:
        curves = [
            Curve(csp, one[field], _CSP_TONES[place % len(_CSP_TONES)])
            for place, (csp, one) in enumerate(series.items())
        ]
        if curves and (field == "arrived" or any(any(curve.values) for curve in curves)):
            yield chart(over_time(summary, policy, name, f"{tells}.", curves, unit=unit, group=key))


def _groups(
    name: str, groups: Mapping[str, Any], base: Mapping[str, Any] | None, notes: Mapping[str, str] | None = None
) -> Html:
    heads = [
        Cell(name, figure=False),
        Cell("offered"),
        Cell("delivered"),
        *([Cell("in time, without", figure=False)] if base is not None else []),
        Cell("in time" + (", with" if base is not None else ""), figure=False),
        Cell("throttled at least once"),
        Cell("returned"),
        Cell("given up"),
        Cell("quarantined"),
        Cell("half took at most"),
        Cell("95 in 100"),
        Cell("99 in 100"),
        Cell("harmed"),
    ]
    rows = []
    for key, one in groups.items():
        before = [in_time_cell(base[key], "plain")] if base is not None and key in base else []
        if base is not None and not before:
            before = [Cell(words.NOTHING, figure=False)]
        note = (notes or {}).get(key)
        label = tag("span", key, tag("span", note, class_="role") if note else None)
        rows.append([Cell(label, figure=False), *_figures(one, before)])
    return without_empty(f"Figures by {name}", heads, rows)


def _figures(one: Mapping[str, Any], before: Sequence[Cell]) -> Iterator[Cell]:
    yield Cell(words.count(one["offered"]))
    yield Cell(words.share(words.part_of(one["delivered"], one["offered"])))
    yield from before
    yield in_time_cell(one, "calm")
    for field in ("throttled", "returned", "given_up", "quarantined"):
        yield Cell(words.count(one[field]))
    for field in ("p50", "p95", "p99"):
        yield Cell(words.seconds(one[field]))
    yield Cell(words.count(one["harmed"]))


def _differences(both: Pair, user_keys: Keys) -> Iterator[Html]:
    everybody = [one for one in changes(both) if one.before != one.after]
    worse = [one for one in everybody if one.after < one.before][:MOST_LISTED]
    better = [one for one in reversed(everybody) if one.after > one.before][:MOST_LISTED]
    sides = (("Those who gain most", better), ("Those who lose most", worse))
    yield tag("div", *(_side(name, some, user_keys) for name, some in sides), class_="pair")


def _side(name: str, some: Sequence[Change], user_keys: Keys) -> Html:
    if not some:
        return tag("p", f"{name}: nobody.", class_="hint")
    heads = [Cell(name, figure=False), Cell("in time, without"), Cell("in time, with")]
    rows = [
        [
            Cell(link(user_keys[one.name], one.name), figure=False),
            Cell(words.share(one.before)),
            Cell(words.share(one.after)),
        ]
        for one in some
    ]
    return table(name, heads, rows)
