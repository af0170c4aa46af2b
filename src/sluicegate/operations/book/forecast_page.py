"""Forecast against actual as self-contained HTML: one page of all Users for the operator, one of each for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sluicegate import __version__
from sluicegate.duis import CATALOGUE
from sluicegate.operations.book.forecast import STANDS_OUT, Against, Month, OfUser, as_csv
from sluicegate.simulate.page import Cell, Html, document, join, keys, share_cell, table, tag

PAGE: Final = "forecast.html"
_HEADS: Final = ("forecast, SRs", "actual, SRs", "against forecast", "")


def files_of(month: Month) -> Mapping[str, str]:
    """All pages and the Users' own files, by name."""
    names = keys("user", [one.whole.name for one in month.users])
    found = {PAGE: operators_page(month)}
    for one in month.users:
        found[f"{names[one.whole.name]}.html"] = users_page(month, one)
        found[f"{names[one.whole.name]}.csv"] = as_csv(one)
    return found


def operators_page(month: Month) -> str:
    """Of all Users; those who stand out come first."""
    out = month.standing_out
    title = f"Forecast against actual, {month.name}"
    claim = (
        f"{len(out):,} of {len(month.users):,} Users wanted more than {STANDS_OUT:.0%} above their forecast: "
        f"{', '.join(one.whole.name for one in out[:5])}{', ...' if len(out) > 5 else '.'}"
        if out
        else f"None of {len(month.users):,} Users wanted more than {STANDS_OUT:.0%} above its forecast."
    )
    return _page(
        title, month, claim,
        table("Users, those over their forecast first", _heads("User"), [_row(one.whole) for one in month.users]),
        *(_kinds(one, f"{one.whole.name}, by SRV") for one in out),
    )  # fmt: skip


def users_page(month: Month, one: OfUser) -> str:
    """Of one User, with nothing of anybody else's."""
    title = f"{one.whole.name}: forecast against actual, {month.name}"
    claim = f"{one.whole.actual:,} SRs, {one.whole.forecast:,.0f} were forecast: {one.whole.said}."
    return _page(title, month, claim, _kinds(one, "By SRV"))


def _page(title: str, month: Month, claim: str, *tables: Html) -> str:
    covered = f"The record covers {month.part:.1%} of the hours of the month, and forecasts are of that part. "
    return document(
        f"Sluicegate: {title}",
        tag("p", "Sluicegate · what Users forecast, and what they wanted", class_="eyebrow"),
        tag("h1", title),
        tag("p", claim, class_="claim"),
        tag(
            "p",
            covered if month.part < 1 else None,
            "Counted are first attempts: a request that comes again after it was throttled counts once.",
            class_="hint",
        ),
        *tables,
        tag("footer", f"Sluicegate {__version__}. This page needs no network."),
    )


def _kinds(one: OfUser, caption: str) -> Html:
    rows = [_row(kind, _named(kind.name)) for kind in one.kinds]
    return join(tag("h2", caption), table(caption, _heads("SRV"), rows))


def _named(srv: str) -> str:
    return f"{srv} {CATALOGUE[srv].name}" if srv in CATALOGUE else srv


def _heads(first: str) -> list[Cell]:
    return [Cell(first, figure=False), *(Cell(head) for head in _HEADS)]


def _row(one: Against, name: str | None = None) -> list[Cell]:
    level = 0.0 if not one.actual else (one.actual / (2 * one.forecast) if one.forecast else 1.0)
    return [
        Cell(name or one.name, figure=False),
        Cell(f"{one.forecast:,.0f}"),
        Cell(f"{one.actual:,}"),
        share_cell(level, one.said, "bad" if one.stands_out else "calm"),
        Cell("▲ over" if one.stands_out else "", figure=False),  # not by its colour alone
    ]
