"""A User's classes as the relay has them: a rank, a deadline, and whether it is bulk."""

from __future__ import annotations

from typing import NamedTuple

from sluicegate.allocation import Profile, classes_of
from sluicegate.settings.relaying import Relay

REST = "everything else"
"""What is in no class, on screens. A class may have this name too, and is another one."""


class Place(NamedTuple):
    """Where a class stands."""

    name: str | None
    """None: everything else."""
    rank: int
    deadline: float
    """Seconds."""
    bulk: bool


class Classes:
    """Ranks: the classes in the order of the file, then everything else, then bulk. So bulk never stands before
    anything that is not bulk, and what waits for the quiet holds nothing up."""

    def __init__(self, relay: Relay) -> None:
        self._profile = Profile(classes_of(relay.classes))
        names: list[str | None] = [one.name for one in relay.classes if not one.bulk]
        names.append(None)
        names += [one.name for one in relay.classes if one.bulk]
        bulk = {one.name for one in relay.classes if one.bulk}
        self.places = tuple(Place(name, rank, relay.deadline_of(name), name in bulk) for rank, name in enumerate(names))
        self._by_name = {place.name: place for place in self.places}
        # In the order of the profile: the last is for what is in no class.
        self._by_rank = (*(self._by_name[one.name] for one in relay.classes), self._by_name[None])
        self.longest = relay.longest_deadline

    def of(self, srv: str, command_variant: int, target: str) -> Place:
        """The class of an SR."""
        return self._by_rank[self._profile.rank(srv, command_variant, target)]

    def named(self, name: str | None) -> Place | None:
        """The class with a name; None: there is none."""
        return self._by_name.get(name)

    @property
    def bulk(self) -> frozenset[int]:
        """The ranks of bulk."""
        return frozenset(place.rank for place in self.places if place.bulk)


def shown(name: str | None) -> str:
    """A class as a person reads it."""
    return REST if name is None else name
