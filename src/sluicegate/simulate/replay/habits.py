"""What Users' systems do when they are held: as they are told to do in a replay, or as a record shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.measures.histogram import BINS, bins, percentiles
from sluicegate.simulate.measures.rounding import rounded
from sluicegate.simulate.replay.attempts import Seen
from sluicegate.simulate.replay.rows import THROTTLED, Ints, Rows
from sluicegate.simulate.world import Retry

NAMES: Final = ("seen", "recorded", "none", "immediate", "fixed:S", "exponential", "honour")
LONGEST: Final = 3600.0
_SHORTEST: Final = 0.01
_HALF: Final = 0.5


class HabitError(ValueError):
    """A habit that cannot be; `str()` says what would be one."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How retries come about in a replay.

    seen: each User as the record shows it. recorded: every row as it came, retries too, and nobody comes back
    otherwise. The others are those of `world.Retry`, for everybody alike; `seconds` is the interval of `fixed`.
    """

    name: str = "seen"
    seconds: float = 1.0

    @property
    def whole(self) -> bool:
        """Whether every row is replayed, and not first attempts only."""
        return self.name == "recorded"

    def __str__(self) -> str:
        return f"fixed:{self.seconds:g}" if self.name == "fixed" else self.name


def parse_habit(text: str) -> Habit:
    """Read `fixed:5`, `honour` and so on. Raises HabitError."""
    name, colon, figure = text.strip().partition(":")
    if name == "fixed":
        try:
            seconds = float(figure)
        except ValueError:
            seconds = math.nan
        if not _SHORTEST <= seconds <= LONGEST:
            raise HabitError(f"{text!r}: S is seconds, {_SHORTEST:g} to {LONGEST:g}, such as fixed:5")
        return Habit(name, seconds)
    if colon or name not in NAMES:
        raise HabitError(f"{text!r} is no habit. There are: {', '.join(NAMES)}")
    return Habit(name)


@dataclass(frozen=True, slots=True)
class Shown:
    """How a User behaved in the record. held: requests whose first attempt was throttled; again: those that came again.

    gap: half of the retries came sooner than that, in seconds; None without any. longest: most attempts at one request.
    """

    held: int = 0
    again: int = 0
    gap: float | None = None
    longest: int = 1

    @property
    def retry(self) -> Retry:
        """Of a User that sent at least half of what was throttled again: after `gap` s, as often as it did at most."""
        if self.gap is None or not self.held or self.again / self.held < _HALF:
            return Retry("none", attempts=1)
        return Retry("fixed", first=max(_SHORTEST, self.gap), attempts=max(2, self.longest))

    def told(self) -> dict[str, Any]:
        """For summary.json."""
        return {"held": self.held, "again": self.again, "gap": rounded(self.gap, 4), "longest": self.longest}


class Watched:
    """Gathers how Users behave. Memory goes with the number of Users."""

    def __init__(self) -> None:
        self._counts = np.zeros((0, 3), np.int64)  # held, again, longest
        self._gaps = np.zeros((0, BINS), np.int64)

    def take(self, rows: Rows, seen: Seen, users: int) -> None:
        """Take rows in. `users`: how many Users there are so far."""
        self._counts, self._gaps = grown(self._counts, users), grown(self._gaps, users)
        held = (rows.outcomes == THROTTLED) & seen.first
        again = (seen.before == THROTTLED) & (seen.attempt == 2)
        np.add.at(self._counts[:, 0], rows.users[held], 1)
        np.add.at(self._counts[:, 1], rows.users[again], 1)
        np.maximum.at(self._counts[:, 2], rows.users, seen.attempt)
        back = np.flatnonzero(seen.before == THROTTLED)
        np.add.at(self._gaps, (rows.users[back], bins(seen.gap[back])), 1)

    def shown(self) -> list[Shown]:
        """By User."""
        gaps = percentiles(self._gaps, (_HALF,))[:, 0].tolist() if len(self._gaps) else []
        return [
            Shown(held, again, None if math.isnan(gap) else gap, longest)
            for (held, again, longest), gap in zip(self._counts.tolist(), gaps, strict=True)
        ]


def grown(table: NDArray[Any], rows: int) -> NDArray[Any]:
    """The table with at least so many rows, new ones 0."""
    if rows <= len(table):
        return table
    larger = np.zeros((max(rows, 2 * len(table)), *table.shape[1:]), table.dtype)
    larger[: len(table)] = table
    return larger


def by_user(users: Ints, columns: Ints, shape: tuple[int, int]) -> Ints:
    """Counts by User and column."""
    found: Ints = np.bincount(users * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)
    return found
