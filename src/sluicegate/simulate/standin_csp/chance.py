"""Chance that can be repeated: what befalls the n-th arrival of a message depends on the seed, its key and n alone.

So a run is the same whatever the order in which messages come over several connections.
"""

import struct
from hashlib import blake2b
from typing import NamedTuple

_UNPACK = struct.Struct("<8I").unpack
_STEP = 2.0**-32


class Draws(NamedTuple):
    """One number from 0 (included) to 1 (excluded) for each thing that may happen."""

    busy: float
    fail: float
    no_answer: float
    drop: float
    cut: float
    late: float
    latency: float
    part: float
    """Where an answer is cut."""


NOTHING = Draws(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5)
"""Draws with which nothing happens but what is certain."""


class Chance:
    """Draws by one seed."""

    def __init__(self, seed: int) -> None:
        """The same seed, the same draws."""
        self._seed = str(seed).encode("ascii")[:64]

    def draws(self, key: bytes, arrival: int) -> Draws:
        """For the n-th arrival (1 first) of a message."""
        digest = blake2b(b"%b %d" % (key, arrival), digest_size=32, key=self._seed).digest()
        return Draws._make([number * _STEP for number in _UNPACK(digest)])

    def of_device(self, eui64: bytes) -> float:
        """A device's own number, the same for ever."""
        digest = blake2b(eui64, digest_size=32, key=self._seed, person=b"device").digest()
        return float(_UNPACK(digest)[0]) * _STEP
