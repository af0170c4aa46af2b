"""The live screen of a relay: `sluicegate relay top`. A status goes in, something that rich can draw comes out."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

BARS = " ▁▂▃▄▅▆▇█"
HISTORY = 60  # looks that the curves show
STATES = {"free": "green", "paced": "yellow"}
WIDE = 100  # columns, from which on there is room for all figures

Status = dict[str, Any]


class Screen:
    """Remembers what it was shown, so that it can say how fast things go."""

    def __init__(self) -> None:
        self._before: tuple[float, Status] | None = None
        self._rates: dict[str, float] = {}
        self._sent: deque[float] = deque(maxlen=HISTORY)
        self._waits: deque[float] = deque(maxlen=HISTORY)

    def show(self, status: Status, now: float, width: int) -> RenderableType:
        """The screen. `now`: seconds of the monotonic clock; `width`: columns."""
        self._learn(status, now)
        return Group(
            self._head(status, width),
            self._table(status, width),
            *self._below(status),
        )

    def _learn(self, status: Status, now: float) -> None:
        if self._before is not None and now > self._before[0] and _same_life(self._before[1], status):
            then, before = self._before
            old = {one["name"]: one for one in before["classes"]}
            for one in status["classes"]:
                was = old.get(one["name"], one)
                self._rates[one["name"]] = (one["acknowledged"] - was["acknowledged"]) / (now - then)
            sent = _sum(status, "attempts") - _sum(before, "attempts")
            self._sent.append(sent / (now - then))
        self._waits.append(_sum(status, "waiting"))
        self._before = (now, status)

    def _head(self, status: Status, width: int) -> RenderableType:
        gateway = status["gateway"]
        allocation = "not told yet" if gateway["allocation"] is None else f"{gateway['allocation']:,.4g} SR/s"
        first = Text.assemble(
            (status["user"], "bold"),
            ("  relay, ", "dim"),
            (f"{status['mode']} mode", "dim"),
            (f", up {timedelta(seconds=int(status['up_seconds']))}", "dim"),
            ("  draining", "yellow") if status["draining"] else "",
        )
        state = gateway["state"]
        second = Text.assemble(
            ("gateway ", "dim"),
            gateway["url"],
            "  ",
            (state, STATES.get(state, "red")),
        )
        third = Text.assemble(
            ("allocation ", "dim"),
            allocation,
            ("   sending at most ", "dim"),
            "as it comes" if gateway["rate"] is None else f"{gateway['rate']:,.4g} SR/s",
            ("   under way ", "dim"),
            f"{gateway['in_flight']} of {gateway['connections']}",
        )
        curve = max(10, min(HISTORY, (width - 34) // 2))
        sent, waits = list(self._sent)[-curve:], list(self._waits)[-curve:]
        fourth = Text.assemble(
            ("sent ", "dim"),
            (curve_of(sent), "cyan"),
            f" {sent[-1] if sent else 0:,.0f}/s   ",
            ("waiting ", "dim"),
            (curve_of(waits), "magenta"),
            f" {waits[-1] if waits else 0:,.0f}",
        )
        return Panel(Group(first, second, third, fourth), box=box.ROUNDED, border_style="dim")

    def _table(self, status: Status, width: int) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, int(width >= WIDE), 0, 0))
        table.add_column("class", no_wrap=True, overflow="ellipsis", max_width=24 if width >= WIDE else 16)
        columns = ["waits", "oldest", "done in", "limit", "ack/s", "ack'd", "refused", "expired"]
        if width >= WIDE:
            columns += ["throttled", "failed", "mean"]
        for column in columns:
            table.add_column(column, justify="right", no_wrap=True)
        for one in status["classes"]:
            table.add_row(*self._row(one, width >= WIDE))
        return table

    def _row(self, one: dict[str, Any], wide: bool) -> list[Text]:
        late = bool(one["waiting"] and not one["in_time"])
        name = Text(one["name"] + (", bulk" if one["bulk"] else ""), "dim" if one["bulk"] else "")
        cells = [
            name,
            _number(one["waiting"], "bold" if one["waiting"] else "dim"),
            _seconds(one["oldest_seconds"], _age_style(one)),
            _seconds(one["done_in_seconds"], "red" if late else ""),
            _seconds(one["deadline"], "dim"),
            Text(f"{self._rates.get(one['name'], 0.0):,.1f}"),
            _number(one["acknowledged"]),
            _number(one["refused"], "yellow" if one["refused"] else "dim"),
            _number(one["expired"], "red" if one["expired"] else "dim"),
        ]
        if wide:
            cells += [
                _number(one["throttled"], "dim"),
                _number(one["failed"], "yellow" if one["failed"] else "dim"),
                _seconds(one["mean_seconds"], ""),
            ]
        return cells

    def _below(self, status: Status) -> list[Text]:
        lines = []
        for one in status["classes"]:
            if one["waiting"] and not one["in_time"]:
                more = f"{one['needs_more']:,.3g} SR/s more would serve it in time"
                lines.append(Text(f"{one['name']}: some will be too late as it goes now; {more}", "red"))
        refused = status["not_taken"]
        if any(refused.values()):
            told = ", ".join(f"{name} {count:,}" for name, count in refused.items() if count)
            lines.append(Text(f"not taken: {told}", "yellow"))
        if status["open"] >= 0.8 * status["most"]:
            lines.append(Text(f"{status['open']:,} of {status['most']:,} places to wait are taken", "red"))
        callback = status["callback"]
        if callback is not None:
            text = f"callback: {callback['delivered']:,} delivered, {callback['waiting']:,} wait ({callback['state']})"
            lines.append(Text(text, "yellow" if callback["state"] != "closed" else "dim"))
        if status["gateway"]["last_failure"] and status["gateway"]["state"] == "closed":
            lines.append(Text(f"gateway: {status['gateway']['last_failure']}", "red"))
        if status["store"]["failing"]:
            lines.append(Text(f"nothing more can wait: {status['store']['failing']}", "bold red"))
        return lines


def curve_of(values: list[float]) -> str:
    """A curve of one line, from 0 to the highest."""
    highest = max(values, default=0.0)
    if highest <= 0:
        return BARS[1] * len(values)
    return "".join(BARS[1 + min(7, int(value / highest * 7.999))] for value in values)


def seconds_shown(seconds: float) -> str:
    """A time as a person reads it: 0.4 s, 12 s, 3:20, 2.1 h, 3.0 d."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    if whole < 2 * 86_400:
        return f"{whole / 3600:.1f} h"
    return f"{whole / 86_400:.1f} d"


def _seconds(seconds: float | None, style: str) -> Text:
    return Text("-", "dim") if seconds is None else Text(seconds_shown(seconds), style)


def _number(count: int, style: str = "") -> Text:
    return Text(f"{count:,}", style)


def _age_style(one: dict[str, Any]) -> str:
    age, deadline = one["oldest_seconds"], one["deadline"]
    if age is None or age < deadline / 2:
        return ""
    return "red" if age > 0.9 * deadline else "yellow"


def _sum(status: Status, what: str) -> float:
    return float(sum(one[what] for one in status["classes"]))


def _same_life(before: Status, status: Status) -> bool:
    """Whether the relay was not started anew in between."""
    return bool(status["up_seconds"] >= before["up_seconds"])
