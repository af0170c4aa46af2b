"""How fast the gateway may be asked: learnt from what it answers. docs/relay-pace.md says why it is as it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from random import random
from typing import Final

from sluicegate.relay.bank import MOST_RATE, TOLD_FOR, Bank
from sluicegate.relay.failing import Failing

EPSILON: Final = 1e-9  # of a sending, for what rounding takes

DECREASE: Final = 0.95
"""What is left of the rate after a throttled answer: what the gateway's bank holds makes up for the rest."""
INCREASE, UNTOLD_INCREASE = 0.015, 0.03
"""Of the allocation (of the rate, where that was not told), by which the rate grows in a second."""
ONCE, LONGEST_ONCE = 0.25, 5.0
"""Seconds, or one round trip, if that is longer: of all throttled answers within them, one counts. They were sent
before anybody could know."""
AGAIN: Final = 0.7
"""Of a sending, that a throttled answer gives back: it cost nothing there."""
RECENT, LONGEST_RECENT, COUNTED = 1.0, 30.0, 20.0
"""Seconds over which is counted what was admitted: as long as so many take, within these bounds."""
QUICK: Final = 0.25
"""As INCREASE, while the rate is below the allocation and the gateway says that the bank fills: others of the same User
do not use it, so nobody's part is taken."""
CALM, LONGEST_CALM, CALM_COUNT = 10.0, 30.0, 100.0
"""Seconds without a throttled answer, after which the rate grows by FASTER a second: what so many take at the rate. And
bulk goes as all else does."""
FASTER, FROM_LITTLE = 0.1, 1.0
"""The second: after a gateway that failed and did not tell the allocation. The rate begins with little, and doubles at
once until something is throttled (TCP's slow start)."""
FREE: Final = 60.0
"""Seconds without one after which nothing is limited any more; for one class: none of its own or of a more urgent."""
BURST: Final = 0.2
"""Seconds of the rate that may be sent at once."""
LEAST: Final = 0.1
"""SR/s: the least rate."""
MOST_RANK = 2**31
FORGOTTEN = 60.0  # seconds: nothing that was sent so long before another is on its way any more


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

    A throttled answer slows its own class and the less urgent ones. Those more urgent are not held back by it (the
    gateway may keep a reserve for them), until one of them is throttled itself; what they send is charged to all.

    A gateway that fails is left alone, longer each time, then asked once; and what was learnt counts again.

    Args:
        bulk: ranks that are sent only into the quiet: while anything was throttled lately they leave half of what may
            be sent at once to the others.
        chance: in [0, 1), for the pauses of many relays to differ.
    """

    def __init__(self, bulk: Collection[int] = (), chance: Callable[[], float] = random) -> None:
        self._bulk = frozenset(bulk)
        self._bank = Bank()
        self._failing = Failing(chance)
        self._rate = inf
        self._level = 0.0
        self._at = -inf
        self._throttled_at = self._decreased_at = self._sent_at = -inf
        self._in_flight = 0
        self._slowed: dict[int, float] = {}
        self._slow_from = MOST_RANK
        self._admitted: deque[float] = deque()
        self._before_failure = inf
        self._admitted_before = 0.0
        self._back = False

    @property
    def learnt(self) -> Learnt:
        """What is known."""
        return Learnt(self._bank.allocation, self._rate, self._bank.remaining)

    def state(self, now: float) -> str:  # noqa: ARG002 - of which moment; today it does not matter
        """`free`, `paced`, or `closed` (the gateway fails)."""
        if self._failing.pauses:
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
        if self._failing.pauses:
            return self._failing.wait(now)
        if self._rate == inf or rank < self._slow_from:
            return 0.0
        needed = 1.0
        if rank in self._bulk and now - self._throttled_at < CALM:
            needed = max(1.0, 0.5 * self._depth())
        return 0.0 if self._level >= needed - EPSILON else (needed - self._level) / self._rate

    def sent(self, now: float, rank: int) -> None:  # noqa: ARG002 - who sends says what; today it does not matter
        """One is sent."""
        self._advance(now)
        self._in_flight = self._in_flight + 1 if self._at - self._sent_at < FORGOTTEN else 1
        self._sent_at = self._at
        self._failing.sent()
        if self._rate != inf:
            self._level = max(self._level - 1.0, -max(1.0, self._rate))

    # --- what came of it

    def answered(self, now: float, rank: int, status: int, fields: Mapping[bytes, bytes]) -> None:
        """What became of one that was sent.

        Args:
            now: seconds.
            rank: its class.
            status: of the answer; 0 where there was none.
            fields: of the answer, by lower-case name.
        """
        self._advance(now)
        now = self._at
        if self._in_flight:
            self._in_flight -= 1
        throttled = status == 429 or (status == 503 and b"retry-after" in fields)
        if status == 0 or (status >= 500 and not throttled):
            if self._failing.failed(now):
                self._before_failure = self._rate
                self._admitted_before = max(self._lately(now), 0.5 * self._admitted_before)
            return
        if self._failing.answered(now):
            self._recovered(now)
        self._bank.read(now, fields)
        if throttled:
            self._throttle(now, rank)
        else:
            self._admitted.append(now)

    def _throttle(self, now: float, rank: int) -> None:
        self._throttled_at = now
        self._back = False
        self._slow(now, rank)
        if self._rate != inf and self._level < AGAIN:
            self._level = min(AGAIN, self._level + AGAIN)
        if now - self._decreased_at < self._once():
            return
        self._decreased_at = now
        admitted = self._lately(now)
        if self._rate == inf:  # little is known of one that has sent little
            admitted = max(admitted, min(1.0, self._bank.allocation or 1.0))
            rate = DECREASE * admitted
        else:
            rate = DECREASE * min(self._rate, max(admitted, DECREASE * self._rate))
        self._rate = min(MOST_RATE, max(LEAST, rate))
        self._level = min(self._level, AGAIN)

    def _slow(self, now: float, rank: int) -> None:
        self._slowed[rank] = now
        if rank < self._slow_from:
            self._slow_from = rank

    def _once(self) -> float:
        """One round trip, by what is on its way (Little's law)."""
        if self._rate == inf:
            return ONCE
        return min(LONGEST_ONCE, max(ONCE, self._in_flight / self._rate))

    def _lately(self, now: float) -> float:
        """What was admitted lately, in SR/s."""
        self._forget(now)
        return len(self._admitted) / self._recent()

    def _recent(self) -> float:
        return RECENT if self._rate == inf else min(LONGEST_RECENT, max(RECENT, COUNTED / self._rate))

    def _forget(self, now: float) -> None:
        admitted = self._admitted
        if admitted:
            before = now - self._recent()
            while admitted and admitted[0] <= before:
                admitted.popleft()

    def _recovered(self, now: float) -> None:
        """It answers again. What waited meanwhile must not come as a herd: from here on it is paced, whatever was."""
        known = self._bank.allocation
        if known is None:  # one that fails often lets little be admitted: that says nothing of what it bears
            known = max(self._admitted_before, 0.5 * self._before_failure if self._before_failure < inf else 0.0)
        self._rate = max(LEAST, min(self._before_failure, max(known, 1.0)))
        self._level = 0.0
        self._throttled_at = now  # as if: it grows slowly at first, and is not free before it has been calm for long
        self._back = True
        self._slow(now, 0)
        self._admitted.clear()

    def _fills(self, now: float) -> bool:
        return now - self._throttled_at >= TOLD_FOR and self._bank.fills(now)

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
        if self._rate == inf or self._failing.pauses:
            return
        calm = now - self._throttled_at
        if calm >= FREE:
            self._rate = inf
            self._back = False
            self._slowed.clear()
            self._slow_from = MOST_RANK
            return
        if now - self._slowed.get(self._slow_from, inf) >= FREE:
            self._slowed = {rank: at for rank, at in self._slowed.items() if now - at < FREE}
            self._slow_from = min(self._slowed, default=MOST_RANK)
        allocation = self._bank.allocation
        grown = INCREASE * allocation if allocation else UNTOLD_INCREASE * self._rate
        if self._back and allocation is None:
            grown = FROM_LITTLE * self._rate
        elif calm >= CALM and calm >= min(LONGEST_CALM, CALM_COUNT / self._rate):
            grown = max(grown, FASTER * self._rate)
        if allocation is not None and self._rate < allocation and self._fills(now):
            grown = max(grown, min(QUICK * allocation, allocation - self._rate))
        self._rate = min(MOST_RATE, self._rate + grown * min(elapsed, 1.0))
        self._level = min(self._depth(), self._level + elapsed * self._rate)
