"""Batches of a record as NumPy arrays: names become numbers, which stay the same from batch to batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluicegate.duis import CATALOGUE
from sluicegate.simulate.record import OUTCOMES

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WITHIN, EXCESS, THROTTLED, REJECTED, PASSED = range(len(OUTCOMES) - 1)
_UNDECIDED: Final = {"csp-backlog": "rejected"}
"""To a replay they are one: nobody decided on them."""

OTHER_SRVS: Final = "other"
"""What an SRV is counted as that stands neither in the catalogue nor in the configuration."""

OTHER_REGIONS: Final = "other regions"
MOST_REGIONS: Final = 50
NOWHERE: Final = -1


class Names:
    """Texts, numbered in the order in which they first come. `fold` may give several texts one name."""

    def __init__(self, fold: Callable[[str], str] = str) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}
        self._fold = fold

    def number(self, text: str) -> int:
        """Its number; a new one where it is new."""
        name = self._fold(text)
        found = self._numbers.setdefault(name, len(self.texts))
        if found == len(self.texts):
            self.texts.append(name)
        return found

    def numbers(self, column: pa.DictionaryArray) -> Ints:
        """The number of each row; NOWHERE where it has none."""
        texts = column.dictionary.to_pylist()
        table = np.array([*(NOWHERE if text is None else self.number(text) for text in texts), NOWHERE], np.int64)
        places = column.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
        found: Ints = table[places]
        return found


class Rows(NamedTuple):
    """Rows of a record. times: microseconds since 1970; outcomes: indices of OUTCOMES; regions: NOWHERE is unknown."""

    times: Ints
    users: Ints
    requests: NDArray[np.uint64]
    srvs: Ints
    regions: Ints
    outcomes: Ints

    @property
    def held(self) -> Bools:
        """Those that were told to come again: throttled, or rejected."""
        found: Bools = (self.outcomes == THROTTLED) | (self.outcomes == REJECTED)
        return found


class Reader:
    """Makes `Rows` of batches. `weights`: SRVs that have a name of their own though no catalogue lists them."""

    def __init__(self, weights: frozenset[str] = frozenset()) -> None:
        self.users = Names()
        self.srvs = Names(lambda srv: srv if srv in CATALOGUE or srv in weights else OTHER_SRVS)
        self.regions = Names(self._region)
        self._outcomes = Names(lambda outcome: _UNDECIDED.get(outcome, outcome))
        for outcome in OUTCOMES:
            self._outcomes.number(outcome)

    def _region(self, region: str) -> str:
        known = self.regions.texts
        return region if region in known or len(known) < MOST_REGIONS else OTHER_REGIONS

    def rows(self, batch: pa.RecordBatch) -> Rows:
        """The rows of a batch."""
        return Rows(
            batch["time"].cast(pa.int64()).to_numpy(),
            self.users.numbers(batch["user"]),
            batch["request"].to_numpy(),
            self.srvs.numbers(batch["srv"]),
            self.regions.numbers(batch["region"]),
            self._outcomes.numbers(batch["outcome"]),
        )
