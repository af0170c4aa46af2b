"""Arrivals from a list: what tests, a replay and a comparison with live traffic use."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sluicegate.simulate.source import Chunk, Source


class _Listed:
    def __init__(self, times: NDArray[np.float64], flows: NDArray[np.int32], seconds: float, length: float) -> None:
        self._times = times
        self._flows = flows
        self._seconds = seconds
        self._length = length

    @property
    def expected(self) -> float:
        """SRs, exactly."""
        return float(self._times.size)

    def chunks(self) -> Iterator[Chunk]:
        """The list, cut every so many seconds."""
        count = max(1, math.ceil(self._seconds / self._length))
        edges = np.minimum(np.arange(count + 1) * self._length, self._seconds)
        cuts = np.searchsorted(self._times, edges, side="left")
        for start, end, first, last in zip(edges, edges[1:], cuts, cuts[1:], strict=False):
            yield Chunk(float(start), float(end), self._times[first:last], self._flows[first:last])


def listed(times: ArrayLike, flows: ArrayLike, chunk_seconds: float = 60.0, *, seconds: float | None = None) -> Source:
    """A `Source` of these arrivals. `times` (seconds from 0) must not fall; `flows` index `World.flows`.

    It ends after `seconds`, or else at the end of the chunk with the last arrival. Raises ValueError for lists that
    cannot be arrivals.
    """
    at, of = np.array(times, dtype=np.float64), np.array(flows, dtype=np.int32)
    if at.ndim != 1 or at.shape != of.shape:
        raise ValueError(f"as many times as flows, in a row: not {at.shape} and {of.shape}")
    if not np.isfinite(at).all() or (np.diff(at, prepend=0.0) < 0).any():
        raise ValueError("times must be finite, 0 or more, and must not fall")
    if not 0 < chunk_seconds < math.inf:
        raise ValueError(f"chunk_seconds must be above 0, not {chunk_seconds}")
    last = float(at[-1]) if at.size else 0.0
    if seconds is None:
        seconds = (math.floor(last / chunk_seconds) + 1) * chunk_seconds
    if not 0 < seconds < math.inf or (at.size and last >= seconds):
        raise ValueError(f"the last arrival, at {last}, must lie before the end, {seconds}")
    return _Listed(at, of, seconds, chunk_seconds)
