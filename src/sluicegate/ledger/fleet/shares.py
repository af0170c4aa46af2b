"""The share that a worker falls back to, and when it tries the ledger again."""

from __future__ import annotations

from random import Random
from typing import Final

FIRST_TRY: Final = 0.1  # seconds
LAST_TRY: Final = 2.0
ANSWERS: Final = 2  # in succession, in time: the ledger is there again


class Share:
    """Whether a worker is alone, with what share of everything, and when it tries again.

    Attributes:
        held: the share, told with each answer; nil before the first.
        alone: whether the worker decides by it.
        alone_since: since when, in seconds.
    """

    __slots__ = ("_answered", "_chance", "_pause", "alone", "alone_since", "held", "retry_at", "told_at")

    def __init__(self, chance: Random, now: float) -> None:
        self._chance = chance
        self.held = 0.0
        self.alone = False
        self.alone_since = self.told_at = now
        self.retry_at = now
        self._pause = FIRST_TRY
        self._answered = 0

    @property
    def returns(self) -> bool:
        """Whether it is alone, and the ledger has answered since: the next answer decides."""
        return self.alone and self._answered > 0

    def lost(self, now: float) -> bool:
        """A draw was not answered in time; returns whether the worker is alone only since now."""
        first = not self.alone
        if first:
            self.alone, self.alone_since, self._pause = True, now, FIRST_TRY
        self._answered = 0
        self.retry_at = now + self._pause * self._chance.uniform(0.5, 1.0)
        self._pause = min(LAST_TRY, 2 * self._pause)
        return first

    def answered(self, share: float, now: float) -> bool:
        """A draw was answered in time; returns whether the worker is back with it."""
        self.held, self.told_at = share, now
        if not self.alone:
            return False
        self._answered += 1
        self.retry_at = now
        if self._answered < ANSWERS:
            return False
        self.alone = False
        return True
