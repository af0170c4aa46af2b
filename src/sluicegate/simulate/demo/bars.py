"""Bars made of block characters."""

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_EMPTY = "bright_black"


def gauge(part: float, cells: int, style: str) -> Text:
    """A horizontal gauge, ``part`` (0 to 1) of ``cells`` full."""
    cells = max(cells, 4)
    full = round(min(max(part, 0.0), 1.0) * cells)
    return Text.assemble(("█" * full, style), ("░" * (cells - full), _EMPTY))


def phases(marks: Sequence[tuple[str, float, float, str]], now: float, width: int) -> Text:
    """One line of phases: name, from, until (seconds) and style of each. What is over at ``now`` is bright."""
    whole = marks[-1][2]
    line = Text(" ")
    for name, since, until, style in marks:
        cells = round((until - since) / whole * (width - 2))
        done = round(min(max((now - since) / (until - since), 0), 1) * cells)
        text = f"{name} ".ljust(cells, "━")[:cells]
        line.append(text[:done], style=f"bold {style}")
        line.append(text[done:], style=_EMPTY)
    return line


class Shares:
    """A bar as wide as its place, divided in proportion to the counts; any count above 0 gets a cell at least."""

    def __init__(self, *parts: tuple[int, str]) -> None:
        """Counts with their styles."""
        self._parts = parts

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Rich: how wide it can be."""
        return Measurement(4, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich: draw."""
        cells = options.max_width
        total = sum(count for count, _ in self._parts)
        if not total:
            yield Text("╌" * cells, style=_EMPTY)
            return
        widths = [max(1, round(count / total * cells)) if count else 0 for count, _ in self._parts]
        widths[widths.index(max(widths))] += cells - sum(widths)
        bar = zip(widths, self._parts, strict=True)
        yield Text.assemble(*(("▆" * width, style) for width, (_, style) in bar))


def columns(values: Sequence[float], styles: Sequence[str], *, rows: int, top: float, line: float) -> list[Text]:
    """A column chart from the upper row down: ``values`` from 0 to ``top``, a dashed ``line`` across.

    It is as wide as there are ``styles``; there may be fewer values.
    """
    dashed = rows - 1 - int(min(line / top, 0.999) * rows)
    out = []
    for row in range(rows):
        text = Text()
        for cell, style in enumerate(styles):
            value = values[cell] if cell < len(values) else 0.0
            eighths = round(value / top * rows * 8) - (rows - 1 - row) * 8
            block = _EIGHTHS[min(max(eighths, 0), 8)]
            if block == " " and row == dashed:
                text.append("╌", style=_EMPTY)
            else:
                text.append(block, style=style)
        out.append(text)
    return out
