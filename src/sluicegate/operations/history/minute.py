"""One minute as one process counts it, and the documents that it becomes in the database until its hour is packed.

There are two, for most questions need no SRVs. Both tell of all Users together too: that sum is made once, and not by
whoever asks.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluicegate.operations.history.counts import ALL, NONE

UserCounts = dict[str, list[int]]
"""Five counts of each User."""

UserSrvs = dict[str, dict[str, list[int]]]
"""Three counts of each SRV of each User."""


class Unreadable(ValueError):  # noqa: N818 - named after what it is
    """What stands in the database is nothing that was written as usage."""


@dataclass
class Minute:
    """A minute, or what a process saw of it.

    Attributes:
        begins: microseconds since 1970.
        counts, srvs: by User; who did nothing is not there.
    """

    begins: int
    counts: UserCounts = field(default_factory=dict)
    srvs: UserSrvs = field(default_factory=dict)

    def add(self, user: str, counts: Iterable[int], srvs: Mapping[str, Iterable[int]]) -> None:
        """Something that a User did in it."""
        add_counts(self.counts.setdefault(user, list(NONE)), counts)
        if srvs:
            add_srvs(self.srvs.setdefault(user, {}), srvs)

    @property
    def requests(self) -> int:
        """How many it tells of."""
        return sum(map(sum, self.counts.values()))

    def documents(self) -> tuple[bytes, bytes]:
        """The counts and the SRVs as they stand in the database."""
        total, mix = list(NONE), dict[str, list[int]]()
        for counts in self.counts.values():
            add_counts(total, counts)
        for srvs in self.srvs.values():
            add_srvs(mix, srvs)
        return packed({**self.counts, ALL: total}), packed({**self.srvs, ALL: mix})


def add_counts(counts: list[int], more: Iterable[int]) -> None:
    """Add to five counts, or to three."""
    for at, count in enumerate(more):
        if count:
            counts[at] += count


def add_srvs(srvs: dict[str, list[int]], more: Mapping[str, Iterable[int]]) -> None:
    """Add to the counts of SRVs."""
    for srv, (within, excess, throttled) in more.items():
        there = srvs.get(srv)
        if there is None:
            srvs[srv] = [within, excess, throttled]
        else:
            there[0] += within
            there[1] += excess
            there[2] += throttled


def packed(told: Mapping[str, Any]) -> bytes:
    """Octets for something that is told by name."""
    return zlib.compress(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode(), 1)


def unpacked(octets: bytes) -> dict[str, Any]:
    """What is told by name in octets. Raises Unreadable."""
    try:
        told = json.loads(zlib.decompress(octets))
    except (zlib.error, ValueError, RecursionError):
        raise Unreadable("usage in the database cannot be read") from None
    if not isinstance(told, dict):
        raise Unreadable("usage in the database cannot be read")
    return told


def one_of(octets: bytes, name: str) -> list[int] | None:
    """The counts of one name only, unread the others: so are years of hours looked through. Raises Unreadable."""
    found: list[int] | None = _between(octets, name, b"[", b"]")
    return found


def part_of(octets: bytes, user: str) -> dict[str, list[int]] | None:
    """The SRVs of one User in a minute, unread the others. Raises Unreadable."""
    found: dict[str, list[int]] | None = _between(octets, user, b"{", b"}")
    return found


def _between(octets: bytes, name: str, opens: bytes, closes: bytes) -> Any:
    key = json.dumps(name, ensure_ascii=False).encode() + b":" + opens
    try:
        told = zlib.decompress(octets)
        at = told.find(key)
        return None if at < 0 else json.loads(told[at + len(key) - 1 : told.index(closes, at) + 1])
    except (zlib.error, ValueError, RecursionError):
        raise Unreadable("usage in the database cannot be read") from None
