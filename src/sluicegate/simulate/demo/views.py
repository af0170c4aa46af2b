"""Where a run is shown: in a live terminal, as plain lines, or in a picture of a terminal."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live

from sluicegate.simulate.demo import plain
from sluicegate.simulate.demo.record import RunRecord
from sluicegate.simulate.demo.run import Watch
from sluicegate.simulate.demo.screen import Screen

RUNS = 2
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@contextlib.contextmanager
def live_view(console: Console, number: int) -> Iterator[Watch]:
    """The whole terminal, as long as the run lasts."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield lambda record: live.update(Screen(record, number, RUNS), refresh=True)


@contextlib.contextmanager
def plain_view(console: Console, number: int, *, enforce: bool) -> Iterator[Watch]:
    """One line a second."""
    what = "with" if enforce else "without"
    console.print(f"Run {number} of {RUNS}: {what} traffic management", style="bold")
    told = -1

    def show(record: RunRecord) -> None:
        nonlocal told
        second = int(record.last.at)
        if record.moments and second > told:
            told = second
            console.print(plain.line(record), soft_wrap=True, highlight=False)

    yield show


def draw_terminal(screen: RenderableType, file: Path, title: str, width: int = 100, height: int = 34) -> None:
    """Write an SVG of what a terminal of that size shows. It names no fonts from afar."""
    console = Console(
        record=True,
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    console.print(screen)
    svg = console.export_svg(title=title, code_format=_SVG, unique_id="demo")
    file.write_text(svg, encoding="utf-8")
