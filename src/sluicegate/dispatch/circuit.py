"""The circuit breaker before a destination: one that fails is left alone, and then asked carefully."""

from __future__ import annotations

from collections import deque
from math import inf, isfinite

MOST_BUSY = 300.0  # seconds: no destination can put itself off for longer with one Retry-After
LONGEST_PROBE = 60.0  # seconds; a probe that has told nothing until then is not waited for
LONGEST_ATTEMPT = 7200.0  # seconds; attempts end by time-out: one that is older was forgotten by its caller


class Circuit:
    """Closed while a destination takes what it is sent; open for a growing pause once it fails; then half-open.

    It opens when, of the last `2 * failures` attempts, `failures` have failed: so by that many in a row, and by a
    destination that fails half the time. While it is half-open, at most `probes` attempts are made at once. One that
    succeeds closes it; one that fails opens it again, for twice the pause.

    What was begun before it opened tells nothing new when it ends: such a failure neither counts nor lengthens the
    pause, and such a success does not close the circuit. (It might be one of the good halves of a destination that
    fails half the time; a probe asks soon enough. resilience4j and Hystrix decide alike.)

    `began` gives a number, and whoever ends an attempt says which it was. Without the number it is taken for the
    oldest one that has not ended: right where attempts end in the order in which they began, and else a failed probe
    may be taken for an old attempt, and the next probe waits for that one's end, or for LONGEST_PROBE.

    Times are seconds of the monotonic clock, passed in; one that jumps back stands still here.

    Args:
        failures: so many open it.
        pause: seconds for which it is open first.
        longest_pause: seconds; the pause doubles with each failed probe up to this.
        probes: attempts at once while it is half-open.

    Raises:
        ValueError: one of them cannot be; the message says which.
    """

    def __init__(self, failures: int = 10, pause: float = 5.0, longest_pause: float = 120.0, probes: int = 1) -> None:
        if failures < 1 or probes < 1:
            raise ValueError(f"failures and probes are 1 or more, and these are {failures} and {probes}")
        if not (0 < pause <= longest_pause and isfinite(longest_pause)):
            raise ValueError(f"0 < pause <= longest_pause does not hold for {pause} and {longest_pause} seconds")
        self._failures = failures
        self._first_pause = self._pause = pause
        self._longest_pause = longest_pause
        self._most_probes = probes
        self._outcomes: deque[bool] = deque(maxlen=2 * failures)  # True: it failed
        self._failed = 0
        self._opened = False
        self._until = self._busy_until = self._now = -inf
        self._number = 0
        self._fresh = 1  # attempts from this number on tell something new
        self._in_flight: dict[int, float] = {}
        self._probing: dict[int, float] = {}

    def state(self, now: float) -> str:
        """`closed`, `open`, `half-open` or `busy` (it asked to be left alone for a while)."""
        now = self._clock(now)
        if self._opened and now < self._until:
            return "open"
        if now < self._busy_until:
            return "busy"
        return "half-open" if self._opened else "closed"

    def may(self, now: float) -> bool:
        """Whether one more attempt may begin."""
        now = self._clock(now)
        if now < self._busy_until:
            return False
        return not self._opened or (now >= self._until and len(self._probing) < self._most_probes)

    def wait(self, now: float) -> float:
        """Seconds until `may` becomes true by time alone, or 0. The end of a probe may make it true sooner."""
        now = self._clock(now)
        at = max(self._busy_until, self._until) if self._opened else self._busy_until
        over = len(self._probing) - self._most_probes
        if self._opened and over >= 0:
            at = max(at, list(self._probing.values())[over] + LONGEST_PROBE)
        return max(0.0, at - now)

    def next_probe(self, now: float) -> float:
        """Seconds for which nothing will be tried, or 0: attempts or probes are being made."""
        now = self._clock(now)
        return max(0.0, (max(self._busy_until, self._until) if self._opened else self._busy_until) - now)

    def began(self, now: float) -> int:
        """An attempt begins. Returns its number, for when it ends."""
        now = self._clock(now)
        while self._in_flight:
            oldest, begun = next(iter(self._in_flight.items()))
            if now - begun < LONGEST_ATTEMPT:
                break
            del self._in_flight[oldest]
        self._number += 1
        self._in_flight[self._number] = now
        if self._opened:
            self._probing[self._number] = now
        return self._number

    def succeeded(self, now: float, attempt: int | None = None) -> bool:
        """An attempt was answered as it should be. True: this has closed the circuit; begin slowly."""
        now = self._clock(now)
        if not self._ended(attempt) or (self._opened and now < self._until):
            return False
        if self._opened:
            self._opened = False
            self._pause = self._first_pause
            self._begin_anew()
            return True
        self._count(False)
        return False

    def failed(self, now: float, attempt: int | None = None) -> None:
        """An attempt failed, by the destination's fault."""
        now = self._clock(now)
        if not self._ended(attempt) or (self._opened and now < self._until):
            return
        if not self._opened:
            self._count(True)
        if self._opened or self._failed >= self._failures:
            self._opened = True
            self._until = now + self._pause
            self._pause = min(self._longest_pause, self._pause * 2)
            self._fresh = self._number + 1
            self._begin_anew()

    def unclear(self, now: float, attempt: int | None = None) -> None:
        """An attempt ended without saying anything of the destination."""
        self._clock(now)
        self._ended(attempt)

    def busy(self, until: float, now: float, attempt: int | None = None) -> None:
        """An attempt was answered with Retry-After: nothing is tried until then, or for MOST_BUSY seconds.

        It is no failure, and no success: a circuit that was half-open is so again afterwards.
        """
        now = self._clock(now)
        self._ended(attempt)
        if until > now:
            self._busy_until = max(self._busy_until, min(until, now + MOST_BUSY))

    def _clock(self, now: float) -> float:
        """The latest time that was seen. Probes that take too long are not waited for any more."""
        self._now = now = max(self._now, now)
        while self._probing:
            oldest, begun = next(iter(self._probing.items()))
            if now < begun + LONGEST_PROBE:
                break
            del self._probing[oldest]
        return now

    def _ended(self, attempt: int | None) -> bool:
        """Whether the end of an attempt tells something new."""
        if attempt is None:
            attempt = next(iter(self._in_flight), None)
            if attempt is None:  # nobody said that it began
                return True
        self._probing.pop(attempt, None)
        return self._in_flight.pop(attempt, None) is not None and attempt >= self._fresh

    def _count(self, failed: bool) -> None:
        if len(self._outcomes) == self._outcomes.maxlen:
            self._failed -= self._outcomes[0]
        self._outcomes.append(failed)
        self._failed += failed

    def _begin_anew(self) -> None:
        self._outcomes.clear()
        self._failed = 0
        self._probing.clear()
