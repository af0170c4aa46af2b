"""Routes: from a device to its region."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from sluicegate.routing.devices import Devices
from sluicegate.routing.reading import read
from sluicegate.routing.sources import CsvFile, Query, Source
from sluicegate.settings import Settings


class Routes:
    """Which region a device is in. A region is the name of a `[[csp]]`. Frozen: a reload builds another.

    Args:
        prefixes: beginnings of an EUI-64, in upper case (`00-DB-12`), and the region of each.
        regions: the names of all regions; the numbers in `devices` are their places in it.
        devices: the table of single devices, which count before prefixes.
        non_device: the region of requests without a device.
    """

    __slots__ = ("_keys", "_numbers", "_prefixes", "_regions", "fingerprint", "non_device")

    def __init__(
        self,
        prefixes: Mapping[str, str],
        regions: Iterable[str] = (),
        devices: Devices | None = None,
        non_device: str | None = None,
    ) -> None:
        self._regions = tuple(regions)
        self._keys: array[int] = devices.keys if devices else array("Q")
        self._numbers: array[int] = devices.regions if devices else array("B")
        self.non_device = non_device
        lengths = sorted({len(prefix) for prefix in prefixes}, reverse=True)
        self._prefixes = tuple(
            (length, {prefix: region for prefix, region in prefixes.items() if len(prefix) == length})
            for length in lengths
        )
        self.fingerprint = self._digest()
        """32 hex digits over all routes: the same for two processes that route alike."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Routes:
        """Reads the table of devices, if there is one: some seconds for millions of them.

        Raises:
            RoutesError: it cannot be read, or something in it is wrong.
        """
        names = sorted(csp.name for csp in settings.csps)
        prefixes = {prefix: csp.name for csp in settings.csps for prefix in csp.prefixes}
        if settings.dispatch is None:
            return cls(prefixes, names)
        given, sources = settings.dispatch.routes, list[Source]()
        if given.table is not None:
            sources.append(CsvFile(given.table))
        if given.database is not None and given.query is not None:
            sources.append(Query(given.database, given.query))
        devices = read(sources, {name: number for number, name in enumerate(names)}) if sources else None
        return cls(prefixes, names, devices, given.non_device)

    @property
    def devices(self) -> int:
        """How many devices the table has."""
        return len(self._keys)

    def region(self, target: str) -> str | None:
        """The region of a device (its EUI-64, upper case); None if it is in none."""
        keys = self._keys
        if keys:
            try:
                device = int(target.replace("-", ""), 16)
            except ValueError:  # no EUI-64
                return None
            at = bisect_left(keys, device)
            if at < len(keys) and keys[at] == device:
                return self._regions[self._numbers[at]]
        for length, known in self._prefixes:
            found = known.get(target[:length])
            if found is not None:
                return found
        return None

    def regions(self, targets: Iterable[str]) -> tuple[str, ...]:
        """The regions that have at least one of these devices, each once, by name. Unknown devices count for none."""
        region = self.region
        return tuple(sorted({found for found in map(region, targets) if found is not None}))

    def _digest(self) -> str:
        digest = blake2b(digest_size=16)
        every = sorted((prefix, region) for _, known in self._prefixes for prefix, region in known.items())
        digest.update(repr((every, self._regions if self._keys else (), self.non_device)).encode())
        for numbers in (self._keys, self._numbers):
            if sys.byteorder == "big":
                numbers = numbers[:]  # noqa: PLW2901
                numbers.byteswap()
            digest.update(numbers)
        return digest.hexdigest()
