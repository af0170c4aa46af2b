"""The last hour by seconds, in memory: of each second only who did something, and packed.

A second is a list of pairs, what and how often, in the order of what: its User, its SRV and the outcome in one number.
So one User's lie beside each other, and are found by bisection. The pairs are compressed, and the oldest seconds make
room when the octets that are permitted are used up.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from sluicegate.duis.catalogue import CATALOGUE
from sluicegate.operations.history.counts import NONE, OUTCOMES, Counts
from sluicegate.operations.tally import OTHER_SRVS

HOUR: Final = 3600  # seconds
_SRV_BITS, _OUTCOME_BITS = 8, 3
THROTTLED: Final = 2
"""The last outcome of those that were decided: `within`, `excess`, `throttled`."""
_USER: Final = 1 << (_SRV_BITS + _OUTCOME_BITS)
_SRV: Final = 1 << _OUTCOME_BITS
OUTCOMES_OF_SRV: Final = _SRV
"""By so much the numbers of two SRVs lie apart in `by_srv`."""
MOST_SRVS: Final = 1 << _SRV_BITS
MOST_USERS: Final = 1 << (32 - _SRV_BITS - _OUTCOME_BITS)
_COUNT_BITS: Final = 32
_MOST: Final = (1 << _COUNT_BITS) - 1
_FRAME: Final = 200  # octets that a second takes beside its pairs


class Srvs:
    """A number for each SRV: those of the catalogue first, then as they come; all beyond MOST_SRVS are `other`."""

    def __init__(self) -> None:
        self.numbers = {srv: number for number, srv in enumerate(("", OTHER_SRVS, *CATALOGUE))}

    def known(self, srv: str) -> str:
        """The SRV, or `other`."""
        if srv in self.numbers:
            return srv
        if len(self.numbers) >= MOST_SRVS:
            return OTHER_SRVS
        self.numbers[srv] = len(self.numbers)
        return srv


class Frame(NamedTuple):
    """One second. `second`: since 1970; `total`: of all Users together; `pairs`: of each."""

    second: int
    total: Counts
    pairs: bytes


class Open:
    """A second that is being told of.

    Attributes:
        total: of all Users together.
        pairs: what and how often, in one number each.
    """

    def __init__(self, second: int, users: dict[str, int], srvs: Mapping[str, int]) -> None:
        self.second = second
        self.total = [0] * len(OUTCOMES)
        self.pairs: list[int] = []
        self._users = users
        self._srvs = srvs

    def add(self, done: Iterable[tuple[str, Counts, Mapping[str, Iterable[int]]]]) -> None:
        """What some Users did in it."""
        users, numbers, total = self._users, self._srvs, self.total
        for user, counts, srvs in done:
            number = users.setdefault(user, len(users))
            if number >= MOST_USERS:
                continue
            base = number * _USER
            for outcome, count in enumerate(counts):
                if count:
                    total[outcome] += count
                    if outcome > THROTTLED:
                        self._pair(base + outcome, count)
            for srv, of_srv in srvs.items():
                at = base + numbers[srv] * _SRV
                for outcome, count in enumerate(of_srv):
                    if count:
                        self._pair(at + outcome, count)

    def _pair(self, what: int, count: int) -> None:
        self.pairs.append(what << _COUNT_BITS | min(count, _MOST))


class Seconds:
    """The seconds that are held.

    Args:
        most: octets that they may take.
        srvs: numbers of SRVs, as `known` gives their names.

    Attributes:
        octets: that they take.
    """

    def __init__(self, most: int, srvs: Srvs) -> None:
        self._most = most
        self._srvs = srvs.numbers
        self._users: dict[str, int] = {}
        self._frames: deque[Frame] = deque()
        self.octets = 0

    def begun(self, second: int) -> Open:
        """A second of which it is to be told who did what."""
        return Open(second, self._users, self._srvs)

    def add(self, told: Open) -> Iterator[None]:
        """All of it was told; in steps. A clock that went back may tell of a second again: both count."""
        pairs = sorted(told.pairs)
        yield
        keys = array("I", [pair >> _COUNT_BITS for pair in pairs])
        yield
        counts = array("I", [pair & _MOST for pair in pairs])
        yield
        packed = zlib.compress(keys.tobytes() + counts.tobytes(), 1) if pairs else b""
        total = told.total
        self._frames.append(Frame(told.second, (total[0], total[1], total[2], total[3], total[4]), packed))
        self.octets += len(packed) + _FRAME
        while len(self._frames) > HOUR or (self.octets > self._most and len(self._frames) > 1):
            self.octets -= len(self._frames.popleft().pairs) + _FRAME

    def __len__(self) -> int:
        return len(self._frames)

    def frames(self, since: int) -> list[Frame]:
        """Those from a second on, for `of_user` in another thread."""
        return [frame for frame in self._frames if frame.second >= since]

    def newest(self, most: int) -> list[Frame]:
        """The newest ones, for any thread: a copy is made in one step, while the event loop goes on."""
        return list(self._frames.copy())[-most:]

    def number(self, user: str) -> int | None:
        """By which number a User is found in them."""
        return self._users.get(user)


def of_all(frames: Iterable[Frame]) -> dict[int, Counts]:
    """All Users together, by second."""
    told: dict[int, Counts] = {}
    for frame in frames:
        before = told.get(frame.second)
        told[frame.second] = frame.total if before is None else _sum(before, frame.total)
    return told


def of_user(frames: Iterable[Frame], number: int | None, srv: int | None = None) -> dict[int, Counts]:
    """One User by second, by its number; `srv`: only requests of that one. Seconds without any are not there."""
    told: dict[int, Counts] = {}
    if number is None:
        return told
    low = number * _USER + (srv or 0) * _SRV
    high = low + _SRV if srv is not None else low + _USER
    for frame in frames:
        if not frame.pairs:
            continue
        pairs = array("I")
        pairs.frombytes(zlib.decompress(frame.pairs))
        half = len(pairs) // 2
        first = bisect_left(pairs, low, 0, half)
        last = bisect_left(pairs, high, first, half)
        if first == last:
            continue
        counts = list(told.get(frame.second, NONE))
        for at in range(first, last):
            counts[pairs[at] % _SRV] += pairs[half + at]
        told[frame.second] = (counts[0], counts[1], counts[2], counts[3], counts[4])
    return told


def by_srv(frame: Frame) -> dict[int, int]:
    """What all Users together did in a second, by the number of the SRV times OUTCOMES_OF_SRV, plus the outcome.

    What was refused undecided has no SRV."""
    told: dict[int, int] = {}
    pairs = array("I")
    if frame.pairs:
        pairs.frombytes(zlib.decompress(frame.pairs))
    half = len(pairs) // 2
    for key, count in zip(pairs[:half], pairs[half:], strict=True):
        if key % _SRV <= THROTTLED:
            told[key % _USER] = told.get(key % _USER, 0) + count
    return told


def _sum(one: Counts, other: Counts) -> Counts:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3], one[4] + other[4])
