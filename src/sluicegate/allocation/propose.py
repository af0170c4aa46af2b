"""From what is known of the Users to a proposed book: a stated formula, every figure explained in one line.

    points of a User = weight of its Role * (SRs a month * weight of their kind + devices * weight of their type)
    allocation       = the greater of its floor (or what its contract promises) and its part of the maximum by points

Pure, and exact: fractions all the way, whole steps of the resolution at the end (see `apportion`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from sluicegate.allocation.apportion import Claim, TooLittle, apportion, per_point
from sluicegate.settings import Role, patterns_of

FINEST: Final = Decimal("0.001")
"""SR/s: the smallest allocation that there is, and so the finest resolution."""

ONE: Final = Decimal(1)


@dataclass(frozen=True)
class Applicant:
    """A User as the proposal sees it.

    devices: how many, by type. forecast: SRs a month, by SRV. floor, contract: SR/s that it gets in any case, because
    the operator says so or because its contract does.
    """

    name: str
    role: Role
    devices: Mapping[str, Decimal] = field(default_factory=dict)
    forecast: Mapping[str, Decimal] = field(default_factory=dict)
    floor: Decimal = Decimal(0)
    contract: Decimal = Decimal(0)

    @property
    def least(self) -> Decimal:
        """SR/s that it gets in any case."""
        return max(self.floor, self.contract)


@dataclass(frozen=True)
class Weights:
    """What counts for how much; 1 where nothing is said.

    roles: by User Role. kinds: by SRV, or a pattern such as `4.*`; the SRV itself counts before a pattern, and of
    patterns the longest. devices: SRs a month for which a device of a type stands, beside what is forecast.
    """

    roles: Mapping[str, Decimal] = field(default_factory=dict)
    kinds: Mapping[str, Decimal] = field(default_factory=dict)
    devices: Mapping[str, Decimal] = field(default_factory=dict)

    def of_kind(self, srv: str) -> Decimal:
        """The weight of an SRV."""
        return next((self.kinds[pattern] for pattern in patterns_of(srv) if pattern in self.kinds), ONE)


@dataclass(frozen=True)
class Proposed:
    """One figure of the proposed book, in SR/s, and why it is what it is."""

    name: str
    allocation: Decimal
    why: str


class CannotPropose(ValueError):  # noqa: N818 - named after what it is
    """There is no such book. `str()` says why, with the figures."""


def propose(
    applicants: Iterable[Applicant], maximum: Decimal, weights: Weights | None = None, resolution: Decimal = FINEST * 10
) -> tuple[Proposed, ...]:
    """A book that adds up to `maximum` (SR/s) exactly, in the order of the applicants.

    Args:
        resolution: SR/s; every allocation is a whole multiple. A floor that is none is rounded up.

    Raises:
        CannotPropose: the floors are more than the maximum, the maximum is no multiple of the resolution, two
            applicants have one name, or there is none.
    """
    rows, weigh = list(applicants), weights or Weights()
    units = _units(maximum, resolution)
    names = [one.name for one in rows]
    if not rows or len(set(names)) != len(names):
        raise CannotPropose("a book has at least one User" if not rows else "two Users have the same name")
    sums = {one.name: _sum(one, weigh) for one in rows}
    claims = {one.name: Claim(sums[one.name].points, _up(one.least, resolution)) for one in rows}
    try:
        given = apportion(units, claims)
    except TooLittle as error:
        raise CannotPropose(
            f"the floors add up to {plain(error.floors * resolution)} SR/s, and there are {plain(maximum)} SR/s: lower "
            "floors, or raise the maximum"
        ) from None
    rate = per_point(units, claims) * Fraction(resolution)
    return tuple(
        Proposed(
            one.name,
            given[one.name] * resolution,
            _why(one, sums[one.name], rate, given[one.name] <= claims[one.name].least),
        )
        for one in rows
    )


def _units(maximum: Decimal, resolution: Decimal) -> int:
    if not (resolution.is_finite() and resolution >= FINEST and maximum.is_finite() and maximum > 0):
        raise CannotPropose(f"the maximum must be above 0 SR/s, and the resolution at least {FINEST} SR/s")
    units = Fraction(maximum) / Fraction(resolution)
    if units.denominator != 1:
        raise CannotPropose(
            f"{plain(maximum)} SR/s is no whole multiple of the resolution, {plain(resolution)}: choose a finer one"
        )
    return int(units)


def _up(figure: Decimal, resolution: Decimal) -> int:
    return -int(-Fraction(figure) / Fraction(resolution) // 1)


class _Sum(NamedTuple):
    """What points are made of: the weight of the Role, SRs a month and devices by weight, and what comes of them."""

    role: Decimal
    forecast: Fraction
    devices: Fraction
    points: Fraction


def _sum(one: Applicant, weights: Weights) -> _Sum:
    role = weights.roles.get(one.role, ONE)
    forecast = _weighed(one.forecast, weights.of_kind)
    devices = _weighed(one.devices, lambda kind: weights.devices.get(kind, ONE))
    return _Sum(role, forecast, devices, Fraction(role) * (forecast + devices))


def _weighed(counts: Mapping[str, Decimal], weight: Callable[[str], Decimal]) -> Fraction:
    return sum((Fraction(count) * Fraction(weight(kind)) for kind, count in counts.items()), Fraction(0))


def _why(one: Applicant, sums: _Sum, rate: Fraction, held: bool) -> str:
    """`rate`: SR/s per point. `held`: it has its floor, and no more."""
    sum_of = f"{_count(sums.forecast)} SRs a month + {_count(sums.devices)} for devices"
    if sums.role != ONE:
        sum_of = f"{plain(sums.role)} ({one.role}) * ({sum_of})"
    said = f"{sum_of} = {_count(sums.points)} points, "
    said += f"at {float(rate * 1_000_000):.4g} SR/s a million" if rate else "as everybody: equal parts"
    if held and one.least:
        name = "contract" if one.contract > one.floor else "floor"
        return f"{said}: {_count(sums.points * rate)}; held at its {name} of {plain(one.least)}"
    return f"{said}; lives on the spare" if held else said


def _count(figure: Fraction) -> str:
    return f"{float(figure):,.2f}".rstrip("0").rstrip(".")


def plain(figure: Decimal) -> str:
    """A figure as it is written by hand: no exponent, no needless zeros."""
    return format(figure.normalize(), "f")
