"""The figures of a run: pure sums over its record, shared by the screen, the table and the picture."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sluicegate.simulate.demo.record import TICK, RunRecord
from sluicegate.simulate.sender import Journey, Outcome

LATER_SECONDS = 5.0
"""The second, more patient deadline that is reported."""


@dataclass(frozen=True)
class Service:
    """How some Service Requests fared. Shares are parts of ``sent``, 0 to 1; 1 where nothing was sent."""

    sent: int
    in_time: float
    """Delivered within the scenario's ``in_time`` of the moment at which they were meant to leave."""
    later: float
    """Delivered within LATER_SECONDS."""
    p95: float
    """Seconds to delivery that 95 in 100 did not exceed; infinite if fewer were delivered at all."""
    throttled: int
    """Requests that were throttled at least once."""
    waiting: int
    """Not delivered when the run ended, and told to come again later."""
    lost: int
    """Given up, or not delivered when the run ended and not told when to come again."""


@dataclass(frozen=True)
class Result:
    """One run in figures. ``others`` are all Users but the one that bursts."""

    enforce: bool
    users: Sequence[Service]
    everyone: Service
    others: Service
    outages: int
    down_seconds: float
    throttled_users: Sequence[str]
    """Names of those who had a request throttled."""


def result(record: RunRecord) -> Result:
    """Sum up a run that is over."""
    in_time = record.scenario.in_time
    by_user: list[list[Journey]] = [[] for _ in record.scenario.users]
    for journey in record.journeys:
        by_user[journey.user].append(journey)
    dsp = record.last.dsp
    return Result(
        enforce=record.enforce,
        users=[service(journeys, in_time) for journeys in by_user],
        everyone=service(record.journeys, in_time),
        others=service([journey for journey in record.journeys if journey.user != 0], in_time),
        outages=dsp.outages,
        down_seconds=dsp.down_seconds,
        throttled_users=[
            user.name
            for user, journeys in zip(record.scenario.users, by_user, strict=True)
            if any(journey.throttled for journey in journeys)
        ],
    )


def service(journeys: Sequence[Journey], in_time: float) -> Service:
    """Sum up some requests; ``in_time`` in seconds."""
    sent = len(journeys)
    open_ones = [journey for journey in journeys if journey.delivered_at is None]
    waiting = sum(not journey.given_up and journey.last is Outcome.THROTTLED for journey in open_ones)
    return Service(
        sent=sent,
        in_time=_share(sum(journey.delivered_within(in_time) for journey in journeys), sent),
        later=_share(sum(journey.delivered_within(LATER_SECONDS) for journey in journeys), sent),
        p95=quantile((journey.seconds for journey in journeys), 0.95),
        throttled=sum(journey.throttled > 0 for journey in journeys),
        waiting=waiting,
        lost=len(open_ones) - waiting,
    )


def quantile(seconds: Iterable[float | None], part: float) -> float:
    """The value that ``part`` of all do not exceed; None counts as never. 0 of nothing at all."""
    ordered = sorted(math.inf if one is None else one for one in seconds)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


def offered_rates(record: RunRecord, step: float, *, others: bool = False) -> list[float]:
    """SR/s that Users sent, retries included, in each ``step`` seconds; ``others``: without the one that bursts.

    A ``step`` that is no multiple of TICK gets whole buckets all the same, each where it begins.
    """
    counts = [0] * math.ceil(record.scenario.seconds / step - 1e-9)
    for (bucket, user, _), attempts in record.attempts.items():
        place = int(bucket * TICK / step + 1e-9)
        if 0 <= place < len(counts) and not (others and user == 0):
            counts[place] += attempts
    return [count / step for count in counts]


def in_time_shares(record: RunRecord, step: float, *, burster: bool) -> list[float | None]:
    """Of the requests meant to leave in each ``step`` seconds, the part delivered in time; None where none were.

    ``burster``: of the User that bursts, else of all the others.
    """
    places = math.ceil(record.scenario.seconds / step - 1e-9)
    sent, good = [0] * places, [0] * places
    for journey in record.journeys:
        place = int(journey.intended / step)
        if (journey.user == 0) is burster and place < places:
            sent[place] += 1
            good[place] += journey.delivered_within(record.scenario.in_time)
    return [_share(ok, of) if of else None for ok, of in zip(good, sent, strict=True)]


def outages(record: RunRecord) -> list[tuple[float, float]]:
    """From when to when the DSP was seen to be down, in seconds from the start."""
    spans: list[tuple[float, float]] = []
    since: float | None = None
    for moment in record.moments:
        if moment.dsp.down and since is None:
            since = moment.at
        elif not moment.dsp.down and since is not None:
            spans.append((since, moment.at))
            since = None
    if since is not None:
        spans.append((since, max(since, record.last.at)))
    return spans


def answered_lately(record: RunRecord, user: int, seconds: float = 1.0) -> dict[Outcome, int]:
    """How the latest answers to User number ``user`` fell out, over the last whole ``seconds``."""
    now = int(record.last.at / TICK)
    buckets = range(now - round(seconds / TICK), now)
    return {outcome: sum(record.answers[bucket, user, outcome] for bucket in buckets) for outcome in Outcome}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
