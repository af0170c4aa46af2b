"""The whole demonstration of a priority profile: a run, shown as it happens, a verdict, a page."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live

from sluicegate.simulate.demo.ending import to_the_end
from sluicegate.simulate.demo.priorities import screen, verdict
from sluicegate.simulate.demo.priorities.record import PrioritiesRecord, Watch
from sluicegate.simulate.demo.priorities.report import page as drawn
from sluicegate.simulate.demo.priorities.run import run
from sluicegate.simulate.demo.priorities.scenario import PrioritiesScenario
from sluicegate.simulate.demo.views import draw_terminal


@dataclass(frozen=True)
class Options:
    """What was asked for: what to play, where the page goes, how it is shown."""

    scenario: PrioritiesScenario = field(default_factory=PrioritiesScenario)
    out: Path = Path("out")
    live: bool = True
    """False: plain lines, in a terminal too."""
    terminal_picture: Path | None = None
    """An SVG of the screen some time after the burst, when the first top-ups are too late."""


def perform(options: Options, console: Console) -> tuple[verdict.Facts, Path]:
    """Play it, show it, print the verdict; return its facts and where the page is.

    Raises OSError when the page cannot be written (tried before the run), DidNotStartError when gateway or DSP fail,
    InterruptedDemoError on Ctrl-C.
    """
    scenario = options.scenario
    options.out.mkdir(parents=True, exist_ok=True)
    page = options.out / "priorities.html"
    page.open("a", encoding="utf-8").close()
    record = to_the_end(lambda: _play(options, console))
    found = verdict.facts(record)
    console.print(verdict.table(scenario, found))
    console.print(verdict.answer(scenario, found), highlight=False)
    page.write_text(drawn(record, found, datetime.now(UTC)), encoding="utf-8")
    return found, page


async def _play(options: Options, console: Console) -> PrioritiesRecord:
    view = _live_view(console) if options.live and console.is_terminal else _plain_view(console)
    with tempfile.TemporaryDirectory(prefix="sluicegate-demo-") as folder, view as show:
        return await run(options.scenario, Path(folder), _photographed(show, options.terminal_picture))


@contextlib.contextmanager
def _live_view(console: Console) -> Iterator[Watch]:
    """The whole terminal, as long as the run lasts."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield lambda record: live.update(screen.PrioritiesScreen(record), refresh=True)


@contextlib.contextmanager
def _plain_view(console: Console) -> Iterator[Watch]:
    """One line a second."""
    told = -1

    def show(record: PrioritiesRecord) -> None:
        nonlocal told
        second = int(record.last.at)
        if record.moments and second > told:
            told = second
            console.print(screen.line(record), soft_wrap=True, highlight=False)

    yield show


def _photographed(show: Watch, file: Path | None) -> Watch:
    wanted = file

    def watch(record: PrioritiesRecord) -> None:
        nonlocal wanted
        show(record)
        scenario = record.scenario
        if wanted and record.last.at >= scenario.burst_until + 0.3 * scenario.limit:
            draw_terminal(screen.PrioritiesScreen(record), wanted, "sluicegate demo priorities")
            wanted = None

    return watch
