"""The retry strategy: when a delivery is tried again, and when no more."""

from __future__ import annotations

import math
from dataclasses import dataclass

MOST_STEPS = 2**53  # a float counts so far: beyond, every delay is the ceiling, or never grows


@dataclass(frozen=True, slots=True)
class RetryStrategy:
    """Delays that grow by a factor up to a ceiling, spread so that what failed together does not come back together.

    Args:
        first: seconds before the second attempt.
        factor: each delay is so many times the one before it, 1 or more.
        jitter: a delay is up to this part of it longer or shorter, 0 to 1.
        ceiling: seconds; no delay is longer, but for the jitter (without it there, all would meet at the ceiling).
        attempts: so many, and then the parcel goes back.

    Raises:
        ValueError: one of them cannot be; the message says which, and what it may be.
    """

    first: float = 2.0
    factor: float = 2.0
    jitter: float = 0.2
    ceiling: float = 300.0
    attempts: int = 10

    def __post_init__(self) -> None:
        if not (self.first > 0 and math.isfinite(self.first)):
            raise ValueError(f"first is more than 0 seconds, and this is {self.first}")
        if not (self.factor >= 1 and math.isfinite(self.factor)):
            raise ValueError(f"factor is 1 or more, and this is {self.factor}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is between 0 and 1, and this is {self.jitter}")
        if not (self.ceiling >= self.first and math.isfinite(self.ceiling)):
            raise ValueError(f"ceiling is at least first, {self.first} seconds, and this is {self.ceiling}")
        if self.attempts < 1:
            raise ValueError(f"attempts is 1 or more, and this is {self.attempts}")

    def delay(self, attempts: int, draw: float) -> float:
        """Seconds before the next attempt, after so many that failed. `draw` is a random number in [0, 1).

        Raises ValueError where none has failed.
        """
        if attempts < 1:
            raise ValueError(f"a delay follows a failed attempt, and there were {attempts}")
        try:
            delay = min(self.ceiling, self.first * math.pow(self.factor, min(attempts - 1, MOST_STEPS)))
        except OverflowError:
            delay = self.ceiling
        return delay * (1 + self.jitter * (2 * draw - 1))

    def next_attempt(self, attempts: int, at: float, deadline: float, draw: float) -> float | None:
        """When the next attempt is, after so many that failed, the last of them at `at`.

        None: it is exhausted. The attempts are used up, or the next one would come at the deadline or after it: then
        its sender is better told now. `at`, `deadline` and what is returned are of the same clock.
        """
        if attempts >= self.attempts:
            return None
        due = at + self.delay(attempts, draw)
        return due if due < deadline else None
