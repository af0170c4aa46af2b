"""A User's own priorities: which class a Service Request is in, and what is reserved above it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import isfinite

from sluicegate.settings.patterns import eui64_prefix, srv_pattern

MOST_CLASSES = 64
MOST_KNOWN = 2048  # SRVs with Command Variants that are remembered; the catalogue has 129 times 8
LONGEST_SRV = 16  # characters of one that is remembered; those of the schema have at most 8
FIRST_HALF = 4
SECOND_HALVES = frozenset((5, 6, 7))
"""Command Variants of a critical request: with 4 the DSP transforms it to a pre-command, which the User signs and sends
with 5, 6 or 7, under the same SRV and to the same device."""


@dataclass(frozen=True, slots=True)
class PriorityClass:
    """One class of a priority profile. What it does not state does not matter; what it states must all be so.

    Args:
        name: the User's own word for it.
        srvs: patterns of SRVs, one of which must match: `2.2` that SRV, `4.*` all that begin with `4.`, `*` all.
        command_variants: of which it must have one, 1 to 8.
        targets: beginnings of EUI-64s (`00-0D-6F`), one of which the device's must have.
        reserve: requests of the allocation bank that are kept for this class and those above it.

    Raises:
        ValueError: one of them cannot be; the message names the class, and says what is wrong.
    """

    name: str
    srvs: tuple[str, ...] = ()
    command_variants: tuple[int, ...] = ()
    targets: tuple[str, ...] = ()
    reserve: float = 0.0

    def __post_init__(self) -> None:
        try:
            for pattern in self.srvs:
                srv_pattern(pattern)
            object.__setattr__(self, "targets", tuple(map(eui64_prefix, self.targets)))
        except ValueError as error:
            raise ValueError(f"class {self.name!r}: {error}") from None
        for variant in self.command_variants:
            if variant not in range(1, 9):
                raise ValueError(f"class {self.name!r}: {variant!r} is not a Command Variant, 1 to 8")
        if not (self.reserve >= 0 and isfinite(self.reserve)):
            raise ValueError(f"class {self.name!r}: a reserve is 0 requests or more, and this is {self.reserve}")

    def has(self, srv: str, command_variant: int) -> bool:
        """Whether requests of an SRV with a Command Variant are of this class, as far as these two say."""
        if self.command_variants and command_variant not in self.command_variants:
            return False
        return not self.srvs or any(_means(pattern, srv) for pattern in self.srvs)


def _means(pattern: str, srv: str) -> bool:
    if pattern.endswith("*"):
        return srv.startswith(pattern[:-1]) and (pattern == "*" or len(srv) >= len(pattern))
    return srv == pattern


class Profile:
    """A User's classes, the most urgent first, and behind them one without a name, for all that is in none of them.

    The second half of a critical request is never in a class below its first: whoever could ask for the pre-command
    can send it. Its rank is the smaller one of its own and of what the first half has.

    A rank costs one look into a dictionary, and at most eight more if a class has targets. What is remembered for this
    is bounded: SRVs come from outside.

    Args:
        classes: the most urgent first.

    Raises:
        ValueError: there are more than MOST_CLASSES, or two have one name.
    """

    __slots__ = ("_anywhere", "_known", "_last", "_lengths", "_prefixes", "_reserves", "classes")

    def __init__(self, classes: tuple[PriorityClass, ...]) -> None:
        if len(classes) > MOST_CLASSES:
            raise ValueError(f"a profile has at most {MOST_CLASSES} classes, and this has {len(classes)}")
        names = [one.name for one in classes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two classes are called {name!r}")
        self.classes = tuple(classes)
        self._reserves = tuple(accumulate((one.reserve for one in classes), initial=0.0))
        # Sets of classes are numbers: bit n is the class of rank n. The last one has every request.
        self._last = 1 << len(classes)
        self._anywhere = self._last
        self._prefixes: dict[str, int] = {}
        for rank, one in enumerate(classes):
            if not one.targets:
                self._anywhere |= 1 << rank
            for prefix in one.targets:
                self._prefixes[prefix] = self._prefixes.get(prefix, 0) | 1 << rank
        self._lengths = tuple(sorted({len(prefix) for prefix in self._prefixes}))
        self._known: dict[tuple[str, int], int] = {}

    def rank(self, srv: str, command_variant: int, target: str) -> int:
        """The first class that a request is in, 0 being the most urgent; `len(classes)` if it is in none.

        Args:
            srv: its Service Reference Variant.
            command_variant: 1 to 8.
            target: EUI-64 of its device, upper case.
        """
        found = self._known.get((srv, command_variant))
        if found is None:
            found = self._look(srv, command_variant)
        if self._lengths:
            there = self._anywhere
            for length in self._lengths:
                there |= self._prefixes.get(target[:length], 0)
            found &= there
        return (found & -found).bit_length() - 1

    def reserve_above(self, rank: int) -> float:
        """Requests that are reserved for the classes above one: it is served only while the bank holds more."""
        return self._reserves[max(0, min(rank, len(self.classes)))]

    def _look(self, srv: str, command_variant: int) -> int:
        """The classes that an SRV with a Command Variant may be in, and for a second half those of its first."""
        variants = (command_variant, FIRST_HALF) if command_variant in SECOND_HALVES else (command_variant,)
        found = self._last
        for rank, one in enumerate(self.classes):
            if any(one.has(srv, variant) for variant in variants):
                found |= 1 << rank
        if len(srv) <= LONGEST_SRV and 1 <= command_variant <= 8:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()  # cheaper than to remember which is the oldest, and as good against a flood
            self._known[srv, command_variant] = found
        return found

    def __eq__(self, other: object) -> bool:
        return self.classes == other.classes if isinstance(other, Profile) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.classes)

    def __repr__(self) -> str:
        return f"Profile({self.classes!r})"


NO_PROFILE = Profile(())
"""Of a User who has none: one class, of rank 0, that has everything."""
