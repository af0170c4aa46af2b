"""What is seen of a scenario: how far its admissions went beyond C*w, how long answers took, who passed when."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from bench.faults.fleet.load import LOST, Sent
from bench.faults.fleet.scenarios import Excused
from bench.faults.fleet.site import LIMITS, MAXIMUM, USERS, WAIT, WITHIN, burst
from bench.faults.fleet.stage import WORKERS
from sluicegate.ledger.fleet.drawing import offered_target

LONGEST_BACK = 5.0  # seconds
AFTER = 2.0  # seconds after a fault in which a herd would be seen
HERD = 0.2  # seconds: the window in which it is looked for
SETTLED = 1.0  # seconds from the return until everybody passes as before
MARGIN = 0.005  # seconds: that a look at the clock may cost


@dataclass
class Round:
    """When its fault began and was over, and how long the workers took to be back after it; None: too long."""

    began: float
    over: float
    back: float | None


@dataclass
class Seen:
    """All that was seen of a scenario."""

    name: str
    rounds: list[Round] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    lags: list[tuple[float, float]] = field(default_factory=list)
    excused: list[Excused] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Verdict:
    """One row.

    Attributes:
        beyond: the most that arrived beyond C*w in any window, in SR. bound: what it may be.
        waits: of answers, in seconds: median, 99 %, the longest. late: longer than `wait` and what the control took at
            most; unexplained: of those, how many the lag of the machine at that very time does not explain.
        herd: the most that arrived in HERD seconds after a fault, as a part of C * HERD.
        passed: of Users within their allocation, what part passed: before faults, during, after the return.
    """

    name: str
    rounds: int
    seconds: float
    sent: int
    arrived: int
    beyond: float
    bound: float
    waits: tuple[float, float, float]
    late: int
    unexplained: int
    lost: int
    back: tuple[float, float]
    herd: float
    passed: tuple[float, float, float]
    violations: dict[str, int]
    examples: dict[str, list[str]]


def in_hand() -> float:
    """Offered tokens that all workers may have in hand, in SR: what a fault may add to the bound."""
    return WORKERS * offered_target(sum(user.sends for user in USERS) / WORKERS, LIMITS.heaviest)


def most_beyond(times: Iterable[float], rate: float) -> float:
    """The most that came beyond `rate * w` in any window of w seconds, one SR at each of these times."""
    most = least = total = 0.0
    began: float | None = None
    for at in times:
        began = at if began is None else began
        least = min(least, total - rate * (at - began))
        total += 1.0
        most = max(most, total - rate * (at - began) - least)
    return most


def judged(seen: Seen, control: float) -> Verdict:
    """`control`: the longest answer where nothing failed, in seconds."""
    seen.arrivals.sort()
    times = [at for at, _ in seen.arrivals]
    bound = burst() + (0.0 if seen.name == "control" else in_hand())
    found: dict[str, list[str]] = {}
    beyond = most_beyond(times, MAXIMUM)
    if beyond > bound:
        found["the capacity bound"] = [f"{beyond:.1f} SR beyond C*w, and the bound is {bound:.1f}"]
    excused = worked_off(seen.excused, seen.sent)
    answers = [one for one in seen.sent if one.status != LOST and not _excused(one, excused)]
    waits = sorted(one.answered - one.at for one in answers)
    limit = WAIT + control
    late = [one for one in answers if one.answered - one.at > limit] if seen.name != "control" else []
    lags = sorted(seen.lags)
    unexplained = [one for one in late if one.answered - one.at > WAIT + MARGIN + _lag(lags, one)]
    if unexplained:
        found["nobody waits longer for the ledger"] = [
            f"{one.answered - one.at:.3f} s at worker {one.worker}, status {one.status}" for one in unexplained
        ]
    backs = sorted(one.back for one in seen.rounds if one.back is not None)
    if len(backs) < len(seen.rounds):
        found["workers come back by themselves"] = ["not in time"] * (len(seen.rounds) - len(backs))
    lost = [one for one in seen.sent if one.status == LOST and not _excused(one, excused)]
    if lost:
        found["every request is answered"] = [f"worker {one.worker}" for one in lost]
    return Verdict(
        seen.name, len(seen.rounds), seen.seconds, len(seen.sent), len(times), beyond, bound,
        (_part(waits, 0.5), _part(waits, 0.99), waits[-1] if waits else 0.0), len(late), len(unexplained), len(lost),
        (_part(backs, 0.5), backs[-1] if backs else float("nan")), _herd(times, seen.rounds), _passed(seen),
        {rule: len(cases) for rule, cases in found.items()}, {rule: cases[:5] for rule, cases in found.items()},
    )  # fmt: skip


def worked_off(excused: Sequence[Excused], sent: Sequence[Sent]) -> list[Excused]:
    """Until what had come to a worker while it was stopped is answered: who comes then waits for those, not for the
    ledger."""
    made = []
    for each in excused:
        piled = [one.answered for one in sent if one.status != LOST and one.at < each.end and _excused(one, [each])]
        made.append(replace(each, end=max([each.end, *piled])))
    return made


def _excused(one: Sent, excused: Sequence[Excused]) -> bool:
    return any(e.worker == one.worker and one.at < e.end and one.answered > e.begin for e in excused)


def _lag(lags: Sequence[tuple[float, float]], one: Sent) -> float:
    """What the machine's scheduling took while this one was under way, as other processes saw it."""
    first = bisect_left(lags, (one.at, 0.0))
    last = bisect_right(lags, (one.answered + 0.5, 0.0))
    return sum(seconds for over, seconds in lags[first:last] if over - seconds < one.answered)


def _part(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("nan")


def _herd(times: Sequence[float], rounds: Sequence[Round]) -> float:
    most = 0
    for one in rounds:
        inside = times[bisect_left(times, one.over) : bisect_left(times, one.over + AFTER)]
        for at in range(len(inside)):
            most = max(most, bisect_left(inside, inside[at] + HERD) - at)
    return most / (MAXIMUM * HERD)


def _passed(seen: Seen) -> tuple[float, float, float]:
    """Before: since the return from the fault before. During: until the workers were back."""
    parts, excused = [], worked_off(seen.excused, seen.sent)
    before, during, after = [0, 0], [0, 0], [0, 0]
    for one, following in pairwise([*seen.rounds, None]):
        assert one is not None
        back = one.over + (one.back if one.back is not None else LONGEST_BACK)
        end = following.began if following is not None else back + SETTLED
        parts.append((one.began, back, during))
        parts.append((back, min(back + SETTLED, end), after))
        parts.append((back + SETTLED, end, before))
    for one_sent in seen.sent:
        if one_sent.user in WITHIN and one_sent.status != LOST and not _excused(one_sent, excused):
            for begin, end, count in parts:
                if begin <= one_sent.at < end:
                    count[0] += one_sent.status == 200
                    count[1] += 1
    before_part, during_part, after_part = (
        count[0] / count[1] if count[1] else float("nan") for count in (before, during, after)
    )
    return before_part, during_part, after_part
