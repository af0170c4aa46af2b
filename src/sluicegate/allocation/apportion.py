"""Whole units to those who claim them: in proportion, nobody below its floor, and not one unit too many or too few."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple


class Claim(NamedTuple):
    """What one claims. points: any figure from 0. least: whole units that it gets in any case."""

    points: Fraction
    least: int


class TooLittle(ValueError):  # noqa: N818 - named after what it is
    """The floors alone are more than there is. `floors`: their sum."""

    def __init__(self, floors: int) -> None:
        super().__init__(floors)
        self.floors = floors


def apportion(units: int, claims: Mapping[str, Claim]) -> dict[str, int]:
    """To each name its whole units; together they are `units` exactly.

    Everybody gets the greater of its floor and its part by points (one rate per point for all whom no floor holds up).
    Parts are cut to whole units, and what is left goes to the largest remainders: of equal ones to who has more
    points, and of those to the first by name. So nobody is a whole unit away from its part, the order of the claims
    does not matter, and more points never give less.

    Without any points everybody's count as one. Raises TooLittle, and ValueError for nobody at all or negative figures.
    """
    if not claims or units < 0 or any(one.points < 0 or one.least < 0 for one in claims.values()):
        raise ValueError("units go to somebody, and are not negative")
    floors = sum(one.least for one in claims.values())
    if floors > units:
        raise TooLittle(floors)
    if not any(one.points for one in claims.values()):
        claims = {name: Claim(Fraction(1), one.least) for name, one in claims.items()}
    rate = per_point(units, claims)
    parts = {name: max(Fraction(one.least), rate * one.points) for name, one in claims.items()}
    given = {name: int(part) for name, part in parts.items()}
    left = units - sum(given.values())
    order = sorted(claims, key=lambda name: (given[name] - parts[name], -claims[name].points, name))
    for name in order[:left]:
        given[name] += 1
    return given


def per_point(units: int, claims: Mapping[str, Claim]) -> Fraction:
    """Units per point, so that the greater of floor and part add up to `units`; 0 where nobody has points."""
    by_height = sorted(
        (one for one in claims.values() if one.points), key=lambda one: one.least / one.points, reverse=True
    )
    rest = Fraction(units - sum(one.least for one in claims.values() if not one.points))
    points = sum((one.points for one in by_height), Fraction(0))
    for one in by_height:
        if one.least * points <= rest * one.points:
            break  # its part is no less than its floor, and so it is for all after it
        rest -= one.least
        points -= one.points
    return rest / points if points else Fraction(0)
