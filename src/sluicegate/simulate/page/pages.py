"""Several pages in one file: each is a section that is seen when the address names it (`#key`), the first one else."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from sluicegate.simulate.page.markup import Html, tag


class Link(NamedTuple):
    """To a page. ``part``: it is marked while any page of that part is seen."""

    key: str
    text: str
    part: str | None = None


def page(key: str, title: str, *body: Html | None, part: str | None = None, first: bool = False) -> Html:
    """A page. ``title`` names it in the window's title; its heading is the body's business."""
    return tag(
        "section",
        *body,
        class_="page first" if first else "page",
        id=key,
        data_title=title,
        data_part=part,
        aria_label=title,
    )


def navigation(label: str, links: Iterable[Link], kind: str = "pages") -> Html:
    """Links to pages, in a row. ``kind`` is their look: `pages` or `chips`."""
    items = (tag("li", tag("a", link.text, href=f"#{link.key}", data_part=link.part)) for link in links)
    return tag("nav", tag("ul", *items), class_=kind, aria_label=label)


def link(key: str, text: str) -> Html:
    """To a page, in the text."""
    return tag("a", text, href=f"#{key}")


def search(table: str, label: str) -> Html:
    """A field that filters the rows of the table with that ``id``; seen where scripts run."""
    field = tag("input", type="search", data_filter=table, autocomplete="off", spellcheck="false")
    return tag(
        "p", tag("label", f"{label} ", field), " ", tag("output", aria_live="polite"), class_="search", hidden=True
    )


def keys(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """For each name the key of its page: what can stand in an address, different for different names."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") or "x"
        key, number = f"{prefix}-{plain}", 2
        while key in taken:
            key, number = f"{prefix}-{plain}-{number}", number + 1
        taken.add(key)
        found[name] = key
    return found
