"""One minute as one process counts it, and the documents that it becomes in the database until its hour is packed.

There are two, for most questions need no SRVs. Both tell of all Users together too: that sum is made once, and not by
whoever asks.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from sluicegate.operations.history.counts import ALL, NONE
from sluicegate.operations.slices import at_full_speed, by_hundreds

UserCounts = dict[str, list[int]]
"""Five counts of each User."""

Rest = Callable[[], object]

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

    def documents(self, rest: Rest = at_full_speed) -> tuple[bytes, bytes]:
        """The counts and the SRVs as they stand in the database. `rest` is called after each short piece of work."""
        total, mix = list(NONE), dict[str, list[int]]()
        for some in by_hundreds(self.counts.values()):
            for counts in some:
                add_counts(total, counts)
            rest()
        for more in by_hundreds(self.srvs.values()):
            for srvs in more:
                add_srvs(mix, srvs)
            rest()
        return packed_users({**self.counts, ALL: total}, rest), packed_users({**self.srvs, ALL: mix}, rest)


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


def packed_users(told: Mapping[str, Any], rest: Rest = at_full_speed) -> bytes:
    """Octets for what is told of Users: a document for each hundred of them, its length before it.

    To read or write one of ten thousand would keep the interpreter, and so the event loop, for tens of milliseconds.
    """
    pieces = []
    for some in by_hundreds(told.items()):
        piece = packed(dict(some))
        pieces += [len(piece).to_bytes(_LENGTH, "big"), piece]
        rest()
    return b"".join(pieces)


def unpacked_users(octets: bytes, rest: Rest = at_full_speed) -> dict[str, Any]:
    """What is told of Users in octets. Raises Unreadable."""
    found: dict[str, Any] = {}
    for piece in _pieces(octets):
        found.update(unpacked(piece))
        rest()
    return found


def _pieces(octets: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(octets):
        begins = at + _LENGTH
        at = begins + int.from_bytes(octets[at:begins], "big")
        if at > len(octets):
            raise Unreadable("usage in the database is shorter than it should be")
        yield octets[begins:at]


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
    key = _key(name, b"[")
    try:
        told = zlib.decompress(octets)
        at = _found(told, key)
        return None if at < 0 else _counts(told, at + len(key))
    except (zlib.error, ValueError):
        raise Unreadable("usage in the database cannot be read") from None


def part_of(octets: bytes, user: str) -> dict[str, list[int]] | None:
    """The SRVs of one User in a minute, unread the others. Raises Unreadable."""
    key = _key(user, b"{")
    try:
        for piece in _pieces(octets):
            told = zlib.decompress(piece)
            at = _found(told, key)
            if at >= 0:
                found: dict[str, list[int]] = _DECODER.raw_decode(told[at + len(key) - 1 :].decode())[0]
                return found
    except (zlib.error, ValueError, RecursionError):
        raise Unreadable("usage in the database cannot be read") from None
    return None


def users_of(octets: bytes, srv: str) -> dict[str, list[int]]:
    """The counts of one SRV, by User, in a minute; unread the others. Raises Unreadable."""
    key, found = _key(srv, b"["), dict[str, list[int]]()
    try:
        for piece in _pieces(octets):
            found.update(_users_of(zlib.decompress(piece), srv, key))
    except (zlib.error, ValueError, RecursionError, AttributeError, TypeError):
        raise Unreadable("usage in the database cannot be read") from None
    return found


def _users_of(told: bytes, srv: str, key: bytes) -> Iterator[tuple[str, list[int]]]:
    if b"\\" in told:  # a name has quotes in it: only then is not every quote the end of one
        yield from ((user, srvs[srv]) for user, srvs in json.loads(told).items() if srv in srvs)
        return
    at = told.find(key)
    while at >= 0:
        ends = told.rindex(b'":{', 0, at)
        yield told[told.rindex(b'"', 0, ends) + 1 : ends].decode(), _counts(told, at + len(key))
        at = told.find(key, at + 1)


_DECODER: Final = json.JSONDecoder()


@lru_cache(256)
def _key(name: str, opens: bytes) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode() + b":" + opens


def _found(told: bytes, key: bytes) -> int:
    """Where a name begins; a quote behind a backslash begins none."""
    at = told.find(key)
    while at > 0 and told[at - 1] == _BACKSLASH:
        at = told.find(key, at + 1)
    return at


def _counts(told: bytes, at: int) -> list[int]:
    return [int(count) for count in told[at : told.index(b"]", at)].split(b",")]


_LENGTH: Final = 4  # octets
_BACKSLASH: Final = ord("\\")
