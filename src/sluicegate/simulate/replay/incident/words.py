"""The first paragraph of an investigation, computed from its figures, whichever way they point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from sluicegate.simulate.evidence import words
from sluicegate.simulate.replay.incident.held import by_user

Entry = Mapping[str, Any]

_MOST_RELAYS: Final = 5
_HARMS: Final = {
    "throttled": "was throttled",
    "rejected": "was rejected undecided",
    "errors": "met more errors of the upstream",
    "slower": "waited more than twice as long",
}


def sentences(told: Entry) -> list[str]:
    """What happened, in a few sentences."""
    return [*_sent(told), *_drove(told), *_held(told), *_followed(told), *_others(told), *_held_back(told)]


def stretch(told: Entry) -> str:
    """The period: its date once where that is enough."""
    since, until = (datetime.fromisoformat(told["period"][name]) for name in ("from", "to"))
    form = "%H:%M:%S" if since.second or until.second else "%H:%M"
    day = f"{since.day} {since:%B %Y}"
    if since.date() == until.date():
        return f"between {since:{form}} and {until:{form}} UTC on {day}"
    return f"between {since:{form}} UTC on {day} and {until:{form}} UTC on {until.day} {until:%B %Y}"


def _sent(told: Entry) -> Iterator[str]:
    during, before = told["phases"]["during"], told["phases"]["before"]
    where = stretch(told)
    senders = sum(one["during"]["attempts"] > 0 for one in told["users"])
    who = "1 User" if senders == 1 else f"{senders:,} Users"
    if not during["attempts"]:
        yield f"{where[0].upper()}{where[1:]} nothing was sent."
        return
    said = f"{where[0].upper()}{where[1:]} {who} sent {_times(during['attempts'])} ({words.rate(during['rate'])} SR/s"
    weighted = abs(during["rate"] * during["seconds"] / during["attempts"] - 1) > 0.005  # more than rounding does
    said += " by their weights)" if weighted else ")"
    usual = before["rate"]
    if not usual or any(one["usual"] is None for one in told["users"]):
        yield f"{said}; the record has too little from before to compare it with."
        return
    factor = during["rate"] / usual
    beside = f"the {words.seconds(before['seconds'])} before"
    if factor >= 1.2 or factor <= 0.8:
        yield f"{said}, {factor:,.1f} times as many in a second as in {beside} ({words.rate(usual)} SR/s)."
    else:
        yield f"{said}, about as many in a second as in {beside} ({words.rate(usual)} SR/s)."


def _drove(told: Entry) -> Iterator[str]:
    if not told["drivers"]:
        if told["phases"]["during"]["attempts"] and all(one["usual"] is not None for one in told["users"]):
            yield "No User stands out by what it sent beyond its usual rate."
        return
    by_name = {one["user"]: one for one in told["users"]}
    parts = []
    for name in told["drivers"]:
        one = by_name[name]
        allocation = one["allocation"]
        usual = f"its usual {words.rate(one['usual'])}" if one["usual"] else "nothing before"
        against = "" if allocation is None else f" and its allocation of {words.rate(allocation)}"
        parts.append(f"{name} ({words.rate(one['rate'])} SR/s, against {usual}{against})")
    yield f"Most of what was sent beyond the usual came from {words.listed(parts)}."


def _held(told: Entry) -> Iterator[str]:
    during = told["phases"]["during"]
    if not during["attempts"]:
        return
    if during["throttled"]:
        parts = ((one["during"]["throttled"], one["user"]) for one in told["users"])
        most, name = max(parts, key=lambda part: part[0])
        share = words.share(during["throttled"] / during["attempts"])
        whose = words.share(most / during["throttled"])
        yield f"{_times(during['throttled'])} ({share}) {_was(during['throttled'])} throttled, {whose} of it {name}'s."
    else:
        yield "Nothing was throttled."
    if during["rejected"]:
        yield (
            f"{_times(during['rejected'])} {_was(during['rejected'])} rejected undecided: the DSP was not reached, "
            "or there was no place."
        )
    if during["errors"]:
        share = words.share(during["errors"] / max(1, during["admitted"]))
        yield (
            f"{_times(during['errors'])} that {_was(during['errors'])} let through ({share}) met an error of the "
            "upstream, or no answer."
        )


def _followed(told: Entry) -> Iterator[str]:
    followed, phases = told["followed"], told["phases"]
    if followed["held"] and followed["again"]:
        share = words.share(min(1.0, followed["again"] / followed["held"]))
        yield (
            f"{share} of what was held came again, half of it within {words.seconds(followed['gap'])}, and "
            f"{_times(followed['through'])} got through on coming again."
        )
    elif followed["held"]:
        yield "Nothing of what was held came again."
    waits = [phases[name]["p95"] for name in ("before", "during", "after")]
    if waits[1] is not None:
        named = zip(("before", "during", "after"), waits, strict=True)
        told_waits = [f"{words.seconds(wait)} {name}" for name, wait in named if wait is not None]
        yield f"95 in 100 answers of the upstream came within {words.listed(told_waits)}."


def _others(told: Entry) -> Iterator[str]:
    harmed = told["harmed"]
    if not told["phases"]["during"]["attempts"]:
        return
    if not harmed:
        nobody = "No other User was" if told["drivers"] else "Nobody was"
        yield f"{nobody} held more than before, met more errors, or waited noticeably longer."
        return
    parts = [f"{one['user']} ({harms(one)})" for one in harmed]
    yield f"{'Harmed beside' if told['drivers'] else 'Harmed'}: {words.listed(parts)}."


def _held_back(told: Entry) -> Iterator[str]:
    if told["demand"] is None:
        return
    users = by_user(told["demand"])
    for name, sums in list(users.items())[:_MOST_RELAYS]:
        if not sums["held"] and not sums["waiting"]:
            continue
        yield (
            f"What the gateway never received: the relay of {name} took in {sums['came']:,} SRs, of which "
            f"{sums['held']:,} had to wait; it sent {_times(sums['sent'])}, and {sums['waiting']:,} SRs still waited "
            "at the end."
        )
    if not any(sums["held"] or sums["waiting"] for sums in users.values()):
        yield "The relays whose demand was given held nothing back."


def harms(one: Entry) -> str:
    """How a User was harmed."""
    said = words.listed([_HARMS[why] for why in one["why"]], most=len(_HARMS))
    within = {
        True: ", though its rate stayed within its allocation",
        False: ", while above its allocation at times",
        None: "",
    }
    return said + within[one["within_allocation"]]


def _times(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count:,} attempts"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
