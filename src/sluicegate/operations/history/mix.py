"""What all Users together ask for, by SRV, over the last minute: from the seconds that are held, each read once."""

from __future__ import annotations

from collections import deque
from typing import Final

from sluicegate.operations.history.seconds import OUTCOMES_OF_SRV, Frame, Seconds, Srvs, by_srv

SPAN: Final = 60  # seconds


class SrvMix:
    """Called about once a second while somebody looks; by one thread at a time, beside the event loop."""

    def __init__(self, kept: Seconds, srvs: Srvs) -> None:
        self._kept = kept
        self._srvs = srvs
        self._read: deque[tuple[Frame, dict[int, int]]] = deque()

    def __call__(self) -> dict[str, tuple[float, float, float]]:
        """Within, excess and throttled, in SR/s. Of what nobody asks for there is nothing."""
        newest = self._kept.newest(SPAN)
        known = {id(frame): read for frame, read in self._read}
        self._read = deque((frame, known[id(frame)] if id(frame) in known else by_srv(frame)) for frame in newest)
        sums: dict[int, int] = {}
        for _, read in self._read:
            for key, count in read.items():
                sums[key] = sums.get(key, 0) + count
        return self._rates(sums, len(newest))

    def _rates(self, sums: dict[int, int], seconds: int) -> dict[str, tuple[float, float, float]]:
        names = {number: name for name, number in self._srvs.numbers.copy().items()}
        told: dict[str, list[float]] = {}
        for key, count in sums.items():
            srv, outcome = divmod(key, OUTCOMES_OF_SRV)
            told.setdefault(names[srv], [0.0, 0.0, 0.0])[outcome] += count / seconds
        return {name: (rates[0], rates[1], rates[2]) for name, rates in told.items()}
