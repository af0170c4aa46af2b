"""A User's own priorities: which class a Service Request is in, what is reserved above it, and which team sends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from typing import Final

from sluicegate.settings import ProfileFile, User, UserClass
from sluicegate.settings.patterns import eui64_prefix, srv_pattern

MOST_CLASSES = 64
MOST_TEAMS = 16
NO_TEAM: Final = -1
MOST_KNOWN = 2048  # SRVs with Command Variants that are remembered; the catalogue has 129 times 8
LONGEST_SRV = 16  # characters of one that is remembered; those of the schema have at most 8
FIRST_HALF = 4
SECOND_HALVES = frozenset((5, 6, 7))
"""Command Variants of a critical request: with 4 the DSP transforms it to a pre-command, which the User signs and sends
with 5, 6 or 7, under the same SRV and to the same device."""


@dataclass(frozen=True, slots=True)
class Sort:
    """Some of a User's requests. What it does not state does not matter; what it states must all be so.

    Args:
        name: the User's own word for it.
        srvs: patterns of SRVs, one of which must match: `2.2` that SRV, `4.*` all that begin with `4.`, `*` all.
        command_variants: of which it must have one, 1 to 8.
        targets: beginnings of EUI-64s (`00-0D-6F`), one of which the device's must have.

    Raises:
        ValueError: one of them cannot be; the message names it, and says what is wrong.
    """

    name: str
    srvs: tuple[str, ...] = ()
    command_variants: tuple[int, ...] = ()
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            for pattern in self.srvs:
                srv_pattern(pattern)
            object.__setattr__(self, "targets", tuple(map(eui64_prefix, self.targets)))
        except ValueError as error:
            raise ValueError(f"{self._what} {self.name!r}: {error}") from None
        for variant in self.command_variants:
            if variant not in range(1, 9):
                raise ValueError(f"{self._what} {self.name!r}: {variant!r} is not a Command Variant, 1 to 8")

    @property
    def _what(self) -> str:
        return "class"

    def has(self, srv: str, command_variant: int) -> bool:
        """Whether requests of an SRV with a Command Variant are of this sort, as far as these two say."""
        if self.command_variants and command_variant not in self.command_variants:
            return False
        return not self.srvs or any(_means(pattern, srv) for pattern in self.srvs)


@dataclass(frozen=True, slots=True)
class PriorityClass(Sort):
    """One class of a priority profile.

    Args:
        reserve: requests of the allocation bank that are kept for this class and those above it.
    """

    reserve: float = 0.0

    def __post_init__(self) -> None:
        Sort.__post_init__(self)
        if not (self.reserve >= 0 and isfinite(self.reserve)):
            raise ValueError(f"class {self.name!r}: a reserve is 0 requests or more, and this is {self.reserve}")


@dataclass(frozen=True, slots=True)
class Team(Sort):
    """A team inside a User, such as its field force.

    Args:
        part: of the User's allocation, above 0 and at most 1: the team's own, whatever the others send.
    """

    part: float = 1.0

    def __post_init__(self) -> None:
        Sort.__post_init__(self)
        if not 0 < self.part <= 1:
            raise ValueError(f"team {self.name!r}: a part is above 0 and at most 1, and this is {self.part}")

    @property
    def _what(self) -> str:
        return "team"


def _means(pattern: str, srv: str) -> bool:
    if pattern.endswith("*"):
        return srv.startswith(pattern[:-1]) and (pattern == "*" or len(srv) >= len(pattern))
    return srv == pattern


class Sorting:
    """Which of some sorts a request is of: the first that takes it.

    It costs one look into a dictionary, and at most eight more if a sort has targets. What is remembered for this is
    bounded: SRVs come from outside. The second half of a critical request is of no later sort than its first: whoever
    could ask for the pre-command can send it.
    """

    __slots__ = ("_anywhere", "_known", "_last", "_lengths", "_prefixes", "_sorts")

    def __init__(self, sorts: Sequence[Sort]) -> None:
        # Sets of sorts are numbers: bit n is the sort of place n. One behind the last has every request.
        self._sorts = sorts
        self._last = 1 << len(sorts)
        self._anywhere = self._last
        self._prefixes: dict[str, int] = {}
        for place, one in enumerate(sorts):
            if not one.targets:
                self._anywhere |= 1 << place
            for prefix in one.targets:
                self._prefixes[prefix] = self._prefixes.get(prefix, 0) | 1 << place
        self._lengths = tuple(sorted({len(prefix) for prefix in self._prefixes}))
        self._known: dict[tuple[str, int], int] = {}

    def place(self, srv: str, command_variant: int, target: str) -> int:
        """The place of the first sort that takes a request; how many there are if none does."""
        found = self._known.get((srv, command_variant))
        if found is None:
            found = self._look(srv, command_variant)
        if self._lengths:
            there = self._anywhere
            for length in self._lengths:
                there |= self._prefixes.get(target[:length], 0)
            found &= there
        return (found & -found).bit_length() - 1

    def _look(self, srv: str, command_variant: int) -> int:
        """The sorts that an SRV with a Command Variant may be of, and for a second half those of its first."""
        variants = (command_variant, FIRST_HALF) if command_variant in SECOND_HALVES else (command_variant,)
        found = self._last
        for place, one in enumerate(self._sorts):
            if any(one.has(srv, variant) for variant in variants):
                found |= 1 << place
        if len(srv) <= LONGEST_SRV and 1 <= command_variant <= 8:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()  # cheaper than to remember which is the oldest, and as good against a flood
            self._known[srv, command_variant] = found
        return found


class Known(dict[tuple[str, int], tuple[int, float] | None]):
    """What `Profile.known` says; made when it is asked for first, and bounded, for SRVs come from outside."""

    __slots__ = ("_profile",)

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile

    def __missing__(self, key: tuple[str, int]) -> tuple[int, float] | None:
        profile = self._profile
        found = None if profile.by_target else profile.place(*key, "")
        if len(key[0]) <= LONGEST_SRV and 1 <= key[1] <= 8:
            if len(self) >= MOST_KNOWN:
                self.clear()
            self[key] = found
        return found


class Profile:
    """A User's classes, the most urgent first, and behind them one without a name, for all that is in none of them.

    The second half of a critical request is never in a class below its first: its rank is the smaller one of its own
    and of what the first half has.

    Args:
        classes: the most urgent first.
        teams: fixed parts of the allocation; a request is of the first one that takes it, or of none.

    Raises:
        ValueError: there are more than MOST_CLASSES or MOST_TEAMS, two have one name, or the parts of the teams add up
            to more than 1.
    """

    __slots__ = ("_by_class", "_by_team", "_reserves", "classes", "known", "rank", "teams")

    def __init__(self, classes: tuple[PriorityClass, ...] = (), teams: tuple[Team, ...] = ()) -> None:
        _check("classes", classes, MOST_CLASSES)
        _check("teams", teams, MOST_TEAMS)
        parts = sum(team.part for team in teams)
        if parts > 1 + 1e-9:
            raise ValueError(f"the parts of the teams add up to {parts:g}, and there is 1 to share out")
        self.classes = tuple(classes)
        self.teams = tuple(teams)
        self._reserves = tuple(accumulate((one.reserve for one in classes), initial=0.0))
        self._by_class = Sorting(self.classes)
        self._by_team = Sorting(self.teams)
        self.known = Known(self)
        """By SRV and Command Variant: the rank, and what is reserved above it, in requests; None where that depends on
        the device. The quick way, for the path of a request: one look, and no call."""
        self.rank = self._by_class.place
        """The first class that a request is in, 0 being the most urgent; `len(classes)` if it is in none.

        Of an SRV, a Command Variant (1 to 8), and the EUI-64 of the device, upper case.
        """

    @classmethod
    def of_user(cls, user: User | ProfileFile) -> Profile | None:
        """The profile that stands in a file; None where a User has neither classes nor teams."""
        if not user.classes and not user.teams:
            return None
        return cls(
            classes_of(user.classes),
            tuple(Team(t.name, t.srvs, t.command_variants, t.targets, t.part) for t in user.teams),
        )

    def place(self, srv: str, command_variant: int, target: str) -> tuple[int, float]:
        """The rank of a request, and what is reserved above it, in requests."""
        rank = self.rank(srv, command_variant, target)
        return rank, self._reserves[rank]

    @property
    def by_target(self) -> bool:
        """Whether the device says something of the class."""
        return any(one.targets for one in self.classes)

    @property
    def reserve(self) -> float:
        """All that is reserved: by so much the User's bank is deeper, in requests."""
        return self._reserves[-1]

    @property
    def parts(self) -> tuple[float, ...]:
        """Of the allocation, of each team."""
        return tuple(team.part for team in self.teams)

    def team(self, srv: str, command_variant: int, target: str) -> int:
        """The team that a request is of; NO_TEAM if it is of none."""
        place = self._by_team.place(srv, command_variant, target)
        return place if place < len(self.teams) else NO_TEAM

    def reserve_above(self, rank: int) -> float:
        """Requests that are reserved for the classes above one: it is served only while the bank holds more."""
        return self._reserves[max(0, min(rank, len(self.classes)))]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Profile):
            return NotImplemented
        return (self.classes, self.teams) == (other.classes, other.teams)

    def __hash__(self) -> int:
        return hash((self.classes, self.teams))

    def __repr__(self) -> str:
        return f"Profile({self.classes!r}, {self.teams!r})"

    def __reduce__(self) -> tuple[type[Profile], tuple[tuple[PriorityClass, ...], tuple[Team, ...]]]:
        """A profile goes to another process as it was made."""
        return Profile, (self.classes, self.teams)


def classes_of(entries: Sequence[UserClass]) -> tuple[PriorityClass, ...]:
    """The classes that stand in a file, in its order."""
    return tuple(PriorityClass(c.name, c.srvs, c.command_variants, c.targets, c.reserve) for c in entries)


def _check(what: str, sorts: Sequence[Sort], most: int) -> None:
    if len(sorts) > most:
        raise ValueError(f"a profile has at most {most} {what}, and this has {len(sorts)}")
    names = [one.name for one in sorts]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two {what} are called {name!r}")


NO_PROFILE = Profile(())
"""Of a User who has none: one class, of rank 0, that has everything."""
