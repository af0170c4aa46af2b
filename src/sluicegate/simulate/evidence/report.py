"""The report: one HTML file, of pages."""

from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.simulate.evidence import assumptions, costs, overview, policies, recorded, sweep, users
from sluicegate.simulate.evidence.findings import pair
from sluicegate.simulate.page import Html, Link, document, keys, navigation, tag

Summary = Mapping[str, Any]


def report(summary: Summary) -> str:
    """A self-contained HTML file out of what is in `summary.json`. The same summary, the same text."""
    policy_keys = keys("policy", [one["name"] for one in summary["policies"]])
    user_keys = keys("user", [one["name"] for one in summary["users"]])
    return document(
        f"Sluicegate: {summary['scenario']['title']}",
        *_pages(summary, policy_keys, user_keys),
        tag("footer", f"Sluicegate {summary['sluicegate']}. Charts: uPlot (MIT). This page needs no network."),
        before=navigation("Pages", _links(summary, policy_keys)),
        pages=True,
    )


def _pages(summary: Summary, policy_keys: Mapping[str, str], user_keys: Mapping[str, str]) -> Iterator[Html]:
    """In the order in which they are read, and printed."""
    yield overview.overview(summary, policy_keys)
    if summary.get("replay"):
        yield recorded.recorded_page(summary, user_keys)
    yield from policies.policy_pages(summary, policy_keys, user_keys)
    if costs.priced(summary):
        yield costs.costs_page(summary, policy_keys, user_keys)
    if summary["sweep"]:
        yield sweep.sweep_page(summary)
    yield assumptions.assumptions_page(summary)
    yield from users.user_pages(summary, policy_keys, user_keys)


def _links(summary: Summary, policy_keys: Mapping[str, str]) -> Iterator[Link]:
    yield Link(overview.KEY, "Overview")
    if summary.get("replay"):
        yield Link(recorded.KEY, "Recorded")
    if summary["policies"]:
        both = pair(summary)
        shown = both.after if both else summary["policies"][0]
        yield Link(policy_keys[shown["name"]], "Policies", policies.PART)
    yield Link(users.KEY, "Users", users.PART)
    if costs.priced(summary):
        yield Link(costs.KEY, "Costs")
    if summary["sweep"]:
        yield Link(sweep.KEY, "Sweep")
    yield Link(assumptions.KEY, "Assumptions")
