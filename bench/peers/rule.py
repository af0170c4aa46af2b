"""The rule, first-come, as short as a Python user would write it for a decision service: banks in memory."""

from __future__ import annotations

import re
from time import monotonic

HEADER = re.compile(
    rb'schemaVersion="([0-9.]+)"[^>]*>\s*<(?:\w+:)?Header>\s*<(?:\w+:)?RequestID>\s*'
    rb"([0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){7}):"
)
BURST_SECONDS = 0.5


class Bank:
    """A token bank: `rate` tokens a second, up to `rate * BURST_SECONDS`, at least one."""

    def __init__(self, rate: float) -> None:
        self.rate, self.depth = rate, max(rate * BURST_SECONDS, 1.0)
        self.level, self.at = self.depth, monotonic()

    def take(self, now: float) -> bool:
        """One token, if there is one."""
        self.level = min(self.depth, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True


class Rule:
    """Within the allocation, or room under the threshold; else the status that the DUIS version asks for."""

    def __init__(self, allocations: dict[bytes, float], threshold: float) -> None:
        self.banks = {originator: Bank(rate) for originator, rate in allocations.items()}
        self.total = Bank(threshold)

    def status(self, message: bytes) -> int:
        """200 to admit; 429 or 503 throttled; 400 no header; 403 an unknown User."""
        found = HEADER.search(message)
        if found is None:
            return 400
        bank = self.banks.get(found[2].upper())
        if bank is None:
            return 403
        now = monotonic()
        if bank.take(now):
            self.total.take(now)
            return 200
        if self.total.take(now):
            return 200
        return 429 if float(found[1]) >= 4.1 else 503
