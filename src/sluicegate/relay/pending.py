"""The errands that have not come to their end, by RequestID; and the octets of their bodies that are in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from sluicegate.relay.errand import Errand
from sluicegate.relay.outbox import in_memory


class Pending:
    """See the module.

    Args:
        most_octets: of bodies of stored errands that may be in memory.
    """

    def __init__(self, most_octets: int) -> None:
        self.count = 0
        """How many there are."""
        self.octets = 0
        """Of bodies of stored errands, in memory."""
        self._most_octets = most_octets
        self._by_key: dict[bytes, list[Errand]] = {}
        self._parcels: set[int] = set()

    def __iter__(self) -> Iterator[Errand]:
        """As they are now: they may come to their end meanwhile."""
        return iter([errand for errands in self._by_key.values() for errand in errands])

    def of(self, key: bytes) -> Sequence[Errand]:
        """Those with a RequestID."""
        return self._by_key.get(key, ())

    def has_parcel(self, parcel: int) -> bool:
        """Whether an errand is in the store under this number."""
        return parcel in self._parcels

    def add(self, errand: Errand) -> None:
        """A new one."""
        there = self._by_key.get(errand.key)
        if there is None:
            self._by_key[errand.key] = [errand]
        else:
            there.append(errand)
        self.count += 1

    def stored(self, errand: Errand) -> None:
        """It is in the store now. Its body stays in memory where there is room."""
        self._parcels.add(errand.parcel)
        if errand.body is None:
            return
        if in_memory(errand.octets) and self.octets + errand.octets <= self._most_octets:
            self.octets += errand.octets
        else:
            errand.body = None

    def remove(self, errand: Errand) -> None:
        """It has come to its end, or was not taken after all."""
        there = self._by_key[errand.key]
        if len(there) == 1:
            del self._by_key[errand.key]
        else:
            there.remove(errand)
        self.count -= 1
        if errand.parcel:
            self._parcels.discard(errand.parcel)
            if errand.body is not None:
                self.octets -= errand.octets

    def oldest(self) -> dict[int, float]:
        """Of each rank that has any: when the oldest one came, in seconds of the monotonic clock."""
        found: dict[int, float] = {}
        for errand in self:
            if errand.came < found.get(errand.rank, inf):
                found[errand.rank] = errand.came
        return found
