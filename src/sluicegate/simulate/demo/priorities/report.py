"""The page: the two Users beside each other, from one record."""

from datetime import datetime

from sluicegate import __version__
from sluicegate.simulate.demo.figures import quantile
from sluicegate.simulate.demo.pieces import assumptions, fact, facts, middles, section
from sluicegate.simulate.demo.priorities.record import PrioritiesRecord
from sluicegate.simulate.demo.priorities.scenario import (
    FLOWS,
    WITH,
    WITHOUT,
    Flow,
    PrioritiesScenario,
    configuration,
    profile,
)
from sluicegate.simulate.demo.priorities.verdict import (
    MOST_LATE,
    Facts,
    Side,
    delivered,
    difference,
    percent,
    sentences,
)
from sluicegate.simulate.demo.record import TICK
from sluicegate.simulate.demo.summary import seconds_text
from sluicegate.simulate.page import (
    Cell,
    Chart,
    Html,
    Line,
    Series,
    Span,
    Tone,
    document,
    share_cell,
    table,
    tag,
)
from sluicegate.simulate.sender import Journey

TITLE = "Top-ups first: the same burst with a priority profile and without"
_CONDITION = "a profile"
_SIDES = (WITHOUT, WITH)
_STEP = 1.0  # seconds


def page(record: PrioritiesRecord, found: Facts, at: datetime) -> str:
    """A self-contained HTML file. ``at`` is when the run ended."""
    scenario = record.scenario
    top = 1.15 * max(scenario.users[WITH].allocation, *(max(_everything(record, user)) for user in _SIDES))
    return document(
        f"Sluicegate: {TITLE}",
        tag("p", "Sluicegate · a demonstration, measured on this machine", class_="eyebrow"),
        tag("h1", TITLE),
        tag("p", claim(scenario, found), class_="claim"),
        _facts(scenario, found),
        *section(
            "What became of the top-ups",
            f"Of those meant to leave in each second: the part that was delivered within {scenario.limit:g} s. Both "
            "Users sent the same ones, at the same times.",
            [_in_time(record, user) for user in _SIDES],
        ),
        *section(
            "How soon they were delivered",
            "The part of all top-ups that was delivered within so many seconds of the moment at which they were meant "
            f"to leave. Senders honour Retry-After; what would come again after {scenario.limit:g} s is given up.",
            [_taken(record, user) for user in _SIDES],
        ),
        *section(
            "What each User had delivered",
            "Top-ups and all else, SR/s. While there is not enough for both, a profile makes no capacity and takes "
            "none: it says what the User's own part goes to.",
            [_delivered(record, user, top) for user in _SIDES],
        ),
        tag("h2", "Side by side"),
        tag("p", " ".join(sentences(scenario, found)), class_="hint"),
        _table(scenario, found),
        tag("p", _whole_run(found), class_="hint note"),
        tag("h2", "What was assumed"),
        _assumptions(scenario),
        tag("h2", "The profile"),
        tag("pre", profile(scenario).rstrip()),
        tag("details", tag("summary", "The gateway's configuration"), tag("pre", _configuration(scenario))),
        tag(
            "footer",
            f"Sluicegate {__version__}, {at:%-d %B %Y, %H:%M} {at.tzname() or ''}. "
            "Charts: uPlot (MIT). This page needs no network.",
        ),
    )


def claim(scenario: PrioritiesScenario, found: Facts) -> str:
    """The run in a few sentences, made of its figures and true of them only."""
    mine, theirs = found.having, found.lacking
    having, lacking = (side.name.replace(" ", "\N{NO-BREAK SPACE}") for side in (mine, theirs))
    return (
        f"Two Users hold the same allocation and send the same: {scenario.burst:g} times their allocation in bulk, and "
        f"top-ups of {scenario.top_ups:.0%} of it. {having} has told the gateway that its top-ups come first: "
        f"{percent(mine.top_ups.share)} of them were delivered within {scenario.limit:g} s. {lacking} has not: "
        f"{percent(theirs.top_ups.share)}. {_throughput(found)}"
    )


def _throughput(found: Facts) -> str:
    if found.kept_throughput:
        return f"While there was not enough for both, they got the same in all ({difference(found.burst_ratio)})."
    return f"They did not get the same in all: {difference(found.burst_ratio)} in the burst."


def _whole_run(found: Facts) -> str:
    return (
        f"That the sum is the same goes for the burst only. In the whole run {found.having.name} had "
        f"{difference(found.whole_ratio)}: after the burst nobody is limited by capacity, and what was held comes back "
        "when it was told. Top-ups that were given up do not, and each class of a profile has a line of its own."
    )


def _facts(scenario: PrioritiesScenario, found: Facts) -> Html:
    mine, theirs = found.having, found.lacking
    return facts(
        fact(
            f"Top-ups delivered within {scenario.limit:g} s",
            percent(theirs.top_ups.share),
            percent(mine.top_ups.share),
            _CONDITION,
        ),
        fact("Top-ups too late, given up", f"{theirs.top_ups.late:,}", f"{mine.top_ups.late:,}", _CONDITION),
        fact("All delivered in the burst", f"{theirs.in_burst:,}", f"{mine.in_burst:,}", _CONDITION, plain=True),
    )


def _name(record: PrioritiesRecord, user: int) -> str:
    peer = record.scenario.users[user]
    return f"{peer.name}, {'with' if peer.profile else 'without'} a profile"


def _spans(scenario: PrioritiesScenario) -> list[Span]:
    return [Span("the burst", scenario.burst_from, scenario.burst_until)]


def _by_second(record: PrioritiesRecord, user: int) -> list[list[Journey]]:
    """Its top-ups, by the second in which they were meant to leave."""
    seconds: list[list[Journey]] = [[] for _ in range(round(record.scenario.burst_until / _STEP))]
    for journey in record.journeys:
        flow = FLOWS[journey.user]
        if flow.urgent and flow.user == user:
            seconds[min(int(journey.intended / _STEP), len(seconds) - 1)].append(journey)
    return seconds


def _in_time(record: PrioritiesRecord, user: int) -> Chart:
    scenario = record.scenario
    shares: list[float | None] = [
        sum(one.delivered_within(scenario.limit) for one in second) / len(second) if second else None
        for second in _by_second(record, user)
    ]
    least = min((share for share in shares if share is not None), default=1.0)
    return Chart(
        _name(record, user),
        f"in the worst second {percent(least)} were delivered in time.",
        middles(len(shares), _STEP),
        [Series("top-ups in time", shares, _tone(user), fill=True)],
        top=1.06,
        percent=True,
        spans=_spans(scenario),
        until=scenario.burst_until,
        group="leaving",
    )


def _taken(record: PrioritiesRecord, user: int) -> Chart:
    scenario = record.scenario
    taken = [one.seconds for second in _by_second(record, user) for one in second]
    steps = [number * _STEP / 2 for number in range(round(2 * scenario.limit / _STEP) + 1)]
    parts: list[float | None] = [
        sum(one is not None and one <= step for one in taken) / len(taken) if taken else None for step in steps
    ]
    return Chart(
        _name(record, user),
        f"half of them took {seconds_text(quantile(taken, 0.5))}.",
        steps,
        [Series("delivered by then", parts, _tone(user), fill=True)],
        top=1.06,
        percent=True,
        lines=[Line("promised: 99.9%", 1 - MOST_LATE, dashed=True, below=True)],
        until=scenario.limit,
        group="taken",
    )


def _delivered(record: PrioritiesRecord, user: int, top: float) -> Chart:
    scenario = record.scenario
    urgent, everything = _rates(record, user, urgent=True), _everything(record, user)
    in_burst = delivered(record, user, scenario.burst_from, scenario.burst_until)
    allocation = scenario.users[user].allocation
    return Chart(
        _name(record, user),
        f"{in_burst:,} requests were delivered in the burst.",
        middles(len(urgent), _STEP),
        [
            Series("top-ups", urgent, "calm", fill=True),
            Series("all else", everything, "warm", fill=True, above=0),
        ],
        top=top,
        unit="SR/s",
        lines=[Line(f"allocation {allocation:g}", allocation, dashed=True)],
        spans=_spans(scenario),
        until=scenario.seconds,
        group="coming",
    )


def _everything(record: PrioritiesRecord, user: int) -> list[float]:
    pair = (_rates(record, user, urgent=which) for which in (True, False))
    return [sum(both) for both in zip(*pair, strict=True)]


def _rates(record: PrioritiesRecord, user: int, *, urgent: bool) -> list[float]:
    """SR/s of one User that were delivered in each step."""
    count = round(record.scenario.seconds / _STEP)
    rates = [0.0] * count
    for (number, bucket), many in record.delivered.items():
        place = int(bucket * TICK / _STEP + 1e-9)
        if FLOWS[number] == Flow(user, urgent) and place < count:
            rates[place] += many / _STEP
    return rates


def _tone(user: int) -> Tone:
    return "calm" if user == WITH else "bad"


def _table(scenario: PrioritiesScenario, found: Facts) -> Html:
    heads = [
        Cell("User", figure=False),
        Cell("top-ups sent"),
        Cell(f"within {scenario.limit:g} s", figure=False),
        Cell("half took"),
        Cell("too late, given up"),
        Cell("all else delivered"),
        Cell("all delivered in the burst"),
        Cell("all delivered in the run"),
    ]
    rows = [_row(found.lacking, "without"), _row(found.having, "with a profile")]
    return table("The two Users side by side", heads, rows)


def _row(side: Side, what: str) -> list[Cell]:
    ours = side.top_ups
    return [
        Cell(tag("span", side.name, tag("span", what, class_="role")), figure=False),
        Cell(f"{ours.sent:,}"),
        share_cell(ours.share, percent(ours.share), "bad" if what == "without" else "calm"),
        Cell(seconds_text(ours.median)),
        Cell(f"{ours.late:,}" if ours.late else "none"),
        Cell(f"{side.bulk:,}"),
        Cell(f"{side.in_burst:,}"),
        Cell(f"{side.delivered:,}"),
    ]


def _assumptions(scenario: PrioritiesScenario) -> Html:
    plant = scenario.plant
    one = scenario.users[WITH]
    others = " and ".join(f"{user.usual * user.allocation:g}" for user in scenario.users[2:])
    return assumptions(
        (
            ("Maximum capacity", f"{scenario.maximum:g} SR/s"),
            ("Operating threshold", f"{scenario.threshold:g} SR/s"),
            ("Burst", f"{scenario.burst_seconds:g} s"),
            ("DSP", f"{plant.capacity:g} SR/s, buffer {plant.buffer}"),
            ("Allocation of each of the two", f"{one.allocation:g} SR/s"),
            ("Top-ups of each", f"{scenario.top_ups * one.allocation:g} SR/s"),
            ("All else in the burst, each", f"{scenario.burst * one.allocation:g} SR/s"),
            ("Reserve of the profile", f"{scenario.reserve} requests"),
            ("The burst", f"{scenario.burst_from:g} to {scenario.burst_until:g} s, then nothing new"),
            ("The run", f"{scenario.seconds:g} s"),
            ("Arrivals", f"Poisson, seed {scenario.seed}"),
            ("Throttled", "comes again after Retry-After"),
            ("Two others send", f"{others} SR/s"),
        )
    )


def _configuration(scenario: PrioritiesScenario) -> str:
    return configuration(scenario, listen="127.0.0.1:8079", admin="127.0.0.1:8090", upstream="http://127.0.0.1:8080")
