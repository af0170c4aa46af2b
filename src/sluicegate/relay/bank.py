"""What the gateway says of the User's allocation and of its bank, in RateLimit-Policy and RateLimit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from typing import Final

FULL_PART: Final = 0.5
"""Of the most that the bank was seen to hold: from there on it fills."""
TOLD_FOR: Final = 1.0
"""Seconds for which what the gateway said of the bank counts."""
MOST_TOLD = 4096  # octets of a field that are read
MOST_RATE = 1e7  # SR/s

_POLICY = re.compile(rb'"allocation"\s*;\s*q=(\d{1,9})\s*;\s*w=(\d{1,6})')
_LIMIT = re.compile(rb'"allocation"\s*;\s*r=(\d{1,9})(?:\s*;\s*t=(\d{1,9}))?')


class Bank:
    """What was told last.

    Attributes:
        allocation: of the User, in SR/s; None: it was not told.
        remaining: in the bank, in SR, for the class that asked last; None: it was not told.
    """

    __slots__ = ("_most_remaining", "_policy", "_told_at", "allocation", "remaining")

    def __init__(self) -> None:
        self.allocation: float | None = None
        self.remaining: float | None = None
        self._policy = b""
        self._most_remaining = 0.0
        self._told_at = -inf

    def read(self, now: float, fields: Mapping[bytes, bytes]) -> None:
        """The fields of an answer, by lower-case name. What is not understood is as if it was not there."""
        policy = fields.get(b"ratelimit-policy", b"")
        if policy != self._policy:  # it hardly ever changes
            self._policy = policy
            found = _POLICY.search(policy[:MOST_TOLD])
            if found is not None and int(found[2]) > 0:
                self.allocation = min(MOST_RATE, int(found[1]) / int(found[2]))
        stated = fields.get(b"ratelimit")
        limit = None if stated is None else _LIMIT.search(stated[:MOST_TOLD])
        if limit is not None:
            self.remaining, self._told_at = float(limit[1]), now
            if self.remaining > self._most_remaining:
                self._most_remaining = self.remaining

    def fills(self, now: float) -> bool:
        """Whether it holds so much that all of the User's senders together use less than they have."""
        if self.remaining is None or now - self._told_at > TOLD_FOR:
            return False
        return self.remaining >= max(1.0, FULL_PART * self._most_remaining)
