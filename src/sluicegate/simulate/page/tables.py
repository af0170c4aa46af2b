"""Tables of figures, with bars where a cell is a share."""

from collections.abc import Sequence
from dataclasses import dataclass

from sluicegate.simulate.page.charts import Tone
from sluicegate.simulate.page.markup import Html, tag


@dataclass(frozen=True)
class Cell:
    """What stands in a cell; figures stand right."""

    content: Html | str
    figure: bool = True


def share_cell(share: float, text: str, tone: Tone) -> Cell:
    """A share (0 to 1) as text over a bar."""
    return Cell(tag("div", tag("span", text), _bar(share, tone), class_="share"))


def level_cell(share: float, text: str, tone: Tone) -> Cell:
    """A level (0 to 1, of the largest in its column) as text over a thin bar, for tables of many columns."""
    return Cell(tag("div", tag("span", text), _bar(share, tone), class_="level"))


def _bar(share: float, tone: Tone) -> Html:
    width = f"{100 * min(max(share, 0.0), 1.0):.2f}%"
    return tag(
        "svg",
        tag("rect", width="100%", height="100%", class_="track"),
        tag("rect", width=width, height="100%", class_=f"part {tone}"),
        class_="bar",
        aria_hidden="true",
    )


def table(
    caption: str, heads: Sequence[Cell], rows: Sequence[Sequence[Cell]], foot: int = 0, name: str | None = None
) -> Html:
    """The first cell of a row is its heading; the last ``foot`` rows are set apart. ``name``: the table's id."""
    body, end = rows[: len(rows) - foot], rows[len(rows) - foot :]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *(_cell("th", head, scope="col") for head in heads))),
            tag("tbody", *map(_row, body)),
            tag("tfoot", *map(_row, end)) if foot else None,
            id=name,
        ),
        class_="table",
        role="region",
        aria_label=caption,
        tabindex=0,
    )


def _row(cells: Sequence[Cell]) -> Html:
    return tag("tr", _cell("th", cells[0], scope="row"), *(_cell("td", cell) for cell in cells[1:]))


def _cell(name: str, cell: Cell, scope: str | None = None) -> Html:
    return tag(name, cell.content, scope=scope, class_="figure" if cell.figure else None)
