"""How fast a destination is delivered to: so many at once, so many in a second, and slowly at first."""

from __future__ import annotations

from math import inf, isfinite

FIRST_PART = 0.1  # of concurrency and rate, at which a slow start begins (Envoy's min_weight_percent is 10, too)
BANK_SECONDS = 0.1  # the bank holds what the rate mints in so long: a burst that a destination does not feel
ENOUGH = 1 - 1e-9  # of a token, for what rounding takes


class Pace:
    """Bounds how many attempts run at once, and how many begin in a second (a token bank).

    After a recovery both grow linearly, from a tenth to the whole. Linear as in the slow starts of load balancers
    (nginx, HAProxy, Envoy's default) and not exponential as in TCP's: the destination's capacity is known, so there is
    nothing to search for; a linear rise comes to the knee in its smallest relative steps, an exponential one in its
    largest absolute ones; and meanwhile it delivers half of what the full rate would, where the other delivers 39%.

    Times are seconds of the monotonic clock, passed in. A clock that stands still or jumps back mints nothing.

    Args:
        concurrency: attempts at once, 1 or more.
        rate: attempts a second, more than 0.
        slow_start_seconds: until all of it may be used after a recovery; 0: at once.

    Raises:
        ValueError: one of them cannot be; the message says which.
    """

    def __init__(self, concurrency: int, rate: float, slow_start_seconds: float) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency is 1 or more, and this is {concurrency}")
        if not (rate > 0 and isfinite(rate)):
            raise ValueError(f"rate is more than 0 a second, and this is {rate}")
        if not (slow_start_seconds >= 0 and isfinite(slow_start_seconds)):
            raise ValueError(f"slow_start_seconds is 0 or more, and this is {slow_start_seconds}")
        self._concurrency = concurrency
        self._rate = rate
        self._slow = slow_start_seconds
        self._parts = 1
        self._since = self._at = -inf
        self._level = 0.0
        self.in_flight = 0
        """Attempts that have begun and not ended."""

    def may(self, now: float) -> bool:
        """Whether one more attempt may begin."""
        self._fill(now)
        return self._level >= ENOUGH and self.in_flight < self._allowed()

    def began(self, now: float) -> None:
        """An attempt begins."""
        self._fill(now)
        self._level -= 1
        self.in_flight += 1

    def ended(self, now: float) -> None:
        """An attempt has ended, however."""
        self._fill(now)
        self.in_flight = max(0, self.in_flight - 1)

    def wait(self, now: float) -> float:
        """Seconds until `may` becomes true by time alone, or 0; infinite if only the end of an attempt can do it."""
        self._fill(now)
        wait = 0.0
        if self._level < ENOUGH:
            wait = (1 - self._level) / (self._rate * self._part(self._at) / self._parts)
        if self.in_flight >= self._allowed():
            needed = (self.in_flight + 1) * self._parts
            if needed > self._concurrency or self._part(self._at) >= 1:
                return inf
            wait = max(wait, self._since + self._slow * needed / self._concurrency - self._at)
        return wait

    def recovered(self, now: float) -> None:
        """The destination takes again what it is sent: begin a slow start."""
        self._fill(now)
        self._since = self._at
        self._level = min(self._level, self._depth())

    def share(self, parts: int) -> None:
        """So many dispatchers share concurrency and rate, equally; at least one attempt at once is everybody's."""
        self._parts = max(1, parts)

    def _part(self, at: float) -> float:
        """The part of concurrency and rate that may be used."""
        if at >= self._since + self._slow:
            return 1.0
        return max(FIRST_PART, (at - self._since) / self._slow)

    def _allowed(self) -> int:
        return max(1, int(self._concurrency * self._part(self._at) + 1e-9) // self._parts)

    def _depth(self) -> float:
        return max(1.0, self._rate * self._part(self._at) / self._parts * BANK_SECONDS)

    def _fill(self, now: float) -> None:
        """Mint, at the rate of the last time (never more than the present one) so that `wait` keeps its word."""
        if now > self._at:
            minted = (now - self._at) * (self._rate * self._part(self._at) / self._parts)
            self._at = now
            self._level = min(self._depth(), self._level + minted)
