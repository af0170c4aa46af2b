"""The whole demonstration of an outage: a run, shown as it happens, and a verdict."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live

from sluicegate.simulate.demo.ending import to_the_end
from sluicegate.simulate.demo.outage import screen, verdict
from sluicegate.simulate.demo.outage.record import OutageRecord, Watch
from sluicegate.simulate.demo.outage.run import run
from sluicegate.simulate.demo.outage.scenario import OutageScenario


def perform(scenario: OutageScenario, console: Console, *, live: bool = True) -> verdict.Facts:
    """Play it, show it, print the verdict and return its facts. ``live`` False: plain lines, in a terminal too.

    Raises DidNotStartError when a process does not come up or goes down, InterruptedDemoError on Ctrl-C.
    """
    view = _live_view(console) if live and console.is_terminal else _plain_view(console)

    async def play() -> OutageRecord:
        with tempfile.TemporaryDirectory(prefix="sluicegate-demo-") as folder, view as show:
            return await run(scenario, Path(folder), show)

    record = to_the_end(play)
    found = verdict.facts(record)
    if live and console.is_terminal:
        console.print(screen.QUESTION, style="bold")
        _print_events(record, console, 0)
    console.print()
    console.print(verdict.table(found))
    console.print(verdict.answer(found, (record.up_at or 0.0) - (record.down_at or 0.0)), highlight=False)
    return found


@contextlib.contextmanager
def _live_view(console: Console) -> Iterator[Watch]:
    """The whole terminal, as long as the run lasts."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield lambda record: live.update(screen.OutageScreen(record), refresh=True)


@contextlib.contextmanager
def _plain_view(console: Console) -> Iterator[Watch]:
    """One line a second, and what happens."""
    console.print(screen.QUESTION, style="bold")
    told, events = -1, 0

    def show(record: OutageRecord) -> None:
        nonlocal told, events
        events = _print_events(record, console, events)
        second = int(record.last.at)
        if record.moments and second > told:
            told = second
            console.print(screen.line(record), soft_wrap=True, highlight=False)

    yield show


def _print_events(record: OutageRecord, console: Console, since: int) -> int:
    for at, what in record.events[since:]:
        console.print(f"{at:5.1f} s  {what}", style="yellow", soft_wrap=True, highlight=False)
    return len(record.events)
