"""The chart of the live screen: what was offered so far, in a terminal's own characters."""

from rich.text import Text

from sluicegate.simulate.demo.bars import columns
from sluicegate.simulate.demo.figures import offered_rates
from sluicegate.simulate.demo.record import TICK, RunRecord

_MARGIN = 10  # cells, left, for the figures
_DIM = "bright_black"


def history(record: RunRecord, width: int, rows: int) -> list[Text]:
    """``rows`` of chart and one of explanation, ``width`` cells wide."""
    scenario = record.scenario
    cells = max(width - _MARGIN - 2, 10)
    cell = scenario.seconds / cells
    values = _per_cell(record, cell)
    top = max(4 * scenario.maximum, *values, 0)
    down = {int(moment.at / cell) for moment in record.moments if moment.dsp.down}
    drawn = columns(
        values,
        ["red" if number in down else "cyan" for number in range(cells)],
        rows=rows,
        top=top,
        line=scenario.threshold,
    )
    labels = {0: f"{top:,.0f}", rows - 1 - int(scenario.threshold / top * rows): f"{scenario.threshold:,.0f}"}
    lines = [Text.assemble((f" {labels.get(n, ''):>8} ", _DIM), row) for n, row in enumerate(drawn)]
    said = "SR/s offered, retries included · ╌ operating threshold"
    caption = Text.assemble((" " * _MARGIN + said, _DIM), (" · DSP down", "red"))
    return [*lines, caption]


def _per_cell(record: RunRecord, cell: float) -> list[float]:
    """Rates for as many cells as are over; the latest half second is left out, its answers are still coming."""
    step = max(1, round(cell / TICK)) * TICK if cell > TICK else 2 * TICK
    rates = offered_rates(record, step)
    over = max(0, int((record.last.at - 2 * TICK) / cell))
    return [rates[min(int(number * cell / step), len(rates) - 1)] for number in range(over)]
