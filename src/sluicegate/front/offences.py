"""A sender that keeps sending what is refused is slowed, and then cut off: refused requests must not cost others."""

from __future__ import annotations

from collections import OrderedDict

FREE = 20.0  # offences that are answered at once
FORGIVEN = 1.0  # offences a second
MOST = 60.0  # from here on the sender is cut off
SLOWEST = 2.0  # seconds that an answer waits at the most
BANISHED = 10.0  # seconds for which a sender that was cut off is not let in again
REMEMBERED = 10_000  # senders; the one that offended least recently is forgotten first


class Offences:
    """Offences of senders, by certificate or address. Times are seconds of the monotonic clock, passed in."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def commit(self, key: str, now: float) -> float:
        """Count one; returns how many seconds its answer waits, or -1 where the sender is to be cut off."""
        score = self.score(key, now) + 1.0
        if score > MOST:
            score = MOST + BANISHED * FORGIVEN
        self._known[key] = (score, now)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        if score > MOST:
            return -1.0
        return max(0.0, min(1.0, (score - FREE) / (MOST - FREE)) * SLOWEST)

    def banished(self, key: str, now: float) -> bool:
        """Whether a sender that was cut off is still to be kept out."""
        return key in self._known and self.score(key, now) > MOST

    def score(self, key: str, now: float) -> float:
        """Offences not yet forgiven."""
        known = self._known.get(key)
        if known is None:
            return 0.0
        score, at = known
        return max(0.0, score - (now - at) * FORGIVEN)
