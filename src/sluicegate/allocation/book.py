"""The allocation book: who holds how much of the capacity, and by what they are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType

from sluicegate.allocation.effective import Effective, effective
from sluicegate.allocation.profile import Profile
from sluicegate.settings import Role, Settings


@dataclass(frozen=True, slots=True)
class Holder:
    """A User in the book. `allocation` is in SR/s; 0 means that it lives on the spare.

    `ids` are its EUI-64s in upper case, each with the Role under which it sends. `certificates` are in the
    form that the settings keep: `sha256:` and 64 hex digits, or the subject as RFC 4514 writes it. `profile`: its own
    priorities, None where it has none.
    """

    name: str
    role: Role
    allocation: float
    ids: tuple[tuple[str, Role], ...]
    certificates: tuple[str, ...] = ()
    enforce: bool = True
    profile: Profile | None = None


@dataclass(frozen=True)
class Book:
    """All allocations that are in force at one time. Frozen: a new book takes its place as a whole.

    `total` is the sum of the allocations in SR/s, added up as the figures are written, so that ten times
    0.1 are 1. `by_id` and `by_certificate` answer who sends; a certificate may belong to several holders.
    """

    holders: tuple[Holder, ...]
    total: float
    by_id: Mapping[str, tuple[Holder, Role]]
    by_certificate: Mapping[str, tuple[Holder, ...]]

    @classmethod
    def of(cls, holders: Iterable[Holder]) -> Book:
        """A book of these holders. Raises ValueError where two of them have a name or an ID in common."""
        held = tuple(holders)
        return cls(
            holders=held,
            total=float(sum((Decimal(repr(float(h.allocation))) for h in held), Decimal(0))),
            by_id=MappingProxyType(_by_id(held)),
            by_certificate=MappingProxyType(_by_certificate(held)),
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Book:
        """The book that stands in the configuration file, in its order."""
        return cls.of(
            Holder(
                name=user.name,
                role=user.role,
                allocation=user.allocation,
                ids=tuple((entry.id, entry.role) for entry in user.ids),
                certificates=user.certificates,
                enforce=user.enforce,
                profile=Profile.of_user(user),
            )
            for user in settings.users
        )

    def with_profiles(self, own: Mapping[str, Profile | None]) -> Book:
        """The same book with other profiles for some holders; None: with none."""
        if not own:
            return self
        return Book.of(replace(one, profile=own.get(one.name, one.profile)) for one in self.holders)

    @property
    def reserves(self) -> dict[str, float]:
        """What the Users with a profile reserve for their more urgent requests, in requests."""
        return {one.name: one.profile.reserve for one in self.holders if one.profile is not None}

    @property
    def teams(self) -> dict[str, tuple[float, ...]]:
        """The parts of the teams of the Users that have some."""
        return {one.name: one.profile.parts for one in self.holders if one.profile is not None and one.profile.teams}

    def __reduce__(self) -> tuple[Callable[[Iterable[Holder]], Book], tuple[tuple[Holder, ...]]]:
        """A book goes to another process as its holders: read-only mappings cannot be pickled."""
        return Book.of, (self.holders,)

    def effective(self, maximum: float) -> Effective:
        """The allocations under a maximum of so many SR/s: as they are, or all cut by the same factor.

        What results never adds up to more than `maximum`. Raises ValueError for a maximum that is no rate.
        """
        return effective([holder.allocation for holder in self.holders], maximum, self.total)


def _by_id(holders: tuple[Holder, ...]) -> dict[str, tuple[Holder, Role]]:
    found: dict[str, tuple[Holder, Role]] = {}
    names: set[str] = set()
    for holder in holders:
        if holder.name in names:
            raise ValueError(f"two holders are called {holder.name!r}")
        names.add(holder.name)
        for eui64, role in holder.ids:
            if eui64 in found:
                raise ValueError(f"{eui64} belongs to {found[eui64][0].name!r} and to {holder.name!r}")
            found[eui64] = (holder, role)
    return found


def _by_certificate(holders: tuple[Holder, ...]) -> dict[str, tuple[Holder, ...]]:
    found: dict[str, tuple[Holder, ...]] = {}
    for holder in holders:
        for certificate in dict.fromkeys(holder.certificates):
            found[certificate] = (*found.get(certificate, ()), holder)
    return found
