"""The list of Users, and a page for each: that User under every policy."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluicegate.simulate.evidence import words
from sluicegate.simulate.evidence.curves import MOST_USER_POINTS, Curve, over_time, thin
from sluicegate.simulate.evidence.figures import in_time_cell, without_empty
from sluicegate.simulate.evidence.findings import pair
from sluicegate.simulate.page import Cell, Html, Tone, chart, link, page, search, table, tag

KEY = "users"
PART = "users"
MOST_CHARTED = 100
_LIST = "list-of-users"
_TONES: tuple[Tone, ...] = ("plain", "calm")  # without and with; where there is but one policy, as with
Summary = Mapping[str, Any]
User = Mapping[str, Any]
Keys = Mapping[str, str]


def user_pages(summary: Summary, policy_keys: Keys, user_keys: Keys) -> Iterator[Html]:
    """The list first, and then each User."""
    yield _list(summary, user_keys)
    seen = charted(summary)
    for user in summary["users"]:
        yield _page(summary, user, policy_keys, user_keys, charts=user["name"] in seen)


def charted(summary: Summary) -> set[str]:
    """The Users whose charts are kept: those who asked for most; with pseudonyms, simply the first of the list."""
    names = [user["name"] for user in summary["users"]]
    if not summary["anonymous"] and summary["policies"]:
        measures = summary["policies"][0]["users"]
        names.sort(key=lambda name: -measures.get(name, {"offered": 0})["offered"])
    return set(names[:MOST_CHARTED])


def _list(summary: Summary, keys: Keys) -> Html:
    both = pair(summary)
    policies = both or summary["policies"][:1]
    named = not summary["anonymous"]
    heads = [
        Cell("User", figure=False),
        Cell("Role", figure=False),
        Cell("allocation"),
        *([Cell("offered")] if named else []),
    ]
    heads += [Cell(f"in time: {one['title']}", figure=False) for one in policies]
    heads += [Cell(f"throttled at least once: {policies[-1]['title']}")] if policies else []
    rows = [_row(user, policies, keys, named=named) for user in summary["users"]]
    return page(
        KEY,
        "Users",
        tag("p", "Each of them has a page", class_="eyebrow"),
        tag("h1", f"{words.count(len(summary['users']))} Users"),
        search(_LIST, "Find"),
        tag("p", _kept(summary), class_="hint"),
        table("Users", heads, rows, name=_LIST),
        part=PART,
    )


def _kept(summary: Summary) -> str:
    parts = "What they sent is told in parts of 100, their size as a band. " if summary["anonymous"] else ""
    if len(summary["users"]) <= MOST_CHARTED:
        return f"{parts}The name leads to the User's own page, with every policy."
    which = "the first" if summary["anonymous"] else "those who asked for most"
    return f"{parts}The name leads to the User's own page. Charts are kept for {MOST_CHARTED} Users, {which}."


def _row(user: User, policies: Sequence[Mapping[str, Any]], keys: Keys, *, named: bool) -> list[Cell]:
    name = user["name"]
    measures = [one["users"].get(name) for one in policies]
    last = measures[-1] if measures else None
    tones = _TONES[len(_TONES) - len(policies) :]
    return [
        Cell(link(keys[name], name), figure=False),
        Cell(user["role"], figure=False),
        Cell(allocation_text(user)),
        *([Cell(words.count(last["offered"]) if last else words.NOTHING)] if named else []),
        *(
            in_time_cell(one, tone) if one else Cell(words.NOTHING, figure=False)
            for one, tone in zip(measures, tones, strict=True)
        ),
        *([Cell(_part(last, "throttled"))] if measures else []),
    ]


def allocation_text(user: User) -> str:
    """SR/s, or the band that stands for it."""
    allocation = user["allocation"]
    return allocation if isinstance(allocation, str) else words.rate(allocation)


def _part(measures: Mapping[str, Any] | None, field: str) -> str:
    return words.share(words.part_of(measures[field], measures["offered"])) if measures else words.NOTHING


def _page(summary: Summary, user: User, policy_keys: Keys, keys: Keys, *, charts: bool) -> Html:
    name = user["name"]
    return page(
        keys[name],
        name,
        tag("p", link(KEY, "Users"), " · ", user["role"], class_="eyebrow"),
        tag("h1", name),
        _facts(summary, user),
        tag("h2", "Under each policy", class_="small"),
        tag("p", "Of 100 requests.", class_="hint") if summary["anonymous"] else None,
        _measures(summary, name, policy_keys),
        *(_charts(summary, name, keys[name]) if charts else [tag("p", _kept(summary), class_="hint")]),
        part=PART,
    )


def _facts(summary: Summary, user: User) -> Html:
    facts = [("Allocation", f"{allocation_text(user)}{'' if summary['anonymous'] else ' SR/s'}")]
    if user.get("meters"):
        facts.append(("Meters", words.count(user["meters"])))
    measures = summary["policies"][0]["users"].get(user["name"]) if summary["policies"] else None
    if measures:
        if not summary["anonymous"]:
            facts.append(("Requests", words.count(measures["offered"])))
        facts.append(("Within its allocation", _part(measures, "conforming")))
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in facts), class_="assumptions")


def _measures(summary: Summary, name: str, policy_keys: Keys) -> Html:
    heads = [
        Cell("Policy", figure=False),
        Cell("delivered"),
        Cell("in time", figure=False),
        Cell("throttled at least once"),
        Cell("throttled answers"),
        Cell("refused or lost"),
        Cell("returned"),
        Cell("given up"),
        Cell("quarantined"),
        Cell("half took at most"),
        Cell("95 in 100"),
        Cell("99 in 100"),
        Cell("harmed within allocation"),
    ]
    rows = []
    for policy in summary["policies"]:
        one = policy["users"].get(name)
        if one:
            head = Cell(link(policy_keys[policy["name"]], policy["title"]), figure=False)
            rows.append([head, *_cells(one, at_most="≤ " if summary["anonymous"] else "")])
    return without_empty(f"{name} under each policy", heads, rows)


def _cells(one: Mapping[str, Any], at_most: str) -> Iterator[Cell]:
    yield Cell(_part(one, "delivered"))
    yield in_time_cell(one, "calm")
    for field in ("throttled", "answers", "failed", "returned", "given_up", "quarantined"):
        yield Cell(words.count(one[field]))
    for field in ("p50", "p95", "p99"):
        text = words.seconds(one[field])
        yield Cell(text if one[field] is None else at_most + text)
    yield Cell(words.count(one["harmed"]))


def _charts(summary: Summary, name: str, key: str) -> Iterator[Html]:
    kept = [(policy, policy["series"]["users"].get(name)) for policy in summary["policies"]]
    drawn = [(policy, series) for policy, series in kept if series]
    if not drawn:
        yield tag("p", "It sent too little for charts.", class_="hint")
        return
    top = 1.08 * max((_highest(series) for _, series in drawn), default=0.0) or 1.0
    unit = "its own scale" if summary["anonymous"] else "SR/s"
    pictures = []
    for policy, series in drawn:
        curves = [
            Curve("throttled answers", series["throttled"], "warm"),
            Curve("asked for", series["offered"], "plain"),
            Curve("delivered", series["delivered"], "calm", fill=True),
        ]
        pictures.append(
            over_time(
                summary,
                policy,
                policy["title"],
                f"what {name} asked for, what was delivered, and what was throttled.",
                curves,
                step=policy["series"].get("users_step"),
                unit=unit,
                top=top,
                points=MOST_USER_POINTS,
                group=key,
                percent=bool(summary["anonymous"]),
            )
        )
    yield tag("h2", "Over the day", class_="small")
    yield tag("div", *map(chart, pictures), class_="pair")


def _highest(series: Mapping[str, list[float | None]]) -> float:
    count = max((len(values) for values in series.values()), default=0)
    together = max(1, -(-count // MOST_USER_POINTS))
    thinned = (value for values in series.values() for value in thin(values, together))
    return max((value for value in thinned if value is not None), default=0.0)
