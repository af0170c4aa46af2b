"""Usage over time, drawn for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

import plotille

from sluicegate.operations.history.counts import DAY, SECOND, Counts
from sluicegate.operations.history.reading import Series

LINES: Final = (("admitted", "green", None), ("throttled", "red", "x"), ("refused undecided", "yellow", "o"))
"""What each is called, its colour, and by what it is known where there are no colours."""

LEAST_WIDE, MOST_WIDE, HIGH = 20, 200, 12


def draw(series: Series, zone: tzinfo, width: int, *, colours: bool) -> str:
    """SR/s by time: what was admitted, what was throttled, and what was refused undecided, each where there is any."""
    figure: Any = plotille.Figure()
    figure.width, figure.height = max(LEAST_WIDE, min(MOST_WIDE, width - 14)), HIGH
    figure.with_colors = colours
    figure.x_label, figure.y_label = "", "SR/s"
    times = [at / SECOND for at, _ in series.points]
    lines = rates(series)
    figure.set_x_limits(times[0], times[0] + max(1.0, times[-1] - times[0]))
    figure.set_y_limits(0.0, max(1e-3, *(max(line) for line in lines)))
    how = "%d.%m.%y" if series.step >= DAY or times[-1] - times[0] > 2 * 86_400 else "%H:%M"
    figure.x_ticks_fkt = lambda at, _next: datetime.fromtimestamp(at, zone).strftime(how)
    figure.y_ticks_fkt = lambda rate, _next: f"{rate:.4g}"
    for (label, colour, mark), line in zip(LINES, lines, strict=True):
        if label == "admitted" or any(line):
            figure.plot(times, line, lc=colour if colours else None, label=label, marker=None if colours else mark)
    return str(figure.show(legend=True))


def rates(series: Series) -> tuple[list[float], list[float], list[float]]:
    """The lines, in SR/s."""
    seconds = series.step / SECOND

    def line(*which: int) -> list[float]:
        return [sum(counts[at] for at in which) / seconds for _, counts in series.points]

    return line(0, 1), line(2), line(3, 4)


def totals(points: Sequence[tuple[int, Counts]]) -> Counts:
    """The sums of a series."""
    sums = [sum(counts[at] for _, counts in points) for at in range(5)]
    return sums[0], sums[1], sums[2], sums[3], sums[4]
