"""Which rows are first attempts and which come again, told by the hash of the RequestID, in bounded memory.

What was seen stands in a hash table (open addressing, linear probing) that is worked on a batch at a time. There are
two: one that is being filled and the one before it, which is dropped when the next is begun.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.replay.rows import Bools, Ints, Rows

Keys = NDArray[np.uint64]
Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

WINDOW: Final = 3600
"""Seconds: a request that has not been seen for longer is a new one."""

MOST_KEPT: Final = 1 << 22
"""So many requests are known for certain, however many come in an hour: 180 MB in each of the two tables."""

_MICRO: Final = 1_000_000
_SMALLEST: Final = 1 << 12
_NONE: Final = np.uint64(0)


class Seen(NamedTuple):
    """What is known of rows. attempt: from 1. gap: seconds since the one before. before: its outcome, or -1."""

    attempt: Ints
    gap: NDArray[np.float64]
    before: Ints

    @property
    def first(self) -> Bools:
        """First attempts: what was wanted."""
        found: Bools = self.attempt == 1
        return found


class Attempts:
    """Takes rows in order of time. Memory: what `WINDOW` brings, at most about 2 * MOST_KEPT requests."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._now, self._before = _Table(), _Table()
        self._since: int | None = None

    def take(self, rows: Rows) -> Seen:
        """What is known of these rows, which are then known themselves."""
        count = len(rows.times)
        keys = _mixed(rows.requests, rows.users)
        order = np.argsort(keys, kind="stable")
        keys, times, outcomes = keys[order], rows.times[order], rows.outcomes[order]
        begins = np.ones(count, bool)
        begins[1:] = keys[1:] != keys[:-1]
        heads = np.flatnonzero(begins)
        last = np.full(count, np.iinfo(np.int64).min // 2)
        before = np.full(count, -1)
        known = np.zeros(count, np.int64)
        last[1:], before[1:] = times[:-1], outcomes[:-1]
        last[heads], before[heads], known[heads] = self._look(keys[heads])
        again = times - last <= WINDOW * _MICRO
        # A run of attempts begins where a key does, or where it was forgotten in between.
        places = np.arange(count)
        starts = np.maximum.accumulate(np.where(begins | ~again, places, 0))
        attempt = np.where(again[starts], known[starts], 0) + places - starts + 1
        ends = np.append(heads[1:], count) - 1 if count else heads
        self._note(keys[ends], times[ends], outcomes[ends], attempt[ends])
        back = np.empty(count, np.int64)
        back[order] = places
        gap = np.where(again, (times - last) / _MICRO, np.nan)
        return Seen(attempt[back], gap[back], np.where(again, before, -1)[back])

    def _look(self, keys: Keys) -> Columns:
        """Time, outcome and attempt of each when it was last seen."""
        found = self._before.get(keys)
        place = self._now.find(keys)
        newer = place >= 0
        for column, values in zip(found, self._now.columns, strict=True):
            column[newer] = values[place[newer]]
        return found

    def _note(self, keys: Keys, times: Ints, outcomes: Ints, attempts: Ints) -> None:
        if not len(keys):
            return
        latest = int(times.max())
        if self._since is None:
            self._since = latest
        elif latest - self._since > WINDOW * _MICRO or self._now.count + len(keys) > self._most:
            self._before, self._now, self._since = self._now, _Table(), latest
        self._now.put(keys, times, outcomes, attempts)


def _mixed(requests: Keys, users: Ints) -> Keys:
    """One key of request and User (the finalizer of SplitMix64: Steele, Lea, Flood, OOPSLA 2014). Never 0."""
    with np.errstate(over="ignore"):
        mixed: Keys = requests + (users.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    mixed[mixed == _NONE] = np.uint64(1)
    return mixed


class _Table:
    """Keys with a time, an outcome and an attempt each. At most half full."""

    def __init__(self, size: int = _SMALLEST) -> None:
        self.count = 0
        self._keys = np.zeros(size, np.uint64)
        self.columns: Columns = (np.zeros(size, np.int64), np.full(size, -1, np.int8), np.zeros(size, np.int32))

    def find(self, keys: Keys) -> Ints:
        """The place of each; -1 where it is not there."""
        last = np.uint64(len(self._keys) - 1)
        place = (keys & last).astype(np.int64)
        found = np.full(len(keys), -1, np.int64)
        todo = np.arange(len(keys))
        while len(todo):
            here = self._keys[place[todo]]
            hit = here == keys[todo]
            found[todo[hit]] = place[todo[hit]]
            todo = todo[~hit & (here != _NONE)]
            place[todo] = (place[todo] + 1) & int(last)
        return found

    def get(self, keys: Keys) -> Columns:
        """Time, outcome and attempt of each; long ago, -1 and 0 where it is not there."""
        place = self.find(keys)
        there = place >= 0
        times = np.full(len(keys), np.iinfo(np.int64).min // 2)
        outcomes, attempts = np.full(len(keys), -1), np.zeros(len(keys), np.int64)
        for column, values in zip((times, outcomes, attempts), self.columns, strict=True):
            column[there] = values[place[there]]
        return times, outcomes, attempts

    def put(self, keys: Keys, *values: Ints) -> None:
        """Set them. No key is there twice in one call."""
        if 2 * (self.count + len(keys)) > len(self._keys):
            self._grow(self.count + len(keys))
        place = self.find(keys)
        new = np.flatnonzero(place < 0)
        place[new] = self._claim(keys[new])
        self.count += len(new)
        for column, given in zip(self.columns, values, strict=True):
            column[place] = given

    def _claim(self, keys: Keys) -> Ints:
        """Places for keys that are not there."""
        last = len(self._keys) - 1
        place = (keys & np.uint64(last)).astype(np.int64)
        todo = np.arange(len(keys))
        while len(todo):
            free = todo[self._keys[place[todo]] == _NONE]
            self._keys[place[free]] = keys[free]  # of several that want one place, one gets it
            todo = todo[self._keys[place[todo]] != keys[todo]]
            place[todo] = (place[todo] + 1) & last
        return place

    def _grow(self, needed: int) -> None:
        size = len(self._keys)
        while 2 * needed > size:
            size *= 2
        held = np.flatnonzero(self._keys)
        larger = _Table(size)
        place = larger._claim(self._keys[held])
        for column, values in zip(larger.columns, self.columns, strict=True):
            column[place] = values[held]
        self._keys, self.columns = larger._keys, larger.columns
