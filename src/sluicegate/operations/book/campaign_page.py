"""What is announced, laid over the usual load and the capacity: one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sluicegate import __version__
from sluicegate.operations.book.campaigns import HOUR
from sluicegate.operations.book.effective import LONDON
from sluicegate.operations.book.planning import Planned
from sluicegate.operations.book.slots import Hour, Slot
from sluicegate.settings import Capacity
from sluicegate.simulate.page import Cell, Chart, Html, Line, Series, chart, document, table, tag


def plan_page(hours: Sequence[Hour], planned: Sequence[Planned], capacity: Capacity, basis: str) -> str:
    """The page. `basis`: what the usual load was made from, in a sentence."""
    over = sum(hour.all > capacity.operating_threshold for hour in hours)
    title = f"Campaigns over the usual load, {len(hours) // 24:,} days from {when(hours[0].hour * HOUR)}"
    claim = (
        f"{over:,} of {len(hours):,} hours are above the operating threshold on average."
        if over
        else "No hour is above the operating threshold on average."
    )
    return document(
        f"Sluicegate: {title}",
        tag("p", "Sluicegate · what Users have announced", class_="eyebrow"),
        tag("h1", title),
        tag("p", claim, class_="claim"),
        tag("p", f"{basis} Means of an hour: within it, bursts go higher. Times are London's.", class_="hint"),
        _chart(hours, capacity),
        _table(planned, capacity.operating_threshold),
        tag("footer", f"Sluicegate {__version__}. Charts: uPlot (MIT). This page needs no network."),
    )


def _chart(hours: Sequence[Hour], capacity: Capacity) -> Html:
    highest = max(hour.all for hour in hours)
    return chart(
        Chart(
            "Load, hour by hour",
            f"at most {highest:,.0f} SR/s with campaigns, {max(hour.usual for hour in hours):,.0f} without",
            [float(place) for place in range(len(hours))],
            [
                Series("usual", [round(hour.usual, 3) for hour in hours], "calm", fill=True),
                Series("campaigns", [round(hour.all, 3) for hour in hours], "warm", fill=True, above=0),
            ],
            top=1.1 * max(highest, capacity.maximum),
            unit="SR/s, by hours from the beginning",
            lines=(
                Line("operating threshold", capacity.operating_threshold, dashed=True, below=True),
                Line("maximum", capacity.maximum),
            ),
            axis="number",
        )
    )


def _table(planned: Sequence[Planned], threshold: float) -> Html:
    heads = [
        Cell("campaign", figure=False),
        Cell("window", figure=False),
        Cell("SRs"),
        Cell("SR/s"),
        Cell("peak, SR/s"),
    ]
    rows = [
        [
            Cell(f"{one.id} {one.user}, {one.srv}{f' ({one.note})' if one.note else ''}", figure=False),
            Cell(f"{when(one.starts_at)} to {when(one.ends_at)}", figure=False),
            Cell(f"{one.volume:,}"),
            Cell(f"{one.rate:,.1f}"),
            Cell(f"{peak:,.1f}{' ▲ above the threshold' if peak > threshold else ''}"),
            Cell("; ".join(offer(slot) for slot in offered) or "none", figure=False),
        ]
        for one, peak, offered in planned
    ]
    return table("Campaigns, and quieter slots for each", [*heads, Cell("quieter", figure=False)], rows)


def offer(slot: Slot) -> str:
    """A slot in words."""
    return f"from {when(slot.starts_at)} (peak {slot.peak:,.1f})"


def when(at: int) -> str:
    """Microseconds since 1970, as London's clocks show it."""
    return f"{datetime.fromtimestamp(at / 1e6, LONDON):%a %Y-%m-%d %H:%M}"


def told(hours: Sequence[Hour], planned: Sequence[Planned]) -> Mapping[str, object]:
    """For a program; times are microseconds since 1970."""
    return {
        "what": "campaigns",
        "hours": [
            {"at": hour.hour * HOUR, "usual": hour.usual, "campaigns": hour.campaigns} for hour in hours
        ],
        "campaigns": [
            {**one._asdict(), "peak": peak, "quieter": [slot._asdict() for slot in offered]}
            for one, peak, offered in planned
        ],
    }  # fmt: skip
