"""What the first page says in words: computed from the figures, whichever way they point."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sluicegate.simulate.evidence import words
from sluicegate.simulate.evidence.figures import looked_for

Policy = Mapping[str, Any]
NOTICEABLE = 0.01
"""A User fares better or worse if a hundredth more, or less, of its requests was delivered in time."""


class Pair(NamedTuple):
    """The two policies that are set beside each other: nothing done, and the mechanism."""

    before: Policy
    after: Policy


def pair(summary: Mapping[str, Any]) -> Pair | None:
    """`none` (else the first policy), and `allocation` (else what comes nearest to it); None if there is but one."""
    policies = summary["policies"]
    before = next((one for one in policies if one["name"] == "none"), policies[0] if policies else None)
    others = [one for one in policies if one is not before]
    if before is None or not others:
        return None
    wanted = (
        lambda one: one["name"] == "allocation",
        lambda one: one["name"].startswith("allocation"),
        lambda one: "allocation" in one["name"],
        lambda _: True,
    )
    return Pair(before, next(one for wish in wanted for one in others if wish(one)))


def under(policy: Policy) -> str:
    """The policy as the beginning of a sentence."""
    if policy["name"] == "none":
        return "Without traffic management"
    return "With traffic management" if policy["name"] == "allocation" else f"Under “{policy['title']}”"


def claim(both: Pair) -> str:
    """The whole matter in two sentences."""
    first, second = (f"{_dsp(one)}, and {_urgent(one)}" for one in both)
    return f"{under(both.before)} {first}. {under(both.after)} {second}."


def _dsp(policy: Policy) -> str:
    often = policy["dsp"]["outages"]
    lasting = words.minutes(policy["dsp"]["outage_minutes"])
    if not often:
        return "the DSP kept up"
    return f"the DSP failed for {lasting}" if often == 1 else f"the DSP failed {often:,} times, for {lasting} in all"


def _urgent(policy: Policy) -> str:
    urgent = policy["urgent"]
    if not urgent["offered"]:
        return f"{words.share(_in_time(policy['total']))} of the requests were delivered in time"
    return f"{words.share(urgent['share'])} of the urgent requests were delivered in time"


def _in_time(measures: Mapping[str, Any]) -> float | None:
    return words.part_of(measures["in_time"], measures["offered"])


class Change(NamedTuple):
    """How one User fares: its share in time, under the one and the other policy."""

    name: str
    before: float
    after: float


def changes(both: Pair) -> list[Change]:
    """Every User that sent anything, those who lose most first."""
    found = []
    for name, measures in both.before["users"].items():
        before, after = _in_time(measures), _in_time(both.after["users"].get(name, {"in_time": None, "offered": 0}))
        if before is not None and after is not None:
            found.append(Change(name, before, after))
    return sorted(found, key=lambda one: one.after - one.before)


def verdict(both: Pair) -> Iterator[tuple[str, str]]:
    """Questions and answers, in the order in which they are asked."""
    everybody = changes(both)
    better = [one for one in everybody if one.after - one.before >= NOTICEABLE]
    worse = [one for one in everybody if one.before - one.after >= NOTICEABLE]
    yield "Who is better off", _better(better, len(everybody))
    yield "Who pays", _worse(worse, both)
    yield "Those within their allocation", _harm(both)
    yield "What the CSPs see", _csps(both)
    if looked_for(both.after):
        yield "To buy the same", _bought(both.after["equivalent_capacity"])
    if both.before.get("costs") and both.after.get("costs"):
        yield "In money", money(both)


def _better(better: list[Change], everybody: int) -> str:
    if not better:
        return "Nobody noticeably: no User had a hundredth more of its requests delivered in time."
    gains = sorted(one.after - one.before for one in better)
    middle = 100 * gains[len(gains) // 2]
    who = "The one User" if everybody == 1 else f"{len(better):,} of {everybody:,} Users"
    return f"{who} had more of their requests delivered in time, half of them by {middle:.0f} points of 100 or more."


def _worse(worse: list[Change], both: Pair) -> str:
    waiting = _throttled(both.after)
    if not worse:
        return f"Nobody had fewer requests delivered in time. {waiting}"
    most = [f"{one.name} ({words.share(one.before)} → {words.share(one.after)})" for one in worse]
    return f"{words.listed(most)} had fewer requests delivered in time. {waiting}"


def _throttled(policy: Policy) -> str:
    held = [(words.part_of(one["throttled"], one["offered"]) or 0.0, name) for name, one in policy["users"].items()]
    held = sorted(((part, name) for part, name in held if part > 0), reverse=True)
    if not held:
        return "Nobody was throttled."
    often = [(part, name) for part, name in held if part >= NOTICEABLE]
    if not often:
        return "Nobody had as much as a hundredth of its requests throttled."
    names = [f"{name} ({words.share(part)} of its requests)" for part, name in often]
    return f"Throttled at least once: {words.listed(names)}."


def _harm(both: Pair) -> str:
    def told(policy: Policy) -> str:
        harm = policy["harm"]
        if not harm["harmed"]:
            return "none was throttled, refused or lost"
        return f"{words.count(harm['harmed'])} ({words.share(harm['share'])}) were throttled, refused or lost"

    conforming = words.count(both.before["harm"]["conforming"])
    first, second = (f"{under(policy)[0].lower()}{under(policy)[1:]}" for policy in both)
    whole = f"Of {conforming} requests within their User's allocation"
    return f"{whole}, {told(both.before)} {first}; {told(both.after)} {second}."


def _csps(both: Pair) -> str:
    if not both.after["csps"]:
        return "No request went to a CSP."
    told = []
    for policy in both:
        name, most = max(policy["csps"].items(), key=lambda one: (one[1]["peak_minute"], one[0]))
        waited = max(one["most_backlog"] for one in policy["csps"].values())
        told.append((f"{words.rate(most['peak_minute'])} SR/s ({name})", words.count(waited)))
    (peak, waited), (peak_after, waited_after) = told
    return (
        f"{under(both.before)} the busiest minute of a CSP brings {peak}, and at most {waited} requests wait in one. "
        f"{under(both.after)} it brings {peak_after}, and at most {waited_after} wait."
    )


def _bought(bought: Mapping[str, Any]) -> str:
    if not bought["reached"] or bought["k"] is None:
        return f"No capacity was found that does it. {bought['why']}".strip()
    if bought["k"] <= 1:
        return "Nothing: the capacity that there is delivers as many urgent requests in time without it."
    return f"Without it, as many urgent requests in time would take {bought['k']:.2g} times the DSP's capacity."


def money(both: Pair) -> str:
    """The difference of a year's costs, and the Users' part of it."""
    before, after = both.before["costs"], both.after["costs"]
    less = before["total_year"] - after["total_year"]
    size = f"{words.pounds(abs(less))} {'less' if less >= 0 else 'more'}"
    change = after.get("change")
    own = f" ({words.pounds(change)} of it for the Users' changes of their own systems)" if change else ""
    return (
        f"{under(both.before)} a year costs {words.pounds(before['total_year'])}. {under(both.after)} it costs "
        f"{words.pounds(after['total_year'])}{own}: {size}."
    )
