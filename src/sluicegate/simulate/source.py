"""Where arrivals come from: a scenario's traffic, a record, or a list. Always in order of time, a chunk at a time."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Chunk(NamedTuple):
    """The arrivals of one stretch of time: `times` rise, `start <= times < end`; `flows` index `World.flows`."""

    start: float
    end: float
    times: NDArray[np.float64]
    flows: NDArray[np.int32]


class Source(Protocol):
    """Arrivals. `expected` is about how many, for progress."""

    @property
    def expected(self) -> float:
        """SRs, about."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """From 0 to the end without a gap; the same each time that it is called."""
        ...
