"""The two clocks, so that tests can move them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is."""

    now: Callable[[], float] = time.monotonic
    """Seconds of the monotonic clock: for all that is waited for."""
    at: Callable[[], float] = time.time
    """Seconds since 1970: for what is stored, and told."""

    def both(self) -> tuple[float, float]:
        """Since 1970, and monotonic."""
        return self.at(), self.now()
