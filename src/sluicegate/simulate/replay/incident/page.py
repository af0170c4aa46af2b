"""The investigation as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sluicegate.simulate.evidence import words
from sluicegate.simulate.page import (
    Cell,
    Chart,
    Html,
    Line,
    Series,
    Span,
    Tone,
    chart,
    document,
    share_cell,
    table,
    tag,
)
from sluicegate.simulate.replay.incident.words import harms, stretch

Entry = Mapping[str, Any]

_TONES: Final[tuple[Tone, ...]] = ("warm", "plain", "violet", "sky", "olive")
_MOST_USERS: Final = 50
_GROUP: Final = "incident"


def incident_page(told: Entry) -> str:
    """A page out of what is in incident.json. The same content, the same text."""
    title = f"What happened {stretch(told)}"
    return document(
        f"Sluicegate: {title}",
        tag("p", "Sluicegate · the investigation of one period of a traffic record", class_="eyebrow"),
        tag("h1", title),
        tag("p", " ".join(told["said"]), class_="claim"),
        tag("h2", "What was sent, and what was held"),
        _hint(told),
        tag("div", *_charts(told)),
        tag("h2", "Before, during and after"),
        _phases(told),
        tag("h2", "Who sent what"),
        _users(told),
        _of_what(told),
        tag("h2", "Who was held, and what followed"),
        _held(told),
        tag("h2", "Who else was harmed"),
        _harmed(told),
        *_held_back(told),
        tag("h2", "The record"),
        tag("p", _record(told), class_="hint"),
        tag("footer", f"Sluicegate {told['sluicegate']}. Charts: uPlot (MIT). This page needs no network."),
    )


def _hint(told: Entry) -> Html:
    step = words.seconds(float(told["series"]["step"]))
    return tag("p", f"Painted: the period. Each point is {step}. Times are UTC. SR/s count by weight.", class_="hint")


def _charts(told: Entry) -> Iterator[Html]:
    series, limits = told["series"], told["limits"]
    lines = []
    if limits:
        maximum, threshold = limits["maximum"], limits["operating_threshold"]
        name = f"capacity {maximum:,g}, operating threshold {threshold:,g}"
        lines = [Line(name, maximum), Line("", threshold, dashed=True)]
    yield _chart(
        told,
        "Attempts of all Users",
        f"at most {max(series['attempts'], default=0):,.0f} SR/s were sent",
        [
            Series("sent, retries too", series["attempts"], "warm"),
            Series("let through", series["admitted"], "calm", fill=True),
            Series("throttled", series["throttled"], "bad"),
            Series("retries", series["retries"], "plain"),
        ],
        lines=lines,
    )
    yield _chart(
        told,
        "Attempts by User",
        "the Users who sent most in the period",
        [Series(name, values, tone) for (name, values), tone in zip(series["users"].items(), _TONES, strict=False)],
    )
    if any(value is not None for value in series["p95"]):
        slow = [Series("95 in 100 answered within", series["p95"], "plain")]
        yield _chart(told, "Latency of the upstream", "how long 95 in 100 answers took at most", slow, unit="s")


def _chart(
    told: Entry, name: str, tells: str, series: Sequence[Series], *, unit: str = "SR/s", lines: Sequence[Line] = ()
) -> Html:
    times = told["series"]
    first, step = times["first_second"], times["step"]
    most = [value for one in series for value in one.values if value is not None] + [line.value for line in lines]
    return chart(
        Chart(
            name,
            tells + ".",
            [first + at + step / 2 for at in times["t"]],
            series,
            top=1.08 * max(most, default=0.0) or 1.0,
            unit=unit,
            lines=lines,
            spans=[Span("the period", first + times["since"], first + times["until"], "warm")],
            group=_GROUP,
            since=float(first),
            until=float(first + len(times["t"]) * step),
            axis="clock",
        )
    )


def _phases(told: Entry) -> Html:
    rows = [
        ("Attempts", "attempts", words.count),
        ("Attempts, SR/s", "rate", words.rate),
        ("First attempts", "requests", words.count),
        ("Retries", "retries", words.count),
        ("Let through", "admitted", words.count),
        ("Throttled", "throttled", words.count),
        ("Rejected undecided", "rejected", words.count),
        ("Errors of the upstream, or no answer", "errors", words.count),
        ("Half of the answers within", "p50", words.seconds),
        ("95 in 100 within", "p95", words.seconds),
        ("99 in 100 within", "p99", words.seconds),
    ]
    phases = [told["phases"][name] for name in ("before", "during", "after")]
    heads = [
        Cell("", figure=False),
        *(
            Cell(f"{name} ({words.seconds(phase['seconds'])})")
            for name, phase in zip(("before", "in the period", "after"), phases, strict=True)
        ),
    ]
    cells = [[Cell(name, figure=False), *(Cell(text(phase[key])) for phase in phases)] for name, key, text in rows]
    return table("Before, during and after", heads, cells)


def _users(told: Entry) -> Html:
    users = [one for one in told["users"] if one["during"]["attempts"]]
    known = told["limits"] is not None
    names = ["SR/s", "usual SR/s", "times the usual", "busiest SR/s", *(["allocation, SR/s"] if known else [])]
    heads = [Cell("User", figure=False), Cell("share of all", figure=False), *map(Cell, names)]
    rows = [
        [
            Cell(one["user"], figure=False),
            share_cell(
                one["share"] or 0.0, words.share(one["share"]), "warm" if one["user"] in told["drivers"] else "plain"
            ),
            Cell(words.rate(one["rate"])),
            Cell(words.rate(one["usual"])),
            Cell(words.times(one["times_usual"])),
            Cell(words.rate(one["peak"])),
            *([Cell(words.rate(one["allocation"]))] if known else []),
        ]
        for one in users[:_MOST_USERS]
    ]
    return tag("div", table("Who sent what", heads, rows), _left_out(len(users)), class_="wide")


def _left_out(users: int) -> Html | None:
    more = users - _MOST_USERS
    return tag("p", f"{more:,} Users who sent less are in incident.json.", class_="hint") if more > 0 else None


def _of_what(told: Entry) -> Html:
    heads = [Cell("SRV", figure=False), Cell("attempts"), Cell("mostly from", figure=False)]
    rows = []
    for one in told["srvs"]:
        senders = [
            (srv["attempts"], user["user"])
            for user in told["users"]
            for srv in user["srvs"]
            if srv["srv"] == one["srv"]
        ]
        top = max(senders, default=(0, words.NOTHING), key=lambda sender: sender[0])
        name = f"{one['srv']} {one['name']}" if one["name"] else one["srv"]
        mostly = f"{top[1]} ({words.share(top[0] / one['attempts'])})"
        rows.append([Cell(name, figure=False), Cell(words.count(one["attempts"])), Cell(mostly, figure=False)])
    return table("What was sent", heads, rows)


def _held(told: Entry) -> Html:
    names = ("throttled", "rejected", "retries", "errors")
    users = [one for one in told["users"] if any(one["during"][name] for name in names)]
    if not users:
        return tag("p", "Nobody was held, and nobody came again.", class_="hint")
    heads = [
        Cell("User", figure=False),
        Cell("throttled, part of its attempts", figure=False),
        *map(Cell, ("throttled", "rejected", "retries", "errors", "95 in 100 within", "before that")),
    ]
    rows = []
    for one in users[:_MOST_USERS]:
        during = one["during"]
        part = during["throttled"] / during["attempts"] if during["attempts"] else 0.0
        rows.append(
            [
                Cell(one["user"], figure=False),
                share_cell(part, words.share(part), "warm"),
                *(Cell(words.count(during[name])) for name in names),
                Cell(words.seconds(during["p95"])),
                Cell(words.seconds(one["before"]["p95"])),
            ]
        )
    statuses = ", ".join(f"{status} ({count:,} times)" for status, count in told["statuses"].items())
    answers = tag("p", f"Answers in the period: {statuses}.", class_="hint") if statuses else None
    return tag("div", table("Who was held", heads, rows), answers, _left_out(len(users)), class_="wide")


def _harmed(told: Entry) -> Html:
    if not told["harmed"]:
        return tag("p", "Nobody else: no other User was held more, met more errors or waited noticeably longer.")
    heads = [Cell("User", figure=False), Cell("how", figure=False)]
    rows = [[Cell(one["user"], figure=False), Cell(harms(one), figure=False)] for one in told["harmed"]]
    return table("Who else was harmed", heads, rows)


def _held_back(told: Entry) -> Iterator[Html]:
    if told["demand"] is None:
        return
    yield tag("h2", "What relays held back")
    if not told["demand"]:
        yield tag("p", "The relays whose demand was given have nothing of the period.", class_="hint")
        return
    heads = [
        Cell("User", figure=False),
        Cell("its class", figure=False),
        *map(Cell, ("came", "had to wait", "attempts", "acknowledged", "expired", "wait at the end", "longest wait")),
    ]
    names = ("came", "held", "sent", "acknowledged", "expired", "waiting")
    rows = [
        [
            Cell(one["user"], figure=False),
            Cell(one["of_class"] or words.NOTHING, figure=False),
            *(Cell(words.count(one[name])) for name in names),
            Cell(words.seconds(one["longest_wait"])),
        ]
        for one in told["demand"][:_MOST_USERS]
    ]
    yield tag("p", "By whole minutes. The gateway never received what waited there.", class_="hint")
    yield tag("div", table("What relays held back", heads, rows), class_="wide")


def _record(told: Entry) -> str:
    record = told["record"]
    bad = f", and {record['bad_rows']:,} bad rows were passed over" if record["bad_rows"] else ""
    config = f" Allocations are those of {told['config']}." if told["config"] else ""
    return f"{record['rows']:,} rows were read, from {record['first']} to {record['last']}{bad}.{config}"
