"""The whole demonstration: two runs, a table, a picture."""

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from sluicegate.simulate.demo import summary
from sluicegate.simulate.demo.ending import to_the_end
from sluicegate.simulate.demo.figures import result
from sluicegate.simulate.demo.record import RunRecord
from sluicegate.simulate.demo.report import page as drawn
from sluicegate.simulate.demo.run import Watch, run
from sluicegate.simulate.demo.scenario import Scenario
from sluicegate.simulate.demo.screen import Screen
from sluicegate.simulate.demo.views import RUNS, draw_terminal, live_view, plain_view


@dataclass(frozen=True)
class Options:
    """What was asked for: what to play, where the picture goes, how it is shown."""

    scenario: Scenario = field(default_factory=Scenario)
    out: Path = Path("out")
    live: bool = True
    """False: plain lines, in a terminal too."""
    terminal_picture: Path | None = None
    """An SVG of the screen in the middle of the burst, with traffic management."""


def perform(options: Options, console: Console) -> Path:
    """Play the scenario without and with traffic management, show it, and return where the picture is.

    Raises OSError when the picture cannot be written (tried before the first run), DidNotStartError when gateway
    or DSP fail, InterruptedDemoError on Ctrl-C.
    """
    scenario = options.scenario
    options.out.mkdir(parents=True, exist_ok=True)
    page = options.out / "demo.html"
    page.open("a", encoding="utf-8").close()
    without, with_it = _runs(scenario, options, console)
    console.print(summary.table(scenario, result(without), result(with_it)))
    page.write_text(drawn(without, with_it, datetime.now(UTC)), encoding="utf-8")
    return page


def _runs(scenario: Scenario, options: Options, console: Console) -> list[RunRecord]:
    return to_the_end(lambda: _one_after_the_other(scenario, options, console))


async def _one_after_the_other(scenario: Scenario, options: Options, console: Console) -> list[RunRecord]:
    records = []
    with tempfile.TemporaryDirectory(prefix="sluicegate-demo-") as folder:
        for number, enforce in enumerate((False, True), start=1):
            place = Path(folder) / f"run-{number}"
            place.mkdir()
            live = options.live and console.is_terminal
            view = live_view(console, number) if live else plain_view(console, number, enforce=enforce)
            with view as show:
                watch = _photographed(show, options.terminal_picture, number) if enforce else show
                records.append(await run(scenario, enforce=enforce, folder=place, watch=watch))
    return records


def _photographed(show: Watch, file: Path | None, number: int) -> Watch:
    wanted = file

    def watch(record: RunRecord) -> None:
        nonlocal wanted
        show(record)
        scenario = record.scenario
        if wanted and record.last.at >= scenario.burst_from * 0.3 + scenario.burst_until * 0.7:
            draw_terminal(Screen(record, number, RUNS), wanted, "sluicegate demo")
            wanted = None

    return watch
