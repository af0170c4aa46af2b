"""The circuit breaker before the upstream: a dead one is not met with every sender's full rate."""

from __future__ import annotations

FAILURES = 5  # connections in a row that could not be made
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds
LONGEST_PROBE = 5.0  # seconds; a probe that has told nothing until then is not waited for


class Breaker:
    """Closed while connections can be made; open for a growing pause once they cannot; then one probe at a time.

    Times are seconds of the monotonic clock, passed in.
    """

    __slots__ = ("_failures", "_pause", "_probe_ends", "_probing", "_until")

    def __init__(self) -> None:
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._until = self._probe_ends = 0.0
        self._probing = False

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`."""
        if self._failures < FAILURES:
            return "closed"
        return "half-open" if self._probing else "open"

    def blocks(self, now: float) -> float:
        """Seconds until a request may try, or 0: it may now, and says so by `probe` if it does."""
        if self._failures < FAILURES:
            return 0.0
        if now < self._until or (self._probing and now < self._probe_ends):
            return max(self._until - now, 0.1)
        return 0.0

    def probe(self, now: float) -> None:
        """A request is sent. While the breaker is open it is the probe, and the others wait for what becomes of it."""
        if self._failures >= FAILURES:
            self._probing = True
            self._probe_ends = now + LONGEST_PROBE

    def connected(self) -> None:
        """A connection was made: all is well."""
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._probing = False

    def answered(self) -> None:
        """An answer came, perhaps on a connection that was there before: as good as a new one."""
        if self._failures:
            self.connected()

    def unanswered(self) -> None:
        """The probe ended without having told anything (its sender left, say): the next request probes."""
        self._probing = False

    def failed(self, now: float) -> None:
        """A connection could not be made."""
        self._failures += 1
        if self._failures >= FAILURES:
            if self._probing or self._failures == FAILURES:
                self._until = now + self._pause
                self._pause = min(LONGEST_PAUSE, self._pause * 2)
            self._probing = False
