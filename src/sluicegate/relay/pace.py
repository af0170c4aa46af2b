"""How fast the gateway may be asked: learnt from what it answers. docs/relay-pace.md says why it is as it is."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from random import random
from typing import Final

DECREASE: Final = 0.93
"""What is left of the rate after a throttled answer: what the gateway's bank holds makes up for the rest."""
INCREASE: Final = 0.02
"""Of the allocation, by which the rate grows in a second: of two relays of one User both grow alike."""
ONCE: Final = 0.25
"""Seconds: of all throttled answers within them, one counts. They were sent before anybody could know."""
RECENT, LONGEST_RECENT, COUNTED = 1.0, 30.0, 20.0
"""Seconds over which is counted what was admitted: as long as so many take, within these bounds."""
QUICK: Final = 0.25
"""The same, while the rate is below the allocation and the gateway says that the bank fills: others of the same User do
not use it, so nobody's part is taken."""
FULL_PART: Final = 0.5
"""Of the most that the bank was seen to hold: from there on it fills."""
TOLD_FOR: Final = 1.0
"""Seconds for which what the gateway said of the bank counts."""
IN_A_ROW: Final = 3
"""Failures after which a gateway counts as failing: one connection that breaks among hundreds says nothing."""
CALM: Final = 10.0
"""Seconds without a throttled answer, after which the rate grows by FASTER a second; and bulk goes freely."""
FASTER: Final = 0.1
FREE: Final = 60.0
"""Seconds without one after which nothing is limited any more."""
BURST: Final = 0.2
"""Seconds of the rate that may be sent at once."""
LEAST: Final = 0.1
"""SR/s: the least rate."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds that a gateway is left alone that cannot be reached, the first time, and at the most."""
MOST_TOLD = 4096  # octets of a field that are read
MOST_RATE = 1e7  # SR/s

_POLICY = re.compile(rb'"allocation"\s*;\s*q=(\d{1,9})\s*;\s*w=(\d{1,6})')
_LIMIT = re.compile(rb'"allocation"\s*;\s*r=(\d{1,9})(?:\s*;\s*t=(\d{1,9}))?')


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known. allocation: of the User, in SR/s; None: it was not told. rate: what may be sent, in SR/s; infinite
    while nothing is limited. remaining: in the User's bank, in SR, for the class that asked last."""

    allocation: float | None
    rate: float
    remaining: float | None


class Pace:
    """When the next one may be sent. Times are seconds of a monotonic clock, passed in.

    Below the threshold nobody is limited, so nothing is until the gateway says so: by a throttled answer (429, or 503
    with a Retry-After). From then on the rate is what was admitted lately, and follows it: a little less at each
    throttled answer, a little more in each second (AIMD). The allocation is not the measure: others' silence may leave
    more, and other relays of the same User take their parts.

    A gateway that fails is left alone, longer each time, then asked once; and what was learnt counts again.

    Args:
        bulk: ranks that are sent only into the quiet: while anything was throttled lately they leave half of what may
            be sent at once to the others.
        chance: in [0, 1), for the pauses of many relays to differ.
    """

    def __init__(self, bulk: Collection[int] = (), chance: Callable[[], float] = random) -> None:
        self._bulk = frozenset(bulk)
        self._chance = chance
        self._allocation: float | None = None
        self._policy = b""
        self._remaining: float | None = None
        self._most_remaining = 0.0
        self._told_at = -inf
        self._rate = inf
        self._level = 0.0
        self._at = -inf
        self._throttled_at = self._decreased_at = -inf
        self._admitted: deque[float] = deque()
        self._failures = self._in_a_row = 0
        self._closed_until = -inf
        self._probing = False
        self._before_failure = inf
        self._admitted_before = 0.0

    @property
    def learnt(self) -> Learnt:
        """What is known."""
        return Learnt(self._allocation, self._rate, self._remaining)

    def state(self, now: float) -> str:
        """`free`, `paced`, or `closed` (the gateway fails)."""
        if self._failures or now < self._closed_until:
            return "closed"
        return "free" if self._rate == inf else "paced"

    # --- may it?

    def may(self, now: float, rank: int) -> bool:
        """Whether one of a rank may be sent."""
        return self.wait(now, rank) <= 0.0

    def wait(self, now: float, rank: int) -> float:
        """Seconds until one of a rank may be sent by time alone, or 0; infinite where an answer must come first."""
        self._advance(now)
        now = self._at
        if now < self._closed_until:
            return self._closed_until - now
        if self._failures:
            return inf if self._probing else 0.0
        if self._rate == inf:
            return 0.0
        needed = 1.0
        if rank in self._bulk and now - self._throttled_at < CALM:
            needed = max(1.0, 0.5 * self._depth())
        return 0.0 if self._level >= needed - 1e-9 else (needed - self._level) / self._rate

    def sent(self, now: float, rank: int) -> None:  # noqa: ARG002 - who sends says what; today it does not matter
        """One is sent."""
        self._advance(now)
        if self._failures:
            self._probing = True
        if self._rate != inf:
            self._level -= 1.0

    # --- what came of it

    def answered(self, now: float, rank: int, status: int, fields: Mapping[bytes, bytes]) -> None:  # noqa: ARG002
        """What became of one that was sent.

        Args:
            now: seconds.
            rank: its class.
            status: of the answer; 0 where there was none.
            fields: of the answer, by lower-case name.
        """
        self._advance(now)
        now = self._at
        throttled = status == 429 or (status == 503 and b"retry-after" in fields)
        if status == 0 or (status >= 500 and not throttled):
            self._in_a_row += 1
            if self._failures or self._in_a_row >= IN_A_ROW:
                self._failed(now)
            return
        self._in_a_row = 0
        if self._failures:
            self._recovered(now)
        self._read(fields)
        if throttled:
            self._throttle(now)
        else:
            self._admitted.append(now)

    def _throttle(self, now: float) -> None:
        self._throttled_at = now
        if now - self._decreased_at < ONCE:
            return
        self._decreased_at = now
        admitted = self._lately(now)
        if self._rate == inf:  # little is known of one that has sent little
            admitted = max(admitted, min(1.0, self._allocation or 1.0))
        rate = DECREASE * (admitted if self._rate == inf else min(self._rate, max(admitted, DECREASE * self._rate)))
        self._rate = min(MOST_RATE, max(LEAST, rate))
        self._level = min(self._level, 0.0) if self._level < 1.0 else 0.0

    def _lately(self, now: float) -> float:
        """What was admitted lately, in SR/s."""
        self._forget(now)
        return len(self._admitted) / self._recent()

    def _recent(self) -> float:
        return RECENT if self._rate == inf else min(LONGEST_RECENT, max(RECENT, COUNTED / self._rate))

    def _forget(self, now: float) -> None:
        before = now - self._recent()
        while self._admitted and self._admitted[0] <= before:
            self._admitted.popleft()

    def _failed(self, now: float) -> None:
        if now < self._closed_until:
            return  # it was on its way when an earlier one failed
        if not self._failures:
            self._before_failure = self._rate
            self._admitted_before = max(self._lately(now), 0.5 * self._admitted_before)
        self._failures += 1
        self._probing = False
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10))
        self._closed_until = now + pause * (0.5 + 0.5 * self._chance())

    def _recovered(self, now: float) -> None:
        """It answers again. What waited meanwhile must not come as a herd: from here on it is paced, whatever was."""
        self._failures = 0
        self._probing = False
        self._closed_until = -inf
        known = self._allocation if self._allocation is not None else self._admitted_before
        self._rate = max(LEAST, min(self._before_failure, max(known, 1.0)))
        self._level = 0.0
        self._throttled_at = (
            now  # as if: it grows slowly at first, and nothing is free before it has been calm for long
        )
        self._admitted.clear()

    def _read(self, fields: Mapping[bytes, bytes]) -> None:
        policy = fields.get(b"ratelimit-policy", b"")
        if policy != self._policy:  # it hardly ever changes
            self._policy = policy
            found = _POLICY.search(policy[:MOST_TOLD])
            if found is not None and int(found[2]) > 0:
                self._allocation = min(MOST_RATE, int(found[1]) / int(found[2]))
        limit = _LIMIT.search(fields.get(b"ratelimit", b"")[:MOST_TOLD])
        if limit is not None:
            self._remaining, self._told_at = float(limit[1]), self._at
            self._most_remaining = max(self._remaining, self._most_remaining)

    def _fills(self, now: float) -> bool:
        """Whether the User's bank holds so much that all of the User's senders together use less than they have."""
        if self._remaining is None or now - self._told_at > TOLD_FOR or now - self._throttled_at < TOLD_FOR:
            return False
        return self._remaining >= max(1.0, FULL_PART * self._most_remaining)

    # --- time

    def _depth(self) -> float:
        return max(1.0, BURST * self._rate)

    def _advance(self, now: float) -> None:
        """Let the rate grow, and fill what may be sent at once. A clock that stands or jumps back mints nothing."""
        if not isfinite(now) or now <= self._at:
            return
        elapsed = now - self._at if self._at > -inf else 0.0
        self._at = now
        self._forget(now)
        if self._rate == inf or self._failures:
            return
        calm = now - self._throttled_at
        if calm >= FREE:
            self._rate = inf
            return
        grown = INCREASE * (self._allocation if self._allocation else self._rate)
        if calm >= CALM:
            grown = max(grown, FASTER * self._rate)
        if self._allocation is not None and self._rate < self._allocation and self._fills(now):
            grown = max(grown, min(QUICK * self._allocation, self._allocation - self._rate))
        self._rate = min(MOST_RATE, self._rate + max(grown, 0.05) * min(elapsed, 1.0))
        self._level = min(self._depth(), self._level + elapsed * self._rate)
