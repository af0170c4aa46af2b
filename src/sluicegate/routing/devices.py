"""Millions of devices in nine octets each: their EUI-64 as sorted numbers, and beside each the number of its region."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import pairwise

MOST_DEVICES = 50_000_000
CHUNK = 262_144
"""Devices that are sorted at a time: a Python number takes 44 octets, so this many take 12 MB."""


class Devices:
    """A table of devices that cannot be changed. `keys` are sorted; `regions` has the region of each."""

    __slots__ = ("keys", "regions")

    def __init__(self, keys: array[int], regions: array[int]) -> None:
        self.keys = keys
        self.regions = regions

    def __len__(self) -> int:
        return len(self.keys)

    def region(self, device: int) -> int | None:
        """The number of a device's region."""
        keys = self.keys
        at = bisect_left(keys, device)
        return self.regions[at] if at < len(keys) and keys[at] == device else None


class Builder:
    """Takes devices in any order. Those that come in order, as most tables have them, are never sorted again."""

    def __init__(self, chunk: int = CHUNK) -> None:
        self._chunk = chunk
        self._pending: list[int] = []
        self._sorted: list[tuple[array[int], array[int]]] = []
        self.count = 0
        self.conflicts = 0
        """Devices that were given several regions."""
        self.conflicting: list[int] = []
        """The first of them."""

    def add(self, device: int, region: int) -> None:
        """Take a device of 64 bits, and a region of 8."""
        self._pending.append(device << 8 | region)
        self.count += 1
        if len(self._pending) >= self._chunk:
            self._sort()

    def _sort(self) -> None:
        pending = self._pending
        pending.sort()
        keys = array("Q", [both >> 8 for both in pending])
        self._sorted.append((keys, array("B", [both & 0xFF for both in pending])))
        self._pending = []

    def devices(self, named: int) -> Devices:
        """The table. A device that came twice is in it once; at most `named` conflicting ones are kept."""
        if self._pending:
            self._sort()
        chunks, self._sorted = self._sorted, []
        chunks.sort(key=lambda chunk: chunk[0][0])
        in_order = all(one[0][-1] < next_[0][0] for one, next_ in pairwise(chunks))
        keys, regions = array("Q"), array("B")
        if in_order:
            while chunks:
                some = chunks.pop(0)
                self._append(zip(*some, strict=True), keys, regions, named)
        else:
            both = merge(*(_joined(*chunk) for chunk in chunks))
            self._append(((one >> 8, one & 0xFF) for one in both), keys, regions, named)
        return Devices(keys, regions)

    def _append(self, devices: Iterable[tuple[int, int]], keys: array[int], regions: array[int], named: int) -> None:
        last = keys[-1] if keys else -1
        wrong = -1
        for device, region in devices:
            if device != last:
                keys.append(device)
                regions.append(region)
                last = device
            elif region != regions[-1] and device != wrong:
                wrong = device
                self.conflicts += 1
                if len(self.conflicting) < named:
                    self.conflicting.append(device)


def _joined(keys: array[int], regions: array[int]) -> Iterator[int]:
    for key, region in zip(keys, regions, strict=True):
        yield key << 8 | region
