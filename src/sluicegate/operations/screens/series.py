"""What all Users together sent: every second of the last minutes, every ten seconds of the last day. In memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

MINUTES: Final = 600  # points, a second each
DAY: Final = 8640  # points, ten seconds each
EVERY: Final = 10  # seconds
MINUTE: Final = 60  # seconds
MOST_SHOWN: Final = 720  # points of the day that a page gets: two minutes each


class Point(NamedTuple):
    """SR/s by outcome, with the threshold and the capacity that counted (None: not known). `at`: seconds since 1970."""

    at: int
    within: float
    excess: float
    throttled: float
    threshold: float | None
    maximum: float | None

    @property
    def offered(self) -> float:
        """All that was decided."""
        return self.within + self.excess + self.throttled


class Series:
    """Both rings."""

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

    def begin_with(self, minutes: Iterable[tuple[int, Sequence[float]]], before: int) -> None:
        """What was counted before the first second here.

        Args:
            minutes: when each begins, in seconds since 1970, and how many SRs were within, in excess, and throttled.
            before: only so far, in seconds since 1970.
        """
        older = [
            Point(at, within / MINUTE, excess / MINUTE, throttled / MINUTE, None, None)
            for begins, (within, excess, throttled, *_) in minutes
            for at in range(begins, begins + MINUTE, EVERY)
            if at + EVERY <= before
        ]
        self._day = deque([*older, *self._day], maxlen=DAY)

    def minutes(self) -> dict[str, list[float | None]]:
        """The seconds, by column."""
        return _columns(list(self._seconds))

    def day(self) -> dict[str, list[float | None]]:
        """The day in at most MOST_SHOWN steps, by column; `peak` is the highest ten seconds in each."""
        points = [*self._day, *([_mean(self._open, EVERY)] if self._open else [])]
        wide = EVERY * max(1, DAY // MOST_SHOWN)
        steps: dict[int, list[Point]] = {}
        for point in points:
            steps.setdefault(point.at // wide, []).append(point)
        columns = _columns([_mean(of, wide) for of in steps.values()])
        columns["peak"] = [_figure(max(point.offered for point in of)) for of in steps.values()]
        return columns


def _mean(points: Sequence[Point], wide: int) -> Point:
    """One point for several, at the beginning of their step."""
    many, last = len(points), points[-1]
    within, excess, throttled = (sum(of) / many for of in zip(*(point[1:4] for point in points), strict=True))
    return Point(last.at // wide * wide, within, excess, throttled, last.threshold, last.maximum)


def _columns(points: Sequence[Point]) -> dict[str, Any]:
    return {name: [_figure(point[number]) for point in points] for number, name in enumerate(Point._fields)}


def _figure(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
