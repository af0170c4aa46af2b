"""The table at the end: each User, without and with."""

import math

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from sluicegate.simulate.demo.figures import Result, Service
from sluicegate.simulate.demo.scenario import Scenario


def seconds_text(seconds: float) -> str:
    """A time for people; infinite is never."""
    if math.isinf(seconds):
        return "never"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.95 else f"{seconds:.1f} s"


def share_text(part: float) -> str:
    """A share for people. 100% is said of all only, and 0% of none only."""
    percent = round(100 * part)
    if percent == 100 and part < 1:
        return ">99%"
    if percent == 0 and part > 0:
        return "<1%"
    return f"{percent}%"


def table(scenario: Scenario, without: Result, with_it: Result) -> Table:
    """Per User: what was sent, and how it fared without and with traffic management."""
    out = Table(
        title=f"In time: delivered within {scenario.in_time:g} s of the moment at which it was meant to leave",
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
    )
    out.add_column("\nUser", no_wrap=True)
    out.add_column("\nsent", justify="right")
    for name in ("in time,\nwithout", "\nwith", "95% took,\nwithout", "\nwith", "throt-\ntled"):
        out.add_column(name, justify="right")
    names = [user.name for user in scenario.users]
    for name, before, after in zip(names, without.users, with_it.users, strict=True):
        out.add_row(*_row(name, before, after))
    out.add_section()
    out.add_row(*_row("All others", without.others, with_it.others), style="bold")
    out.add_row("DSP outage", "", _outage(without), _outage(with_it), "", "", "")
    return out


def _row(name: str, before: Service, after: Service) -> list[str | Text]:
    return [
        name,
        f"{before.sent:,}",
        _coloured(before.in_time),
        _coloured(after.in_time),
        seconds_text(before.p95),
        seconds_text(after.p95),
        f"{after.throttled:,}" if after.throttled else "·",
    ]


def _coloured(part: float) -> Text:
    style = "green" if part >= 0.99 else "yellow" if part >= 0.8 else "red"
    return Text(share_text(part), style=style)


def _outage(result: Result) -> Text:
    down = result.down_seconds
    return Text(f"{down:.1f} s", style="red" if down else "green")
