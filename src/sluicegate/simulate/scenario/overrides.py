"""Values given beside the file: `capacity.operating_threshold=0.8`, `user.Large Supplier A.allocation=90`."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from sluicegate.settings.problems import Path as Place
from sluicegate.settings.problems import shown
from sluicegate.settings.sentences import keys_at
from sluicegate.simulate.scenario.document import Document
from sluicegate.simulate.scenario.layers import Layers

MOST_LISTED = 40
_LISTS = frozenset(["csp", "retry", "shape", "kind", "group", "user", "surge"])


def override(layers: Layers, overrides: Mapping[str, object]) -> list[str]:
    """Put each value in its place; what is said of those without a place is returned.

    A path goes by the keys of the file. An entry of a list of tables is meant by its name, or by its number from 0.
    """
    problems = []
    for path, value in overrides.items():
        try:
            place = _place(layers.document, path)
        except LookupError as error:
            problems.append(f"override {path[:200]}: {error.args[0]}")
        else:
            layers.put(place, _whole(value), (f"override {path}", None))
    return problems


def _place(document: dict[str, Any], path: str) -> Place:
    """Raises LookupError with a sentence."""
    place: Place = ()
    node: Any = document
    rest = path
    step: Any
    while True:
        step, rest = _entry(node, rest) if isinstance(node, list) else _key(node, rest, place)
        place = (*place, step)
        if not rest:
            return place
        node = node[step] if isinstance(node, list) else node.get(step, _nothing(place))


def _nothing(place: Place) -> Any:
    """What is taken to be at a place that the file leaves out: a table, or a list of tables."""
    listed = place[-1] in (_LISTS if len(place) == 1 else ("change", "outage"))
    return [] if listed else {}


def _key(node: Any, rest: str, place: Place) -> tuple[str, str]:
    step, _, rest = rest.partition(".")
    known = keys_at(place, Document)
    if not isinstance(node, dict) or step not in known:
        where = ".".join(map(str, place))
        raise LookupError(_unknown("key", step, known, f" in {where}" if where else ""))
    return step, rest


def _entry(entries: list[Any], rest: str) -> tuple[int, str]:
    names = [str(entry.get("name", "")) if isinstance(entry, dict) else "" for entry in entries]
    for index in sorted(range(len(names)), key=lambda index: -len(names[index])):
        name = names[index]
        if name and (rest == name or rest.startswith(f"{name}.")):
            return index, rest[len(name) + 1 :]
    number, _, after = rest.partition(".")
    if number.isdecimal() and len(number) < 7 and int(number) < len(entries):
        return int(number), after
    raise LookupError(_unknown("entry", number, [name for name in names if name], ""))


def _unknown(what: str, step: str, known: list[str], where: str) -> str:
    if not known:
        return f"there is no {what} {shown(step)}{where}: nothing can be set there"
    close = get_close_matches(step[:100], known, n=1, cutoff=0.6)
    meant = f" Did you mean {close[0]}?" if close else ""
    more = ", ..." if len(known) > MOST_LISTED else ""
    return f"there is no {what} {shown(step)}{where}.{meant} There are: {', '.join(known[:MOST_LISTED])}{more}"


def _whole(value: object) -> object:
    """A sweep has 5.0 where a count of 5 is meant; where a fraction is legal, 5 is so too."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return list(value) if isinstance(value, tuple) else value
