"""What all Users together sent: every second of the last minutes, every ten seconds of the last day. In memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

MINUTES: Final = 600  # points, a second each
DAY: Final = 8640  # points, ten seconds each
EVERY: Final = 10  # seconds
MOST_SHOWN: Final = 720  # points of the day that a page gets: two minutes each


class Point(NamedTuple):
    """SR/s by outcome, with the threshold and the capacity that counted. `at`: whole seconds since 1970."""

    at: int
    within: float
    excess: float
    throttled: float
    threshold: float
    maximum: float

    @property
    def offered(self) -> float:
        """All that was decided."""
        return self.within + self.excess + self.throttled


class Series:
    """Both rings. Of a time when the gateway was not running there is no point."""

    def __init__(self) -> None:
        self._seconds: deque[Point] = deque(maxlen=MINUTES)
        self._day: deque[Point] = deque(maxlen=DAY)
        self._open: list[Point] = []

    def take(self, point: Point) -> None:
        """The next second."""
        if self._open and point.at // EVERY != self._open[0].at // EVERY:
            self._day.append(_mean(self._open, EVERY))
            self._open = []
        self._open.append(point)
        self._seconds.append(point)

    def minutes(self) -> dict[str, list[float]]:
        """The seconds, by column."""
        return _columns(list(self._seconds))

    def day(self) -> dict[str, list[float]]:
        """The day in at most MOST_SHOWN steps, by column; `peak` is the highest ten seconds in each."""
        points = [*self._day, *([_mean(self._open, EVERY)] if self._open else [])]
        wide = EVERY * max(1, DAY // MOST_SHOWN)
        steps: dict[int, list[Point]] = {}
        for point in points:
            steps.setdefault(point.at // wide, []).append(point)
        columns = _columns([_mean(of, wide) for of in steps.values()])
        columns["peak"] = [round(max(point.offered for point in of), 2) for of in steps.values()]
        return columns


def _mean(points: Sequence[Point], wide: int) -> Point:
    """One point for several, at the beginning of their step."""
    many, last = len(points), points[-1]
    within, excess, throttled = (sum(point[column] for point in points) / many for column in (1, 2, 3))
    return Point(last.at // wide * wide, within, excess, throttled, last.threshold, last.maximum)


def _columns(points: Sequence[Point]) -> dict[str, Any]:
    return {name: [round(point[number], 2) for point in points] for number, name in enumerate(Point._fields)}
