"""The live screen: the two Users side by side; and the same in one line of text where there is no terminal."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from sluicegate.simulate.demo.bars import gauge, phases
from sluicegate.simulate.demo.priorities.record import PrioritiesRecord
from sluicegate.simulate.demo.priorities.scenario import FLOWS, WITH, WITHOUT
from sluicegate.simulate.demo.priorities.verdict import TopUps, percent, top_ups, waits
from sluicegate.simulate.demo.record import TICK
from sluicegate.simulate.demo.screen import BAD, CALM, DIM, GOOD, HELD
from sluicegate.simulate.demo.summary import seconds_text
from sluicegate.simulate.sender import Journey

_PLAIN_ROWS = 19
_MOST_CHART_ROWS = 12
_GAP = 4  # cells between the two; one more stands on either side


class PrioritiesScreen:
    """One frame. It fits itself to the console: charts are added where there is room."""

    def __init__(self, record: PrioritiesRecord) -> None:
        """Of a run that may not have begun."""
        self._record = record

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich: draw."""
        width = options.max_width
        spare = (options.height or console.height) - _PLAIN_ROWS - 3
        rows = min(spare, _MOST_CHART_ROWS) if spare >= 3 else 0
        parts: list[RenderableType] = [self._title(width), self._phases(width), Text(), self._story(), Text()]
        parts += [*self._states(), Text(), self._pair(width, rows), Text(), self._others()]
        if rows:
            parts += [Text(), self._legend()]
        yield Group(*parts)

    def _title(self, width: int) -> Text:
        left = Text.assemble((" Sluicegate ", "bold reverse"), ("  a User's own priorities", "bold"))
        clock = f"{self._record.last.at:5.1f} of {self._record.scenario.seconds:g} s  Ctrl-C ends all "
        left.append(clock.rjust(max(0, width - left.cell_len)), style=DIM)
        return left

    def _phases(self, width: int) -> Text:
        scenario = self._record.scenario
        marks = (
            ("quiet", 0.0, scenario.burst_from, CALM),
            ("burst", scenario.burst_from, scenario.burst_until, BAD),
            ("what was held comes back", scenario.burst_until, scenario.seconds, CALM),
        )
        return phases(marks, self._record.last.at, width)

    def _story(self) -> Text:
        return Text(f" {story(self._record)}", style="italic", no_wrap=True, overflow="ellipsis")

    def _states(self) -> list[Text]:
        record = self._record
        gateway, dsp, plant = record.last.gateway, record.last.dsp, record.scenario.plant
        state = ("● active", f"bold {HELD}") if gateway.active else ("● normal", f"bold {GOOD}")
        front = Text.assemble(" Gateway  ", state, no_wrap=True, overflow="crop")
        front.append(f"   offered {gateway.rates.offered:,.0f} SR/s", style="bold")
        front.append(
            f"   throttled {gateway.rates.throttled:,.0f} · threshold {record.scenario.threshold:g}",
            style=DIM,
        )
        name, style = ("● OUTAGE", BAD) if dsp.down else ("● up    ", GOOD)
        behind = Text.assemble(" DSP      ", (name, f"bold {style}"), "   queue ", no_wrap=True, overflow="crop")
        behind.append_text(gauge(dsp.queue / plant.buffer, 20, style))
        behind.append(f" {dsp.queue} of {plant.buffer}", style=DIM)
        return [front, behind]

    def _pair(self, width: int, rows: int) -> Table:
        cells = max((width - _GAP - 2) // 2, 24)
        grid = Table.grid(padding=0)
        for column in (1, cells, _GAP, cells):
            grid.add_column(width=column, no_wrap=True)
        grid.add_row("", self._side(WITHOUT, cells, rows), "", self._side(WITH, cells, rows))
        return grid

    def _side(self, user: int, cells: int, rows: int) -> Group:
        record = self._record
        scenario, now = record.scenario, record.last.at
        peer = scenario.users[user]
        urgent, bulk = (self._flow(user, urgent=which) for which in (True, False))
        journeys = record.top_ups[urgent]
        found = top_ups(journeys, scenario.limit, now)
        done = sum(count for (flow, _), count in record.delivered.items() if flow == bulk)
        head = Text.assemble((peer.name, "bold"), "  ")
        head.append(
            " with a profile " if peer.profile else " without ", style=f"{GOOD if peer.profile else HELD} reverse"
        )
        parts: list[RenderableType] = [head, Text(f"{peer.allocation:g} SR/s allocated", style=DIM), Text()]
        if rows:
            parts += [*strips(journeys, scenario.limit, now, (0.0, scenario.burst_until), cells, rows), Text()]
        share = Text.assemble("Top-ups in time  ", (f"{percent(found.share):>6}", f"bold {_grade(found)}"), " ")
        share.append_text(gauge(found.share, cells - share.cell_len, _grade(found)))
        parts += [
            share,
            _row("  of", f"{found.sent:,}", cells, "sent so far"),
            _row("  waiting", f"{found.waiting:,}", cells, _oldest(journeys, scenario.limit, now), HELD),
            _row(
                "  too late", f"{found.late:,}", cells, f"told: after {scenario.limit:g} s" if found.late else "", BAD
            ),
            _row("All else delivered", f"{done:,}", cells, f"of {record.answered[bulk]:,}"),
            _row("All delivered", f"{self._lately(user):,.0f}", cells, "SR/s, lately"),
        ]
        return Group(*parts)

    def _flow(self, user: int, *, urgent: bool) -> int:
        return next(n for n, flow in enumerate(FLOWS) if flow.user == user and flow.urgent is urgent)

    def _lately(self, user: int, seconds: float = 2.0) -> float:
        """SR/s over the last whole ``seconds``."""
        record = self._record
        now = int(record.last.at / TICK)
        buckets = range(now - round(seconds / TICK), now)
        flows = [number for number, flow in enumerate(FLOWS) if flow.user == user]
        return sum(record.delivered[flow, bucket] for flow in flows for bucket in buckets) / seconds

    def _others(self) -> Text:
        record = self._record
        others = [number for number, flow in enumerate(FLOWS) if flow.user not in (WITH, WITHOUT)]
        names = " and ".join(record.scenario.users[FLOWS[number].user].name for number in others)
        held = sum(record.held[number] for number in others)
        line = Text.assemble(f" {names}  ", no_wrap=True, overflow="crop")
        line.append(f"{held:,} throttled" if held else "never throttled", style=f"bold {BAD if held else GOOD}")
        line.append(f" of {sum(record.answered[number] for number in others):,}", style=DIM)
        return line

    def _legend(self) -> Text:
        line = Text(" Top-ups by when they were meant to leave:  ", style=DIM, no_wrap=True, overflow="crop")
        for name, style in (("in time", GOOD), ("waiting", HELD), ("too late", BAD)):
            line.append("■ ", style=style)
            line.append(f"{name}  ", style=DIM)
        return line


def strips(
    journeys: Sequence[Journey], limit: float, now: float, span: tuple[float, float], cells: int, rows: int
) -> list[Text]:
    """A column for each stretch of time in which requests were meant to leave, filled by what became of them."""
    since, until = span
    fates: Counter[tuple[int, str]] = Counter()
    for one in journeys:
        cell = int((one.intended - since) / (until - since) * cells)
        fates[cell, GOOD if one.delivered_within(limit) else HELD if waits(one, limit, now) else BAD] += 1
    columns = [_column([fates[cell, style] for style in (GOOD, HELD, BAD)], rows) for cell in range(cells)]
    return [
        Text.assemble(*((("█", column[row]) if column[row] else ("·" if row == 0 else " ", DIM)) for column in columns))
        for row in range(rows - 1, -1, -1)
    ]


def _column(counts: Sequence[int], rows: int) -> list[str]:
    """Styles from the lowest row up. What is there at all has a row at least, where there is room for it."""
    total = sum(counts)
    if not total:
        return [""] * rows
    heights = [max(1, round(count / total * rows)) if count else 0 for count in counts]
    while sum(heights) != rows:
        place = heights.index(max(heights))
        heights[place] += 1 if sum(heights) < rows else -1
    return [style for height, style in zip(heights, (GOOD, HELD, BAD), strict=True) for _ in range(height)]


def _row(name: str, figure: str, cells: int, note: str, style: str = "") -> Text:
    line = Text(f"{name:<18}", no_wrap=True, overflow="crop")
    line.append(f"{figure:>6}", style=f"bold {style}" if style and figure != "0" else "" if not style else DIM)
    if len(note) + 1 <= cells - line.cell_len:  # half a figure is a wrong one
        line.append(f" {note}", style=DIM)
    return line


def _grade(found: TopUps) -> str:
    return GOOD if found.share >= 0.999 else HELD if found.share >= 0.9 else BAD


def _oldest(journeys: Sequence[Journey], limit: float, now: float) -> str:
    first = min((one.intended for one in journeys if waits(one, limit, now)), default=None)
    return "" if first is None else f"the oldest {seconds_text(now - first)}"


def story(record: PrioritiesRecord) -> str:
    """What goes on, in a sentence."""
    scenario = record.scenario
    if not record.moments:
        return "Starting the stand-in DSP and the gateway ..."
    phase = scenario.phase(record.last.at)
    if phase == "quiet":
        part = f"{scenario.top_ups:.0%}"
        return f"Two Users send the same, at the same times: top-ups of {part} of their allocation, and a little else."
    if phase == "burst":
        return f"Both change their tariffs: {scenario.burst:g} times their allocation, and the top-ups go on."
    return "Nobody sends anything new. What was held comes back as it was told."


def line(record: PrioritiesRecord) -> str:
    """What happens now, in one line of text."""
    scenario, now = record.scenario, record.last
    parts = []
    for number, flow in enumerate(FLOWS):
        if flow.urgent:
            peer = scenario.users[flow.user]
            found = top_ups(record.top_ups[number], scenario.limit, now.at)
            parts.append(
                f"{'with' if peer.profile else 'without'} a profile: in time {percent(found.share):>6} "
                f"waiting {found.waiting:3} late {found.late:3}"
            )
    gateway = now.gateway
    head = (
        f"{now.at:5.1f} s  {scenario.phase(now.at):5}  offered {gateway.rates.offered:5.0f} SR/s  {gateway.state:6}  "
    )
    return head + "  |  ".join(parts)
