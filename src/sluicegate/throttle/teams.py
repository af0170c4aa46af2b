"""Teams inside a User: fixed parts of its allocation. Each has a bank of its own inside the User's one."""

from collections.abc import Sequence
from typing import Final

MOST_TEAMS: Final = 16
NO_TEAM: Final = -1


class Teams:
    """The banks of a User's teams. A team's bank holds nothing that the User's bank does not hold too.

    What a team does not use (its bank is full) is everybody's: it stays in the User's bank, and no other team's bank
    keeps it. So a part is a promise, and not a cage. Every operation is O(teams), and there are few (MOST_TEAMS).

    Args:
        parts: of the allocation, each above 0, together 1 at the most.
        allocation: of the User, in SR/s (the effective one).
        burst: B, in seconds.
        heaviest: h, in SR: at least one heaviest request fits into each bank.
        now: when the banks are full, in seconds.

    Raises:
        ValueError: the parts cannot be.
    """

    __slots__ = ("_at", "_depths", "_levels", "_rates", "depth", "parts")

    def __init__(self, parts: Sequence[float], allocation: float, burst: float, heaviest: float, now: float) -> None:
        if len(parts) > MOST_TEAMS:
            raise ValueError(f"a User has at most {MOST_TEAMS} teams, and this one {len(parts)}")
        if any(not 0.0 < part <= 1.0 for part in parts) or sum(parts) > 1.0 + 1e-9:
            raise ValueError("the parts of teams are above 0, and together 1 at the most")
        self.parts = tuple(parts)
        self._rates = [part * allocation for part in parts]
        self._depths = [max(rate * burst, heaviest) for rate in self._rates]
        self._levels = list(self._depths)
        self._at = now
        self.depth = sum(self._depths) + (heaviest if parts else 0.0)
        """In SR, the least depth of the User's bank: all of them, and one request beside, or what a team does not use
        would be lost to the others where a part is less than a request."""

    def kept_for_others(self, team: int, now: float) -> float:
        """What the banks of the other teams hold, in SR: a request of `team` (NO_TEAM: of none) leaves that."""
        self._fill(now)
        held = sum(self._levels)
        return held - self._levels[team] if team >= 0 else held

    def charge(self, team: int, weight: float, level: float) -> None:
        """A request was served from the User's bank, which now holds `level` SR."""
        if team >= 0:
            self._levels[team] = max(0.0, self._levels[team] - weight)
        self.fit(level)  # while nothing is shared out, anybody may have taken what was kept

    def give_back(self, team: int, weight: float, level: float, now: float) -> None:
        """A request of `team` (NO_TEAM: of none) was not sent after all: the User's bank has it again, and holds
        `level` SR at `now` seconds."""
        self._fill(now)
        if 0 <= team < len(self._levels):  # else of none, or of a profile that was
            levels = self._levels
            levels[team] = min(self._depths[team], levels[team] + weight)
            self.fit(level)

    def fit(self, level: float) -> None:
        """Scale the banks down to the User's, which holds `level` SR."""
        held = sum(self._levels)
        if held > level:
            part = max(0.0, level) / held
            self._levels = [each * part for each in self._levels]

    def like(self, other: "Teams") -> None:
        """Go on where another one of as many teams has ended: a reload fills no bank."""
        other._fill(self._at)  # at the rates that were
        self._levels = [min(mine, theirs) for mine, theirs in zip(self._depths, other._levels, strict=True)]

    def _fill(self, now: float) -> None:
        gained = now - self._at
        if gained > 0.0:
            self._at = now
            self._levels = [
                min(depth, level + gained * rate)
                for depth, level, rate in zip(self._depths, self._levels, self._rates, strict=True)
            ]
