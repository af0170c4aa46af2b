"""What came of it: figures from what the senders saw, and whether they keep what the profile promises."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from sluicegate.simulate.demo.figures import quantile
from sluicegate.simulate.demo.priorities.record import PrioritiesRecord
from sluicegate.simulate.demo.priorities.scenario import FLOWS, WITH, WITHOUT, PrioritiesScenario
from sluicegate.simulate.demo.record import TICK
from sluicegate.simulate.demo.summary import seconds_text
from sluicegate.simulate.sender import Journey

MOST_LATE = 0.001
"""Of the top-ups with a profile, the part that may not be in time."""
MOST_LOST = 0.01
"""The part of a User's throughput that a profile may cost it; in the burst nor may it gain more."""


@dataclass(frozen=True)
class TopUps:
    """Of one User. Each is in time, too late (or given up), or, while the run lasts, waiting."""

    sent: int
    in_time: int
    waiting: int
    at_once: int
    """Delivered at the first attempt."""
    median: float
    """Seconds to delivery; infinite if half of them never were."""
    p999: float
    longest: float
    """Of those that were delivered in time; 0 without any."""

    @property
    def late(self) -> int:
        """Delivered after the limit, or given up."""
        return self.sent - self.in_time - self.waiting

    @property
    def share(self) -> float:
        """The part in time, of those whose fate is known; 1 while there is none."""
        known = self.sent - self.waiting
        return self.in_time / known if known else 1.0


@dataclass(frozen=True)
class Side:
    """One of the two. Counts of requests; ``in_burst`` and ``delivered`` are of all kinds."""

    name: str
    top_ups: TopUps
    bulk: int
    """Delivered, of all that are no top-ups."""
    bulk_sent: int
    in_burst: int
    delivered: int


@dataclass(frozen=True)
class Facts:
    """A run that is over."""

    having: Side
    lacking: Side
    others_sent: int
    others_throttled: int
    """Requests of the other Users that were throttled at least once."""
    failed: int
    """Attempts that were neither delivered nor throttled."""
    outages: int

    @property
    def burst_ratio(self) -> float:
        """What the User with a profile had delivered in the burst, to what the other had."""
        return _ratio(self.having.in_burst, self.lacking.in_burst)

    @property
    def whole_ratio(self) -> float:
        """The same, of the whole run."""
        return _ratio(self.having.delivered, self.lacking.delivered)

    @property
    def kept_time(self) -> bool:
        """Whether its top-ups were in time."""
        return self.having.top_ups.share >= 1 - MOST_LATE

    @property
    def kept_throughput(self) -> bool:
        """Whether it lost no throughput, and took none from the other while there was not enough for both."""
        return abs(self.burst_ratio - 1) <= MOST_LOST + 1e-9 and self.whole_ratio >= 1 - MOST_LOST - 1e-9

    @property
    def untouched(self) -> bool:
        """Whether the other Users noticed nothing, and the DSP neither."""
        return not (self.others_throttled or self.failed or self.outages)

    @property
    def shown(self) -> bool:
        """Whether there was anything to see: both sent the same top-ups, and without a profile they were late."""
        mine, theirs = self.having.top_ups, self.lacking.top_ups
        return 0 < mine.sent == theirs.sent and theirs.share < 1 - MOST_LATE

    @property
    def good(self) -> bool:
        """Whether all that was promised was kept, and shown."""
        return self.kept_time and self.kept_throughput and self.untouched and self.shown


def facts(record: PrioritiesRecord) -> Facts:
    """Sum up a run that is over."""
    having, lacking = (_side(record, user) for user in (WITH, WITHOUT))
    others = [journey for journey in record.journeys if FLOWS[journey.user].user not in (WITH, WITHOUT)]
    return Facts(
        having=having,
        lacking=lacking,
        others_sent=len(others),
        others_throttled=sum(journey.throttled > 0 for journey in others),
        failed=record.failed,
        outages=record.last.dsp.outages,
    )


def top_ups(journeys: Iterable[Journey], limit: float, now: float) -> TopUps:
    """Sum them up, ``now`` seconds from the start: what is on its way and may yet be in time is waiting."""
    ours = list(journeys)
    taken = [one.seconds for one in ours]
    good = [seconds for seconds in taken if seconds is not None and seconds <= limit]
    return TopUps(
        sent=len(ours),
        in_time=len(good),
        waiting=sum(waits(one, limit, now) for one in ours),
        at_once=sum(one.attempts == 1 and one.delivered_at is not None for one in ours),
        median=quantile(taken, 0.5),
        p999=quantile(taken, 0.999),
        longest=max(good, default=0.0),
    )


def waits(one: Journey, limit: float, now: float) -> bool:
    """Whether it is on its way, and may yet be in time."""
    return one.delivered_at is None and not one.given_up and now - one.intended <= limit


def delivered(record: PrioritiesRecord, user: int, since: float, until: float) -> int:
    """Requests of one User, of all kinds, that were delivered from ``since`` until ``until`` seconds."""
    buckets = range(round(since / TICK), round(until / TICK))
    flows = [number for number, flow in enumerate(FLOWS) if flow.user == user]
    return sum(record.delivered[flow, bucket] for flow in flows for bucket in buckets)


def _side(record: PrioritiesRecord, user: int) -> Side:
    scenario = record.scenario
    ours = [journey for journey in record.journeys if FLOWS[journey.user].user == user]
    urgent = [journey for journey in ours if FLOWS[journey.user].urgent]
    bulk = [journey for journey in ours if not FLOWS[journey.user].urgent]
    return Side(
        name=scenario.users[user].name,
        top_ups=top_ups(urgent, scenario.limit, scenario.seconds + 1),
        bulk=_count(bulk),
        bulk_sent=len(bulk),
        in_burst=delivered(record, user, scenario.burst_from, scenario.burst_until),
        delivered=_count(ours),
    )


def _count(journeys: Sequence[Journey]) -> int:
    return sum(journey.delivered_at is not None for journey in journeys)


def _ratio(part: int, whole: int) -> float:
    if not whole:
        return math.inf if part else 1.0
    return part / whole


def percent(part: float) -> str:
    """A share to a tenth of a percent. 100% is said of all only, and 0% of none only."""
    text = f"{100 * part:.1f}"
    if text == "100.0" and part < 1:
        return ">99.9%"
    if text == "0.0" and part > 0:
        return "<0.1%"
    return f"{100 * part:.0f}%" if part in (0, 1) else f"{text}%"


def difference(ratio: float) -> str:
    """How much more or less than the same it is."""
    return "nothing to compare with" if math.isinf(ratio) else f"{100 * (ratio - 1):+.1f}%"


def table(scenario: PrioritiesScenario, found: Facts) -> Table:
    """The two Users side by side, a line a figure."""
    out = Table(
        title=f"In time: within {scenario.limit:g} s of the moment it was meant to leave",
        title_justify="left", box=SIMPLE_HEAD, header_style="bold", padding=(0, 1),
    )  # fmt: skip
    having, lacking = found.having, found.lacking
    out.add_column("\n", no_wrap=True)
    out.add_column(f"{_short(lacking.name)},\nwithout", justify="right", no_wrap=True)
    out.add_column(f"{_short(having.name)},\nwith a profile", justify="right", no_wrap=True)
    out.add_column("\ndifference", justify="right", style="bright_black", no_wrap=True)
    mine, theirs = having.top_ups, lacking.top_ups
    out.add_row("Top-ups sent", f"{theirs.sent:,}", f"{mine.sent:,}", "the same schedule")
    out.add_row("  in time", f"{theirs.in_time:,}", f"{mine.in_time:,}", "")
    out.add_row("  in time, of all", _graded(theirs.share), _graded(mine.share), "", style="bold")
    out.add_row("  at first attempt", f"{theirs.at_once:,}", f"{mine.at_once:,}", "")
    out.add_row("  half of them took", seconds_text(theirs.median), seconds_text(mine.median), "")
    out.add_row("  too late", f"{theirs.late:,}", f"{mine.late:,}", "told: come later")
    out.add_section()
    out.add_row("All else delivered", f"{lacking.bulk:,}", f"{having.bulk:,}", f"of {having.bulk_sent:,} each")
    out.add_section()
    burst, whole = difference(found.burst_ratio), difference(found.whole_ratio)
    out.add_row("All, in the burst", f"{lacking.in_burst:,}", f"{having.in_burst:,}", burst)
    out.add_row("All, in the run", f"{lacking.delivered:,}", f"{having.delivered:,}", whole)
    return out


def answer(scenario: PrioritiesScenario, found: Facts) -> Text:
    """The verdict in a few sentences, made of the facts and true of them only."""
    return Text(" ".join(sentences(scenario, found)), style="bold green" if found.good else "bold red")


def sentences(scenario: PrioritiesScenario, found: Facts) -> list[str]:
    """What is to be said, whether it is good or not."""
    mine, theirs = found.having.top_ups, found.lacking.top_ups
    within = f"within {scenario.limit:g} s"
    said = [f"Top-ups delivered {within}: {percent(mine.share)} with a profile, {percent(theirs.share)} without."]
    if not found.kept_time:
        said.append(f"Promised were {100 * (1 - MOST_LATE):g}%.")
    if not found.shown:
        said.append("NOT SHOWN: without a profile they were in time as well, or they were not the same top-ups.")
    kept = "kept" if found.kept_throughput else "NOT kept"
    said.append(
        f"Throughput was {kept} (within {MOST_LOST:.0%}): {difference(found.burst_ratio)} while there was not enough "
        f"for both, {difference(found.whole_ratio)} in the whole run."
    )
    if found.untouched:
        said.append("The other Users were never throttled.")
    else:
        said.append(
            f"NOT as it should be: of the other Users' {found.others_sent:,} requests {found.others_throttled:,} were "
            f"throttled, {found.failed:,} attempts failed, and the DSP had {found.outages} outages."
        )
    return said


def _short(name: str) -> str:
    """The end of a name is what tells the two apart."""
    return name.replace("Large Supplier", "Supplier")


def _graded(share: float) -> Text:
    style = "green" if share >= 1 - MOST_LATE else "yellow" if share >= 0.9 else "red"
    return Text(percent(share), style=f"bold {style}")
