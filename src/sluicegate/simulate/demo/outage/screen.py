"""The live screen, and the same in one line of text where there is no terminal."""

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from sluicegate.simulate.demo.bars import columns, gauge, phases
from sluicegate.simulate.demo.outage.record import LATELY, OutageRecord
from sluicegate.simulate.demo.outage.scenario import NORTH, REGIONS
from sluicegate.simulate.demo.screen import BAD, CALM, DIM, GOOD, HELD
from sluicegate.simulate.demo.summary import seconds_text

QUESTION = "If a CSP is down and the DSP keeps receiving Service Requests, would this cause a DSP outage?"
_EVENTS = 8
_PLAIN_ROWS = 18 + _EVENTS
_MARGIN = 10
_BREAKERS = {"closed": GOOD, "half-open": HELD, "busy": HELD}


class OutageScreen:
    """One frame. A chart is added where there is room."""

    def __init__(self, record: OutageRecord) -> None:
        """Of a run that may not have begun."""
        self._record = record

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich: draw."""
        width = options.max_width
        spare = (options.height or console.height) - _PLAIN_ROWS - 1
        parts: list[RenderableType] = [self._title(width), self._phases(width), Text(), self._story(), Text()]
        if spare >= 3:
            parts += [*self._chart(width, min(spare, 12)), Text()]
        parts += [self._csps(width), Text(), *self._sender(), Text(), *self._events()]
        yield Group(*parts)

    def _title(self, width: int) -> Text:
        left = Text.assemble((" Sluicegate ", "bold reverse"), ("  a CSP is down", "bold"))
        clock = f"{self._record.last.at:5.1f} of {self._record.scenario.seconds:g} s  Ctrl-C ends all "
        left.append(clock.rjust(max(0, width - left.cell_len)), style=DIM)
        return left

    def _phases(self, width: int) -> Text:
        scenario = self._record.scenario
        marks = (
            ("all is well", 0.0, scenario.down_at, CALM),
            ("north is down", scenario.down_at, scenario.up_at, BAD),
            ("north is back", scenario.up_at, scenario.seconds, GOOD),
        )
        return phases(marks, self._record.last.at, width)

    def _story(self) -> Text:
        return Text(f" {story(self._record)}", style="italic", no_wrap=True, overflow="ellipsis")

    def _chart(self, width: int, rows: int) -> list[Text]:
        record, scenario = self._record, self._record.scenario
        cells = max(width - _MARGIN - 2, 10)
        cell = scenario.seconds / cells
        values, styles = [0.0] * cells, [CALM] * cells
        over = 0
        for moment in record.moments:
            first, over = over, min(int(moment.at / cell) + 1, cells)
            csp = moment.csp(NORTH)
            for place in range(first, over):
                values[place], styles[place] = csp.backlog, CALM if csp.breaker == "closed" else BAD
        top = 1.2 * scenario.ceiling
        drawn = columns(values, styles, rows=rows, top=top, line=scenario.ceiling)
        label = rows - 1 - int(scenario.ceiling / top * rows)
        lines = [
            Text.assemble((f" {scenario.ceiling if number == label else '':>8} ", DIM), row)
            for number, row in enumerate(drawn)
        ]
        caption = (" " * _MARGIN + "SRs that wait for north · ╌ the ceiling of its backlog", DIM)
        return [*lines, Text.assemble(caption, (" · breaker open", BAD))]

    def _csps(self, width: int) -> Table:
        record, now = self._record, self._record.last
        table = Table(box=None, expand=True, padding=(0, 2, 0, 0), header_style=DIM, show_edge=False)
        for name in ("\n CSP", "\nbreaker", "\nbacklog"):
            table.add_column(name, no_wrap=True)
        for name in ("\nwaits", "\noldest", "\ndelivered", f"ack. p99,\nlast {LATELY:g} s", "refused by\ngateway"):
            table.add_column(name, justify="right", no_wrap=True)
        for name in REGIONS:
            csp = now.csp(name)
            style = _BREAKERS.get(csp.breaker, BAD)
            p99 = record.p99(name, now.at - LATELY, now.at + 1)
            refused = now.refused.get(name, 0)
            table.add_row(
                f" {name}",
                Text(f"● {csp.breaker:9}", style=f"bold {style}"),
                gauge(csp.backlog / record.scenario.ceiling, min(20, width - 70), HELD if csp.full else style),
                f"{csp.backlog:,}",
                f"{csp.oldest:.1f} s" if csp.oldest >= 1 else "·",
                f"{csp.delivered:,}",
                seconds_text(p99) if p99 else "·",
                Text(f"{refused:,}" if refused else "·", style=HELD if refused else DIM),
            )
        return table

    def _sender(self) -> list[Text]:
        record = self._record
        refused = record.refused[NORTH]
        line = Text.assemble(" Users    ", (f"{len(record.acknowledged):>6,} acknowledged", f"bold {GOOD}"))
        line.append(f"   {record.rate(record.last.at):.0f} SR/s", style=DIM)
        line.append(f"   {refused:,} answers: north is behind, come again", style=HELD if refused else DIM)
        line.append(f"   {record.failed:,} failed", style=BAD if record.failed else DIM)
        return [line]

    def _events(self) -> list[Text]:
        return [
            Text.assemble((f" {at:5.1f} s  ", DIM), what, no_wrap=True, overflow="ellipsis")
            for at, what in self._record.events[-_EVENTS:]
        ]


def story(record: OutageRecord) -> str:
    """What goes on, in a sentence."""
    if not record.moments:
        return "Starting gateway, dispatcher, two CSPs and the Users' endpoint ..."
    north = record.last.csp(NORTH)
    if record.down_at is None:
        return f"Two Users send {sum(user.rate for user in record.scenario.users):g} SR/s, half of it to each region."
    if record.up_at is None:
        if north.full:
            return "What is for north is refused now, until there is room. South goes on."
        return "What is for north is acknowledged, and waits. South goes on."
    if north.breaker != "closed":
        return "North is back, and will be probed."
    if north.backlog > record.scenario.rate / 10:
        return "North gets what waited: slowly at first, top-ups before the rest."
    return "All is as before."


def line(record: OutageRecord) -> str:
    """What happens now, in one line of text."""
    now = record.last
    csps = "  ".join(
        f"{name} {csp.breaker:9} waits {csp.backlog:4} delivered {csp.delivered:5} "
        f"p99 {seconds_text(record.p99(name, now.at - LATELY, now.at + 1)):>6}"
        for name in REGIONS
        for csp in (now.csp(name),)
    )
    return f"{now.at:5.1f} s  {csps}  acknowledged {len(record.acknowledged):5}  refused {record.refused[NORTH]:4}"
