"""The Users: those who are named one by one, and those who are counted in groups; and their allocations."""

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass

from sluicegate.simulate.scenario.document import Document, Group
from sluicegate.simulate.scenario.tables import Csp

FLAT = "flat"
"""The shape that is always there."""

_SAFE = 1.0 - 1e-9  # sums of rounded parts must not come out above the whole


@dataclass(frozen=True, slots=True)
class Member:
    """A User before it has its allocation. `csps` are the parts of its meters, by the index of the CSP."""

    name: str
    role: str
    group: str
    meters: int
    prepayment: float
    csps: dict[int, float]
    allocation: float | None
    weight: float
    retry: str | None
    change: float


def names_of(group: Group) -> list[str]:
    """What a group's Users are called: by letters up to 26 of them, else by numbers."""
    if group.count <= len(string.ascii_uppercase):
        return [f"{group.name} {letter}" for letter in string.ascii_uppercase[: group.count]]
    digits = len(str(group.count))
    return [f"{group.name} {number:0{digits}}" for number in range(1, group.count + 1)]


def members(document: Document) -> list[Member]:
    """All Users, those of `[[user]]` first, then group by group, the largest of a group first."""
    regions = {csp.name: index for index, csp in enumerate(document.csps)}
    found = []
    for user in document.users:
        chosen = [regions[name] for name in user.csps] or list(range(len(document.csps)))
        found.append(
            Member(
                user.name, user.role, "", user.meters, user.prepayment, _parts(document.csps, chosen),
                user.allocation, user.weight, user.retry, user.change,
            )
        )  # fmt: skip
    for group in document.groups:
        found += _members_of(group, document.csps)
    return found


def _members_of(group: Group, csps: Sequence[Csp]) -> list[Member]:
    sizes = [(n + 1) ** -group.zipf for n in range(group.count)]
    whole = math.fsum(sizes)
    everywhere = list(range(len(csps)))
    return [
        Member(
            name, group.role, group.name, round(group.meters * size / whole), group.prepayment,
            _parts(csps, [index % len(csps)] if group.regional and csps else everywhere),
            group.allocation, group.weight, group.retry[index % len(group.retry)] if group.retry else None,
            group.change,
        )
        for index, (name, size) in enumerate(zip(names_of(group), sizes, strict=True))
    ]  # fmt: skip


def _parts(csps: Sequence[Csp], chosen: Sequence[int]) -> dict[int, float]:
    """The shares of the chosen CSPs, made to add up to 1."""
    whole = math.fsum(csps[index].share for index in chosen)
    if not whole:
        return dict.fromkeys(chosen, 1.0 / len(chosen)) if chosen else {}
    return {index: csps[index].share / whole for index in chosen if csps[index].share}


def allocations(document: Document, people: Sequence[Member], forecasts: Sequence[float]) -> list[float]:
    """SR/s for each User, at scale 1.

    Some are fixed. Of the rest of what is allocated everybody gets the least allocation, and then a part that is
    proportional to its forecast (what it sends on the mean of a day) times its weight.
    """
    fixed = math.fsum(person.allocation for person in people if person.allocation is not None)
    free = [index for index, person in enumerate(people) if person.allocation is None]
    least = document.capacity.least_allocation
    rest = max(0.0, document.capacity.maximum * document.capacity.allocated - fixed - least * len(free)) * _SAFE
    claims = {index: forecasts[index] * people[index].weight for index in free}
    whole = math.fsum(claims.values())
    return [
        person.allocation if person.allocation is not None else least + (rest * claims[index] / whole if whole else 0.0)
        for index, person in enumerate(people)
    ]
