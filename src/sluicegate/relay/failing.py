"""A gateway that fails: left alone, longer each time, then asked once."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

IN_A_ROW, SURE, SILENT = 3, 20, 0.25
"""So many failures, with no answer for so many seconds between, or SURE of them: then a gateway counts as failing. A
connection that breaks among hundreds says nothing."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds that it is left alone, the first time, and at the most."""


class Failing:
    """Whether the gateway fails, and when it may be asked again. Times are seconds of a monotonic clock, passed in.

    Args:
        chance: in [0, 1), for the pauses of many relays to differ.
    """

    __slots__ = ("_answered_at", "_chance", "_in_a_row", "_probing", "_until", "pauses")

    def __init__(self, chance: Callable[[], float]) -> None:
        self.pauses = 0
        """Since it began to fail; 0: it does not."""
        self._chance = chance
        self._in_a_row = 0
        self._answered_at = self._until = -inf
        self._probing = False

    def wait(self, now: float) -> float:
        """Seconds until it may be asked; infinite while an answer must come first."""
        if now < self._until:
            return self._until - now
        return inf if self._probing else 0.0

    def sent(self) -> None:
        """It is asked."""
        self._probing = self.pauses > 0

    def answered(self, now: float) -> bool:
        """It has answered. Returns whether it had failed until now."""
        self._in_a_row = 0
        self._answered_at = now
        if not self.pauses:
            return False
        self.pauses = 0
        self._probing = False
        self._until = -inf
        return True

    def failed(self, now: float) -> bool:
        """It has not answered, or with a 5xx. Returns whether it counts as failing from now on, and did not before."""
        self._in_a_row += 1
        if not self.pauses and (
            self._in_a_row < IN_A_ROW or (now - self._answered_at < SILENT and self._in_a_row < SURE)
        ):
            return False
        if now < self._until:
            return False  # it was on its way when an earlier one failed
        self.pauses += 1
        self._probing = False
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self.pauses - 1, 10))
        self._until = now + pause * (0.5 + 0.5 * self._chance())
        return self.pauses == 1
