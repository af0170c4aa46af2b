"""Times, counted in bins: percentiles without keeping the times.

A bin is a sixteenth of an octave: the upper bits of a float64 are its exponent and the beginning of its mantissa, so a
shift finds the bin, and an edge is an exact number. From LOWEST to HIGHEST seconds a bin is at most 1/16 as wide as its
lower edge, which bounds the error of a percentile (see `percentiles`).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_PARTS: Final = 16  # bins in an octave: four bits of the mantissa
_SHIFT: Final = 52 - 4
LOWEST: Final = 2.0**-10
HIGHEST: Final = 2.0**17
BINS: Final = 27 * _PARTS + 2  # one below LOWEST, one from HIGHEST on
ERROR: Final = 1 / _PARTS
"""A percentile is wrong by this part of itself at most, between LOWEST and HIGHEST seconds."""

_BEFORE: Final = int(np.float64(LOWEST).view(np.int64) >> _SHIFT) - 1
_BLOCK: Final = 4096  # rows at a time: bounds what a large table's percentiles need in memory


def _edges() -> NDArray[np.float64]:
    octaves = 2.0 ** np.arange(-10, 17)
    inner = (octaves[:, None] * (1 + np.arange(_PARTS) / _PARTS)).ravel()
    return np.concatenate(([0.0], inner, [HIGHEST, HIGHEST]))


EDGES: Final = _edges()
"""Bin n holds EDGES[n] <= seconds < EDGES[n + 1]; the last holds the rest, and is read as HIGHEST."""


def bins(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each time. What is below 0 counts as 0."""
    found = (seconds.view(np.int64) >> _SHIFT) - _BEFORE
    return np.clip(found, 0, BINS - 1, out=found)


def percentiles(counts: NDArray[np.int64], parts: tuple[float, ...]) -> NDArray[np.float64]:
    """Percentiles of each row of `counts` [n, BINS], as [n, len(parts)]; nan for a row that counts nothing.

    What `numpy.percentile` computes from the times themselves, an interpolation between two of them in order, is
    computed here from where in their bins the two lie at the latest or earliest: each is within its bin, so the result
    is wrong by ERROR of itself at most between LOWEST and HIGHEST, and by LOWEST seconds below.
    """
    rows = [_of_block(counts[at : at + _BLOCK], parts) for at in range(0, len(counts), _BLOCK)]
    return np.concatenate(rows) if rows else np.empty((0, len(parts)))


def _of_block(counts: NDArray[np.int64], parts: tuple[float, ...]) -> NDArray[np.float64]:
    until = np.cumsum(counts, axis=1, dtype=np.int64)
    total = until[:, -1]
    found = np.full((len(counts), len(parts)), np.nan)
    some = np.flatnonzero(total)
    for column, part in enumerate(parts):
        rank = part * (total[some] - 1)
        low = np.floor(rank).astype(np.int64)
        high = np.minimum(low + 1, total[some] - 1)
        below, above = (_ordered(counts[some], until[some], which) for which in (low, high))
        found[some, column] = below + (above - below) * (rank - low)
    return found


def _ordered(counts: NDArray[np.int64], until: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.float64]:
    """The time that is number `which` in order, spread evenly inside its bin."""
    row = np.arange(len(which))
    held = (until <= which[:, None]).sum(axis=1)
    inside = counts[row, held]
    place = (which - (until[row, held] - inside) + 0.5) / inside
    spread: NDArray[np.float64] = EDGES[held] + (EDGES[held + 1] - EDGES[held]) * place
    return spread
