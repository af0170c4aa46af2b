"""When a worker draws, and how much it asks for in advance."""

from __future__ import annotations

from math import ceil, floor, sqrt
from typing import Final

EVERY_ACTIVE: Final = 0.04
"""Seconds between draws while traffic management is active, at most; else `EVERY`."""
EVERY: Final = 0.2
BURST: Final = 5.0  # draws: a quiet worker's first requests do not wait for the pace
MEMORY: Final = 0.3  # seconds over which flows are measured
AHEAD: Final = 0.12  # seconds of what comes that are drawn ahead of offered tokens
TURN: Final = 0.025  # seconds until the next draw is answered, where one follows the other and the ledger is quick
SLOW: Final = 0.2  # of what a draw took: so much is believed at once
SELDOM: Final = 0.1  # seconds that what was served late waits to be told while nothing is near to run short
FEWEST: Final = 4  # Users of a draw
NARROWER: Final = 0.7
WIDER: Final = 8  # it grows by an eighth
FIRST: Final = 8  # of a worker that begins: very many may do so at once
RARE: Final = 0.2  # SR in a turn: a token for it would lapse, most times
PART: Final = 0.25  # of a User's bank may lie at workers who have no use for it just now
CHANCE: Final = 1.5  # standard deviations of what comes in a turn
BIG: Final = 2.0  # SR in a turn: less than that is drawn when it is asked for
SPREAD: Final = 4.0  # standard deviations of what comes that offered tokens must bear
LEAST: Final = 8.0  # heaviest requests: a quiet worker holds so many offered tokens, where the bank bears it


class Pace:
    """A worker draws so many times in any second at most, a few of them at once after a rest."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, per_second: float, now: float) -> None:
        self._rate = max(per_second - BURST, BURST)
        self._left = BURST
        self._at = now

    def free_at(self, now: float) -> float:
        """When the next draw may be sent, in seconds."""
        left = min(BURST, self._left + (now - self._at) * self._rate)
        return now if left >= 1.0 - 1e-9 else now + (1.0 - left) / self._rate

    def take(self, now: float) -> None:
        """One is sent."""
        self._left = min(BURST, self._left + (now - self._at) * self._rate) - 1.0
        self._at = now


def moved(flow: float, used: float, elapsed: float) -> float:
    """A flow (SR/s) after `used` SR in `elapsed` seconds."""
    if elapsed <= 0.0:
        return flow
    return flow + (used / elapsed - flow) * min(1.0, elapsed / MEMORY)


class Breadth:
    """Of how many Users a draw speaks at most: of fewer where draws take long, for most of what a draw costs the ledger
    are its Users. So a ledger that is too busy for all of them still answers in time, and what it grants for any User
    (offered tokens) comes to whoever asks. As TCP's window does, it grows with
    each answer that came soon, and shrinks by more where one did not.

    Attributes:
        users: how many.
    """

    __slots__ = ("_most", "users")

    def __init__(self, most: int) -> None:
        self._most, self.users = most, FIRST

    def took(self, seconds: float, wait: float) -> None:
        """A draw has taken so long, and requests wait for `wait` at most."""
        if seconds > wait:
            self.users = max(FEWEST, int(self.users * NARROWER))
        elif self.users < self._most:
            self.users = min(self._most, self.users + max(1, self.users // WIDER))


def turn_of(taken: float) -> float:
    """Seconds until the next draw is answered, where a draw takes `taken` of them.

    `TURN`, or, of a ledger that is busy, two draws: what comes while one is under way is asked for with the next.
    """
    return max(TURN, 2.0 * taken)


def offered_target(flow: float, heaviest: float, turn: float = TURN) -> float:
    """How many offered tokens a worker likes to have in hand, in SR, where so much (SR/s) comes, and a next draw is
    answered in `turn` seconds."""
    expected = flow * max(AHEAD, 2.0 * turn)
    return max(LEAST * heaviest, expected + SPREAD * sqrt(expected * heaviest))


def own_target(flow: float, unit: float, turn: float = TURN, most: float = 0.0) -> float:
    """How many tokens of one User a worker holds, in SR, where the User spends `flow` of them (SR/s) there.

    Of a small flow none, or the User's only token may lie there while its request comes elsewhere; but `most` (SR), a
    small part of what the User's bank holds, may lie anywhere: then as many as bear what comes in a turn by chance too.
    """
    expected = flow * turn
    if most >= unit and expected >= RARE * unit:
        wanted = ceil((expected + CHANCE * sqrt(expected * unit)) / unit)
        return min(wanted, floor(most / unit)) * unit
    return expected if expected >= BIG * unit else 0.0
