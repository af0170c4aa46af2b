"""Both sides of the business case: what the system costs, and what Users pay in delay and in changes of their own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluicegate.simulate.evidence import words
from sluicegate.simulate.evidence.findings import Pair, money, pair
from sluicegate.simulate.page import Cell, Html, Tone, level_cell, link, page, table, tag

KEY = "costs"
_SYSTEM = (("capacity", "capacity"), ("outages", "outages"))
_USERS = (
    ("late", "urgent requests too late"),
    ("undelivered", "requests never delivered"),
    ("delay", "delay"),
    ("change", "changes of their systems"),
)
Summary = Mapping[str, Any]
Policy = Mapping[str, Any]
Keys = Mapping[str, str]


def priced(summary: Summary) -> list[Policy]:
    """The policies that have costs."""
    return [one for one in summary["policies"] if one.get("costs")]


def costs_page(summary: Summary, policy_keys: Keys, user_keys: Keys) -> Html:
    """The page. There are costs of at least one policy."""
    policies = priced(summary)
    both = pair(summary)
    if both and not (both.before.get("costs") and both.after.get("costs")):
        both = None
    return page(
        KEY,
        "Costs",
        tag("p", "In pounds a year, at the prices of the scenario", class_="eyebrow"),
        tag("h1", "What it costs, and whom"),
        tag("p", money(both), class_="claim") if both else None,
        tag(
            "p",
            "What the scenario gives no price for counts as nothing here. Prices stand in the scenario.",
            class_="hint",
        ),
        tag("h2", "Both sides"),
        _totals(policies, policy_keys),
        tag("h2", "In detail"),
        tag(
            "div",
            _side("For the system", policies, _SYSTEM, policy_keys, "plain"),
            _side("For the Users", policies, _USERS, policy_keys, "warm"),
            class_="stack",
        ),
        *(_by_user(summary, both, user_keys) if both else ()),
    )


def _sum(costs: Mapping[str, Any], parts: Sequence[tuple[str, str]]) -> float:
    return sum(costs.get(field) or 0.0 for field, _ in parts)


def _side(name: str, policies: Sequence[Policy], parts: Sequence[tuple[str, str]], keys: Keys, tone: Tone) -> Html:
    heads = [Cell(name, figure=False), *(Cell(title) for _, title in parts), Cell("sum", figure=False)]
    most = max((_sum(one["costs"], parts) for one in policies), default=0.0) or 1.0
    rows = []
    for policy in policies:
        costs = policy["costs"]
        whole = _sum(costs, parts)
        rows.append(
            [
                Cell(link(keys[policy["name"]], policy["title"]), figure=False),
                *(Cell(words.pounds(costs.get(field))) for field, _ in parts),
                level_cell(whole / most, words.pounds(whole), tone),
            ]
        )
    return table(name, heads, rows)


def _totals(policies: Sequence[Policy], keys: Keys) -> Html:
    """The system's and the Users' costs beside each other, on one scale."""
    names = ("For the system", "For the Users", "Cost of a year")
    tones: tuple[Tone, ...] = ("plain", "warm", "plain")
    sums = {
        one["name"]: (_sum(one["costs"], _SYSTEM), _sum(one["costs"], _USERS), one["costs"]["total_year"] or 0.0)
        for one in policies
    }
    most = max((max(some) for some in sums.values()), default=0.0) or 1.0
    rows = [
        [
            Cell(link(keys[one["name"]], one["title"]), figure=False),
            *(
                level_cell(value / most, words.pounds(value), tone)
                for value, tone in zip(sums[one["name"]], tones, strict=True)
            ),
        ]
        for one in policies
    ]
    heads = [Cell("Policy", figure=False), *(Cell(name, figure=False) for name in names)]
    return table("The cost of a year under each policy", heads, rows)


def _by_user(summary: Summary, both: Pair, keys: Keys) -> Iterator[Html]:
    """What each User's own change of systems costs it, against what it saves on delay and loss."""
    before, after = (one["costs"].get("users") or {} for one in both)
    if not before or not after:
        return
    yield tag("h2", "User by User")
    yield tag(
        "p",
        "What its requests' delay and loss cost each User, and what it pays to change its own systems. "
        "Less is better; a minus says that the User is better off.",
        class_="hint",
    )
    heads = [
        Cell("User", figure=False),
        Cell(f"delay and loss: {both.before['title']}"),
        Cell(f"delay and loss: {both.after['title']}"),
        Cell("change of its systems"),
        Cell("difference"),
    ]
    rows = []
    for user in summary["users"]:
        one, other = before.get(user["name"], {}), after.get(user["name"], {})
        if one or other:
            loss, loss_after = _sum(one, _USERS[:3]), _sum(other, _USERS[:3])
            change, change_before = other.get("change") or 0.0, one.get("change") or 0.0
            figures = (loss, loss_after, change, loss_after + change - loss - change_before)
            rows.append(
                [Cell(link(keys[user["name"]], user["name"]), figure=False), *(Cell(words.pounds(x)) for x in figures)]
            )
    yield table("Costs of each User", heads, rows)
