"""Parts of pages that several pages have: a figure under two policies, a share of requests, a table of many columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluicegate.simulate.evidence import words
from sluicegate.simulate.page import Cell, Html, Tone, share_cell, table, tag


def fact(
    name: str, values: Sequence[float | None], text: Callable[[float | None], str], *, more_is_better: bool
) -> Html:
    """A figure, or the same one without and with: then its colours say whether it became better."""
    *before, after = values
    dear = 1 if more_is_better else -1
    gain = dear * ((after or 0) - (before[0] or 0)) if before else 0
    tones = ("plain", "plain") if gain == 0 else ("", "") if gain > 0 else ("plain", "bad")
    return tag(
        "div",
        tag("dt", name),
        tag(
            "dd",
            tag("span", text(before[0]), class_=f"before {tones[0]}".strip()) if before else None,
            tag("span", "→", class_="arrow", aria_label="without, then with traffic management:") if before else None,
            tag("span", text(after), class_=f"after {tones[1]}".strip()),
        ),
        class_="fact",
    )


def looked_for(policy: Mapping[str, Any]) -> bool:
    """Whether there was a search for the capacity that does the same."""
    bought = policy.get("equivalent_capacity")
    return bool(bought and (bought["reached"] or bought["tried"]))


def equivalent(policy: Mapping[str, Any]) -> Html | None:
    """What capacity alone would take, where that was found."""
    bought = policy.get("equivalent_capacity")
    if not bought or not bought["reached"]:
        return None
    figure = tag("span", f"{bought['k']:.2g} {words.TIMES} the capacity", class_="after plain")
    return tag("div", tag("dt", "To deliver as many urgent requests without it"), tag("dd", figure), class_="fact")


def in_time_cell(measures: Mapping[str, Any], tone: Tone) -> Cell:
    """The share of what was offered that was delivered in time, with its bar."""
    part = words.part_of(measures["in_time"], measures["offered"])
    return Cell(words.NOTHING, figure=False) if part is None else share_cell(part, words.share(part), tone)


def without_empty(caption: str, heads: Sequence[Cell], rows: Sequence[Sequence[Cell]]) -> Html:
    """A table without the columns in which all is 0, and a line that names them."""
    empty = {place for place in range(1, len(heads)) if rows and all(row[place].content == "0" for row in rows)}
    kept = [[cell for place, cell in enumerate(row) if place not in empty] for row in (heads, *rows)]
    left_out = [str(heads[place].content) for place in sorted(empty)]
    said = f"0 throughout, and left out: {', '.join(left_out)}." if left_out else None
    return tag(
        "div", table(caption, kept[0], kept[1:]), tag("p", said, class_="hint note") if said else None, class_="wide"
    )
