"""Names in a scenario: each thing of a sort has its own, and who names a thing names one that is there."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from sluicegate.settings.problems import Finding, shown
from sluicegate.settings.problems import Path as Place
from sluicegate.simulate.scenario.document import Document
from sluicegate.simulate.scenario.population import FLAT, names_of

_LISTED = 20


def check_names(document: Document) -> Iterator[Finding]:
    """Names that occur twice, and names of what is not there."""
    for key, entries in _lists(document):
        seen: dict[str, int] = {}
        for index, entry in enumerate(entries):
            first = seen.setdefault(entry.name, index)
            if first != index:
                yield Finding(
                    (key, index, "name"),
                    f"{shown(entry.name)} is already the name of {key}[{first}]: give each its own",
                    about=((key, first, "name"),),
                )
    yield from _users(document)
    yield from _named(document)


def _lists(document: Document) -> Iterator[tuple[str, Sequence[Any]]]:
    yield "csp", document.csps
    yield "retry", document.retries
    yield "shape", document.shapes
    yield "kind", document.kinds
    yield "group", document.groups
    yield "user", document.users
    yield "surge", document.surges


def _users(document: Document) -> Iterator[Finding]:
    """A group's Users are called by it, and a User of its own could have the same name."""
    owners = {user.name: ("user", index) for index, user in enumerate(document.users)}
    for index, group in enumerate(document.groups):
        for name in names_of(group):
            owner = owners.setdefault(name, ("group", index))
            if owner != ("group", index):
                yield Finding(
                    ("group", index, "name"),
                    f"a User of this group would be called {shown(name)}, as {owner[0]}[{owner[1]}] has it already: "
                    "give the group another name",
                    about=((*owner, "name"),),
                )
                break


def _named(document: Document) -> Iterator[Finding]:
    users = [user.name for user in document.users] + [name for group in document.groups for name in names_of(group)]
    kinds, csps = [kind.name for kind in document.kinds], [csp.name for csp in document.csps]
    groups, retries = [group.name for group in document.groups], [retry.name for retry in document.retries]
    shapes = [FLAT, *(shape.name for shape in document.shapes)]
    for index, kind in enumerate(document.kinds):
        yield from _known(("kind", index, "shape"), [kind.shape], shapes, "[[shape]]")
    for index, user in enumerate(document.users):
        yield from _known(("user", index, "csps"), user.csps, csps, "[[csp]]")
        yield from _known(("user", index, "retry"), [user.retry] if user.retry else [], retries, "[[retry]]")
    for index, group in enumerate(document.groups):
        yield from _known(("group", index, "retry"), group.retry, retries, "[[retry]]")
    for index, surge in enumerate(document.surges):
        yield from _known(("surge", index, "kinds"), surge.kinds, kinds, "[[kind]]")
        yield from _known(("surge", index, "groups"), surge.groups, groups, "[[group]]")
        yield from _known(("surge", index, "users"), surge.users, users, "User")
        yield from _known(("surge", index, "csps"), surge.csps, csps, "[[csp]]")


def _known(place: Place, named: Iterable[str], known: Sequence[str], what: str) -> Iterator[Finding]:
    there = set(known)
    for name in named:
        if name in there:
            continue
        close = get_close_matches(name, known, n=1, cutoff=0.6)
        if close:
            advice = f"did you mean {shown(close[0])}?"
        elif known:
            more = ", ..." if len(known) > _LISTED else ""
            advice = f"there are {', '.join(map(shown, known[:_LISTED]))}{more}"
        else:
            advice = "there is none at all"
        yield Finding(place, f"there is no {what} {shown(name)}: {advice}")
