"""What came of it: facts from what CSPs and Users have, and the table that tells them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from sluicegate.simulate.demo.outage.record import OutageRecord
from sluicegate.simulate.demo.outage.scenario import FLOWS, NORTH, SOUTH, Flow
from sluicegate.simulate.demo.summary import seconds_text
from sluicegate.simulate.sender import Journey


class Delays(NamedTuple):
    """Of SRs to north: the longest from acknowledgement to delivery, and when the last one was delivered of those
    that waited when it came back, counted from then. Seconds; 0 where there was none."""

    longest: float = 0.0
    cleared: float = 0.0


@dataclass(frozen=True)
class Facts:
    """Counts of Service Requests, unless it says otherwise. All that is acknowledged is delivered, returned or lost."""

    acknowledged: int
    delivered: int
    returned: int
    lost: int
    outcomes: int
    """Delivered ones whose outcome reached their User."""
    executed_twice: int
    repeated: int
    """Arrivals at a CSP of what it had seen."""
    refusals: int
    """Answers that north is behind."""
    refusals_by_gateway: int
    """Of these. The dispatcher gave the others itself, before it had told the gateway."""
    refusals_elsewhere: int
    refused: int
    """SRs that were refused for north at least once."""
    came_again: int
    """Of these, acknowledged later."""
    not_acknowledged: int
    """Neither acknowledged nor refused for north: nobody answered, or with an error."""
    south_p99: tuple[float, float, float]
    """Seconds to an acknowledgement: before the outage, during it, after it."""
    south_during: int
    """SRs to south that were acknowledged during the outage."""
    top_ups: Delays
    bulk: Delays

    @property
    def good(self) -> bool:
        """Whether the DSP was not touched: nothing lost, nothing executed twice, and nobody refused for south."""
        return not (self.lost or self.executed_twice or self.refusals_elsewhere or self.not_acknowledged)


class _Sent(NamedTuple):
    flow: Flow
    request_id: str
    journey: Journey


def facts(record: OutageRecord) -> Facts:
    """Sum up a run that is over."""
    sent = list(_sent(record))
    acknowledged = [one for one in sent if one.journey.delivered_at is not None]
    delivered = [one for one in acknowledged if one.request_id in record.executed]
    returned = sum(one.request_id in record.returned and one.request_id not in record.executed for one in acknowledged)
    refused = [one for one in sent if one.journey.behind]
    down, up = record.down_at or 0.0, record.up_at or 0.0
    end = max((one.at for one in record.acknowledged), default=0.0) + 1
    return Facts(
        acknowledged=len(acknowledged),
        delivered=len(delivered),
        returned=returned,
        lost=len(acknowledged) - len(delivered) - returned,
        outcomes=sum(one.request_id in record.outcomes for one in delivered),
        executed_twice=record.executed_twice,
        repeated=record.repeated,
        refusals=record.refused[NORTH],
        refusals_by_gateway=record.last.refused.get(NORTH, 0),
        refusals_elsewhere=record.refused.total() - record.refused[NORTH],
        refused=len(refused),
        came_again=sum(one.journey.delivered_at is not None for one in refused),
        not_acknowledged=sum(one.journey.delivered_at is None and not one.journey.behind for one in sent),
        south_p99=(record.p99(SOUTH, 0, down), record.p99(SOUTH, down, up), record.p99(SOUTH, up, end)),
        south_during=sum(down <= one.at < up and FLOWS[one.flow].region == SOUTH for one in record.acknowledged),
        top_ups=_delays(record, delivered, urgent=True),
        bulk=_delays(record, delivered, urgent=False),
    )


def _sent(record: OutageRecord) -> Iterator[_Sent]:
    """The n-th journey of a flow is its n-th message."""
    counts = [0] * len(FLOWS)
    for journey in record.journeys:
        flow = journey.user
        if counts[flow] < len(record.request_ids[flow]):
            yield _Sent(FLOWS[flow], record.request_ids[flow][counts[flow]], journey)
            counts[flow] += 1


def _delays(record: OutageRecord, delivered: list[_Sent], *, urgent: bool) -> Delays:
    longest = cleared = 0.0
    up = record.up_at
    for one in delivered:
        taken, at = one.journey.delivered_at, record.executed[one.request_id]
        if one.flow.region != NORTH or one.flow.urgent is not urgent or taken is None:
            continue
        longest = max(longest, at - taken)
        if up is not None and taken < up <= at:
            cleared = max(cleared, at - up)
    return Delays(longest, cleared)


def table(found: Facts) -> Table:
    """The verdict, a line a fact."""
    out = Table(
        title="What became of the Service Requests", title_justify="left", show_header=False, box=SIMPLE_HEAD,
        padding=(0, 1),
    )  # fmt: skip
    out.add_column(no_wrap=True)
    out.add_column(justify="right", no_wrap=True)
    out.add_column(style="bright_black")
    out.add_row("Acknowledged", f"{found.acknowledged:,}", "on the disk before the User hears of it")
    out.add_row("  delivered to a CSP", f"{found.delivered:,}", f"{found.outcomes:,} outcomes reached the Users")
    out.add_row("  returned to the User", f"{found.returned:,}", "attempts or deadline exhausted")
    out.add_row("  lost", _count(found.lost), f"executed twice {found.executed_twice}, sent again {found.repeated}")
    out.add_section()
    out.add_row("Refused for north", f"{found.refused:,}", _came_again(found))
    others = found.refusals - found.refusals_by_gateway
    out.add_row(
        "  answers of the gateway",
        f"{found.refusals_by_gateway:,}",
        f"{others:,} of the dispatcher, before it was told",
    )
    out.add_row("Refused for south", _count(found.refusals_elsewhere), "and nothing else failed" + _but(found))
    out.add_section()
    before, during, after = (seconds_text(one) for one in found.south_p99)
    out.add_row("South, p99 of acknowledgement", during, f"in the outage; before {before}, after {after}")
    out.add_section()
    out.add_row(
        "Top-ups that waited, delivered",
        seconds_text(found.top_ups.cleared),
        f"after it was back; longest wait {seconds_text(found.top_ups.longest)}",
    )
    out.add_row(
        "All else that waited, delivered",
        seconds_text(found.bulk.cleared),
        f"after it was back; longest wait {seconds_text(found.bulk.longest)}",
    )
    return out


def answer(found: Facts, seconds: float) -> Text:
    """The answer to the question, from the facts. ``seconds``: how long north was down."""
    if not found.good:
        return Text("Not as it should be: see above what was lost, refused or executed twice.", style="bold red")
    return Text.assemble(
        ("Would this cause a DSP outage? No. ", "bold green"),
        f"North was down for {seconds:.0f} s; meanwhile south had {found.south_during:,} Service Requests "
        f"acknowledged (p99 {seconds_text(found.south_p99[1])}), what was for north waited, and nothing was lost.",
    )


def _count(bad: int) -> Text:
    return Text(f"{bad:,}", style="bold red" if bad else "bold green")


def _came_again(found: Facts) -> str:
    if not found.refused:
        return "the backlog never was full"
    waiting = found.refused - found.came_again
    told = f"and told when to come; {found.came_again:,} came, and were taken"
    return told + (f", {waiting:,} still wait" if waiting else "")


def _but(found: Facts) -> str:
    return f", but {found.not_acknowledged:,} that nobody acknowledged" if found.not_acknowledged else ""
