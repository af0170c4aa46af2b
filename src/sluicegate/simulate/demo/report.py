"""The picture of both runs: one page, from two records."""

from datetime import datetime

from sluicegate import __version__
from sluicegate.simulate.demo.figures import (
    Result,
    Service,
    in_time_shares,
    offered_rates,
    outages,
    result,
)
from sluicegate.simulate.demo.pieces import assumptions, fact, fact_in_words, facts, middles, section
from sluicegate.simulate.demo.record import TICK, RunRecord
from sluicegate.simulate.demo.scenario import Scenario, configuration
from sluicegate.simulate.demo.summary import seconds_text, share_text
from sluicegate.simulate.page import (
    Cell,
    Chart,
    Html,
    Line,
    Series,
    Span,
    document,
    share_cell,
    table,
    tag,
)

TITLE = "One User's burst, and who pays for it"
_CONDITION = "traffic management"


def page(without: RunRecord, with_it: RunRecord, at: datetime) -> str:
    """A self-contained HTML file. ``at`` is when the runs ended."""
    scenario = without.scenario
    before, after = result(without), result(with_it)
    pair = (without, with_it)
    top = 1.08 * max(
        scenario.maximum, *offered_rates(without, _step(scenario)), *offered_rates(with_it, _step(scenario))
    )
    return document(
        f"Sluicegate: {TITLE}",
        tag("p", "Sluicegate · a demonstration, measured on this machine", class_="eyebrow"),
        tag("h1", TITLE),
        tag("p", claim(scenario, before, after), class_="claim"),
        _facts(scenario, before, after),
        *section(
            "What the Users sent",
            "Requests offered, SR/s, repeated attempts included. Both sides have the same schedule and scale.",
            [_offered(record, top) for record in pair],
        ),
        *section(
            "What it did to the DSP",
            f"Requests in its buffer. Overload for {scenario.plant.outage_after:g} s is an outage: what it holds "
            "is lost, and it needs "
            f"{scenario.plant.restart:g} s to restart.",
            [_queue(record) for record in pair],
        ),
        *section(
            "Who was served in time",
            f"Of the requests meant to leave in each second, the part delivered within {scenario.in_time:g} s.",
            [_served(record) for record in pair],
        ),
        tag("h2", "User by User"),
        tag("p", _fate_of_the_burst(scenario, before, after), class_="hint"),
        _table(scenario, before, after),
        tag("h2", "What was assumed"),
        _assumptions(scenario),
        tag("details", tag("summary", "The gateway's configuration"), tag("pre", _configuration(scenario))),
        tag(
            "footer",
            f"Sluicegate {__version__}, {at:%-d %B %Y, %H:%M} {at.tzname() or ''}. "
            "Charts: uPlot (MIT). This page needs no network.",
        ),
    )


def claim(scenario: Scenario, before: Result, after: Result) -> str:
    """The run in two sentences, made of its figures and true of them only."""
    who = scenario.burster.name
    outage = f"the DSP failed for {before.down_seconds:.1f} s" if before.outages else "the DSP kept up"
    first = (
        f"{who} sends {scenario.burst:g} times its allocation. Without traffic management {outage}, and the "
        f"{_word(len(scenario.users) - 1)} other Users had {share_text(before.others.in_time)} of their requests "
        f"delivered within {scenario.in_time:g} s. "
    )
    failed = f"the DSP failed for {after.down_seconds:.1f} s" if after.outages else "the DSP never failed"
    return (
        f"{first}With it, {failed}, the others had {share_text(after.others.in_time)}, and "
        f"{_throttled(scenario, after)}."
    )


def _throttled(scenario: Scenario, after: Result) -> str:
    if not after.throttled_users:
        return "nobody was throttled"
    if list(after.throttled_users) == [scenario.burster.name]:
        return f"only {scenario.burster.name} was throttled"
    return f"these were throttled: {', '.join(after.throttled_users)}"


def _word(number: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return words[number] if number < len(words) else str(number)


def _facts(scenario: Scenario, before: Result, after: Result) -> Html:
    names = after.throttled_users
    only = f"only {names[0]}" if len(names) == 1 else ", ".join(names) or "nobody"
    return facts(
        fact(
            f"Others' requests delivered within {scenario.in_time:g} s",
            share_text(before.others.in_time),
            share_text(after.others.in_time),
            _CONDITION,
        ),
        fact("DSP outage", f"{before.down_seconds:.1f} s", f"{after.down_seconds:.1f} s", _CONDITION),
        fact_in_words("Who was throttled", only),
    )


def _name(record: RunRecord) -> str:
    return "With traffic management" if record.enforce else "Without traffic management"


def _step(scenario: Scenario) -> float:
    return 2 * TICK if scenario.seconds <= 60 else 1.0


def _spans(record: RunRecord) -> list[Span]:
    scenario = record.scenario
    burst = Span("the burst", scenario.burst_from, scenario.burst_until)
    return [burst, *(Span("outage", since, until, "bad") for since, until in outages(record))]


def _offered(record: RunRecord, top: float) -> Chart:
    scenario, step = record.scenario, _step(record.scenario)
    everyone = offered_rates(record, step)
    others = offered_rates(record, step, others=True)
    return Chart(
        _name(record),
        f"at most {max(everyone):,.0f} SR/s were offered; capacity is {scenario.maximum:g}.",
        middles(len(everyone), step),
        [
            Series("the others", others, "calm", fill=True),
            Series(scenario.burster.name, everyone, "warm", fill=True, above=0),
        ],
        top=top,
        unit="SR/s",
        lines=[
            Line(f"capacity {scenario.maximum:g}, operating threshold {scenario.threshold:g}", scenario.maximum),
            Line("", scenario.threshold, dashed=True),
        ],
        spans=_spans(record),
        until=scenario.seconds,
    )


def _queue(record: RunRecord) -> Chart:
    scenario = record.scenario
    queue: list[float | None] = [moment.dsp.queue for moment in record.moments]
    down = record.last.dsp.down_seconds
    return Chart(
        _name(record),
        f"the DSP was down for {down:.1f} s.",
        [round(moment.at, 3) for moment in record.moments],
        [Series("in the buffer", queue, "plain", fill=True)],
        top=1.15 * scenario.plant.buffer,
        unit="SR",
        lines=[Line(f"full: {scenario.plant.buffer}", scenario.plant.buffer)],
        spans=_spans(record),
        until=scenario.seconds,
    )


def _served(record: RunRecord) -> Chart:
    burster, others = (in_time_shares(record, 1.0, burster=which) for which in (True, False))
    least = min((share for share in others if share is not None), default=1.0)
    return Chart(
        _name(record),
        f"in the worst second the others had {share_text(least)} delivered in time.",
        middles(len(others), 1.0),
        [Series("the others", others, "calm"), Series(record.scenario.burster.name, burster, "warm")],
        top=1.06,
        percent=True,
        spans=_spans(record),
        until=record.scenario.seconds,
    )


def _fate_of_the_burst(scenario: Scenario, before: Result, after: Result) -> str:
    mine, then = after.users[0], before.users[0]
    said = (
        f"Of the {mine.sent:,} requests of {scenario.burster.name}, {mine.throttled:,} were throttled and told when "
        f"to come again: {mine.waiting:,} of them were still waiting for their turn when the run ended"
    )
    lost = f", and {mine.lost:,} were lost" if mine.lost else ", and none was lost"
    return f"{said}{lost}. Without traffic management {then.lost:,} were lost."


def _table(scenario: Scenario, before: Result, after: Result) -> Html:
    deadline = f"within {scenario.in_time:g} s"
    heads = [
        Cell("User", figure=False),
        Cell("allocation, SR/s"),
        Cell("sent"),
        Cell(f"{deadline}, without", figure=False),
        Cell(f"{deadline}, with", figure=False),
        Cell("95 in 100 took, without"),
        Cell("95 in 100 took, with"),
        Cell("throttled"),
    ]
    rows = [
        _row(
            tag("span", user.name, tag("span", user.role, class_="role")),
            f"{user.allocation:g}",
            before.users[number],
            after.users[number],
            held=number == 0,
        )
        for number, user in enumerate(scenario.users)
    ]
    others = sum(user.allocation for user in scenario.users[1:])
    rows.append(_row("All others", f"{others:g}", before.others, after.others, held=False))
    return table("Each User without and with traffic management", heads, rows, foot=1)


def _row(name: Html | str, allocation: str, before: Service, after: Service, *, held: bool) -> list[Cell]:
    return [
        Cell(name, figure=False),
        Cell(allocation),
        Cell(f"{before.sent:,}"),
        share_cell(before.in_time, share_text(before.in_time), "warm" if held else "bad"),
        share_cell(after.in_time, share_text(after.in_time), "warm" if held else "calm"),
        Cell(seconds_text(before.p95)),
        Cell(seconds_text(after.p95)),
        Cell(f"{after.throttled:,}" if after.throttled else "none"),
    ]


def _assumptions(scenario: Scenario) -> Html:
    plant = scenario.plant
    each = (
        ("Maximum capacity", f"{scenario.maximum:g} SR/s"),
        ("Operating threshold", f"{scenario.threshold:g} SR/s"),
        ("Burst", f"{scenario.burst_seconds:g} s"),
        ("Calm before normal", f"{scenario.calm_seconds:g} s"),
        ("DSP capacity", f"{plant.capacity:g} SR/s"),
        ("DSP buffer", f"{plant.buffer} SR"),
        ("Overload that ends in an outage", f"{plant.outage_after:g} s above {plant.high_mark:.0%}"),
        ("Restart", f"{plant.restart:g} s"),
        ("Each run", f"{scenario.seconds:g} s"),
        ("Burst of the schedule", f"{scenario.burst_from:g} to {scenario.burst_until:g} s"),
        ("Arrivals", f"Poisson, seed {scenario.seed}"),
        ("A request is tried", "4 times, after what it was told, else 1 s"),
    )
    return assumptions(each)


def _configuration(scenario: Scenario) -> str:
    return configuration(
        scenario,
        enforce=True,
        listen="127.0.0.1:8079",
        admin="127.0.0.1:8090",
        upstream="http://127.0.0.1:8080",
    )
