"""The live screen: one run as it happens, drawn from its record and nothing else."""

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from sluicegate.simulate.demo.bars import Shares, gauge, phases
from sluicegate.simulate.demo.figures import answered_lately
from sluicegate.simulate.demo.history import history
from sluicegate.simulate.demo.record import RunRecord
from sluicegate.simulate.sender import Outcome

GOOD, HELD, BAD, CALM, DIM = "green", "yellow", "red", "cyan", "bright_black"
_PLAIN_ROWS = 20
_MOST_CHART_ROWS = 16


class Screen:
    """One frame. It fits itself to the console: a chart is added where there is room."""

    def __init__(self, record: RunRecord, number: int, of: int) -> None:
        """Run ``number`` of ``of``."""
        self._record = record
        self._number, self._of = number, of

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich: draw."""
        width = options.max_width
        spare = (options.height or console.height) - _PLAIN_ROWS - 4
        parts: list[RenderableType] = [self._title(width), self._phases(width), Text(), self._story(), Text()]
        if spare >= 4:
            parts += [*history(self._record, width, min(spare, _MOST_CHART_ROWS)), Text()]
        parts += [*self._states(width), Text(), self._users(), Text(), self._legend()]
        yield Group(*parts)

    def _title(self, width: int) -> Text:
        what = "with traffic management" if self._record.enforce else "without traffic management"
        left = Text.assemble((" Sluicegate ", "bold reverse"), f" {self._number} of {self._of}  ", (what, "bold"))
        clock = f"{self._record.last.at:5.1f} of {self._record.scenario.seconds:g} s "
        left.append(clock.rjust(max(0, width - left.cell_len)), style=DIM)
        return left

    def _phases(self, width: int) -> Text:
        scenario = self._record.scenario
        marks = (
            ("quiet", 0.0, scenario.burst_from, CALM),
            ("burst", scenario.burst_from, scenario.burst_until, BAD),
            ("calm", scenario.burst_until, scenario.seconds, CALM),
        )
        return phases(marks, self._record.last.at, width)

    def _story(self) -> Text:
        scenario, record = self._record.scenario, self._record
        phase = scenario.phase(record.last.at)
        who = scenario.burster.name
        if not record.moments:
            said = "Starting the stand-in DSP and the gateway ..."
        elif phase == "quiet":
            said = "A quiet evening: everybody sends about half of its allocation."
        elif phase == "burst":
            said = f"{who} changes its tariffs: {scenario.burst:g} times its allocation."
        elif record.enforce:
            said = f"The burst is over. {who}'s held requests come back as they were told."
        else:
            said = "The burst is over. What failed is tried again, by everybody."
        return Text(f" {said}", style="italic")

    def _states(self, width: int) -> list[Text]:
        record, scenario = self._record, self._record.scenario
        gateway = record.last.gateway
        offered = Text.assemble(" Offered  ", (f"{gateway.rates.offered:>7,.0f} SR/s", "bold"))
        offered.append(
            f"   operating threshold {scenario.threshold:g} · maximum capacity {scenario.maximum:g}", style=DIM
        )
        state = ("● active", f"bold {HELD}") if gateway.active else ("● normal", f"bold {GOOD}")
        line = Text.assemble(" Gateway  ", state)
        if not record.enforce:
            line.append("   observes only: decides, counts, lets everything through", style=DIM)
        elif gateway.active:
            line.append(f"   throttles {gateway.rates.throttled:,.0f} SR/s, forwards the rest", style=DIM)
        return [offered, line, self._dsp(width)]

    def _dsp(self, width: int) -> Text:
        dsp, plant = self._record.last.dsp, self._record.scenario.plant
        name, style = "● up", GOOD
        if dsp.down:
            name, style = "● OUTAGE", BAD
        elif dsp.overloaded:
            name, style = "● overloaded", HELD
        line = Text.assemble(" DSP      ", (f"{name:<14}", f"bold {style}"), "queue ")
        line.append_text(gauge(dsp.queue / plant.buffer, min(30, width - 58), style))
        line.append(f" {dsp.queue:>3} of {plant.buffer}", style=DIM)
        if dsp.down_seconds:
            line.append(f"   down {dsp.down_seconds:.1f} s", style=BAD)
        return line

    def _users(self) -> Table:
        record = self._record
        table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style=DIM, show_edge=False)
        table.add_column(" User", no_wrap=True, ratio=None)
        table.add_column("Role", style=DIM)
        for name in ("alloc.", "offered", "within", "excess", "throttled", "failed"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("answers", ratio=1)
        for number, user in enumerate(record.scenario.users):
            rates = record.last.gateway.user_rates.get(user.name)
            answers = answered_lately(record, number)
            failed = answers[Outcome.FAILED] + answers[Outcome.REFUSED]
            table.add_row(
                f" {user.name}",
                user.role,
                f"{user.allocation:g}",
                _rate(rates.offered if rates else 0, "bold"),
                _rate(rates.within if rates else 0),
                _rate(rates.excess if rates else 0),
                self._throttled(rates.throttled if rates else 0),
                _rate(failed, BAD),
                Shares((answers[Outcome.DELIVERED], GOOD), (answers[Outcome.THROTTLED], HELD), (failed, BAD)),
            )
        return table

    def _throttled(self, figure: float) -> Text:
        if self._record.enforce or figure < 0.5:
            return _rate(figure, HELD)
        return Text(f"({figure:,.0f})", style=DIM)

    def _legend(self) -> Text:
        legend = Text(" SR/s   ", style=DIM, no_wrap=True, overflow="crop")
        for name, style in (("delivered", GOOD), ("throttled", HELD), ("failed", BAD)):
            legend.append("■ ", style=style)
            legend.append(f"{name}  ", style=DIM)
        if not self._record.enforce:
            legend.append("(n) would have been  ", style=DIM)
        legend.append("Ctrl-C ends all", style=DIM)
        return legend


def _rate(figure: float, style: str = "") -> Text:
    return Text(f"{figure:,.0f}" if figure >= 0.5 else "·", style=style if figure >= 0.5 else DIM)
