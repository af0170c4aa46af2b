"""What the history of usage tells of campaigns and forecasts. In a transaction that reads.

Counted are requests that were let through: one that was throttled and came again counts once, and one that never came
again not at all. (The traffic record, which the commands read, knows first attempts.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from sluicegate.allocation.propose import Applicant
from sluicegate.operations.book.campaigns import HOUR, Campaign
from sluicegate.operations.book.effective import microseconds, month, month_before
from sluicegate.operations.book.forecast import Month, against
from sluicegate.operations.book.kept_forecasts import Forecasts, forecasts_at
from sluicegate.operations.book.slots import SECONDS, Run, Usual, run_of, usual_of
from sluicegate.operations.history.reading import Series, Usages
from sluicegate.operations.store.history_tables import usage_hour
from sluicegate.settings import Settings

WEEK: Final = 7 * 24
WEEKS: Final = 4
DAY: Final = 24 * HOUR
MONTH: Final = 365.25 / 12 * 24 * SECONDS
"""Seconds of a mean month: a forecast of one is spread over it."""

FORECAST, RECORDED, NOTHING = "forecast", "recorded", "nothing"


class Expected(NamedTuple):
    """The load to come without campaigns, in SR/s by weight, and what it is made from.

    basis: FORECAST (spread over the hours of the week as the last weeks were, where there is history); RECORDED: no
    forecast is kept, and the last weeks stand for it; NOTHING: nothing is known, and the load is 0.
    version: of the book, beside which the forecast is kept. hours: of which there is history.
    """

    usual: Usual
    basis: str
    version: int | None
    hours: int


def expected(connection: Connection, at: int, weights: Mapping[str, float], user: str | None = None) -> Expected:
    """Of one User; None: of all together."""
    by_hour, covered = _recorded(connection, at // HOUR, weights, user)
    usual = usual_of(by_hour, covered)
    kept = forecasts_at(connection, at)
    if kept is None:
        return Expected(usual, RECORDED if covered else NOTHING, None, len(covered))
    version, forecasts = kept
    rate = _rate(forecasts if user is None else {user: forecasts.get(user, {})}, weights)
    mean = sum(usual(hour) for hour in range(at // HOUR, at // HOUR + WEEK)) / WEEK
    if not mean:
        return Expected(lambda _hour: rate, FORECAST, version, len(covered))
    return Expected(lambda hour: usual(hour) * rate / mean, FORECAST, version, len(covered))


def _rate(forecasts: Forecasts, weights: Mapping[str, float]) -> float:
    """SR/s by weight, if a month's forecasts are spread evenly over it."""
    counts = (count * weights.get(srv, 1.0) for kinds in forecasts.values() for srv, count in kinds.items())
    return sum(counts) / MONTH


def _recorded(
    connection: Connection, hour: int, weights: Mapping[str, float], user: str | None
) -> tuple[dict[int, float], set[int]]:
    """Requests by hour, by weight, in the weeks before an hour; and of which hours there is anything of anybody."""
    usages, window = Usages(connection), ((hour - WEEKS * WEEK) * HOUR, hour * HOUR)
    found = {when: float(count) for when, count in _passed(usages.series(user, *window, HOUR)).items()}
    for srv, weight in weights.items():
        if weight != 1:
            for when, count in _passed(usages.series(user, *window, HOUR, srv)).items():
                found[when] += (weight - 1) * count
    return found, _covered(usages.series(None, *window, HOUR))


def _passed(told: Series) -> dict[int, int]:
    return {at // HOUR: counts[0] + counts[1] for at, counts in told.points}


def _covered(told: Series) -> set[int]:
    return {at // HOUR for at, counts in told.points if any(counts)}


class Came(NamedTuple):
    """What a campaign came to, and how many attempts of that kind were throttled in that time and a day around it."""

    run: Run
    held: int


def came(connection: Connection, one: Campaign, at: int) -> Came | None:
    """A campaign against its announcement, until a time; None: it has not begun, or there is no history of it."""
    usages = Usages(connection)
    since = (one.starts_at // HOUR - 24) * HOUR
    until = min((-(-one.ends_at // HOUR) + 24) * HOUR, -(-at // HOUR) * HOUR)
    if one.starts_at >= at:
        return None
    own = usages.series(one.user, since, until, HOUR, one.srv)
    seen = {hour: count for hour, count in _passed(own).items() if count}
    run = run_of(one, seen, _covered(usages.series(None, since, until, HOUR)))
    return Came(run, sum(counts[2] for _, counts in own.points)) if run.part else None


def month_of(connection: Connection, name: str, file: Settings, at: int) -> tuple[int, Month] | None:
    """The forecasts that counted at the end of a month against what came, and the version that they are kept beside.

    None: none were kept then. Raises ValueError: no such month.
    """
    since, until = (microseconds(moment) for moment in month(name))
    kept = forecasts_at(connection, min(until, at))
    if kept is None:
        return None
    version, forecasts = kept
    usages, roles = Usages(connection), {user.name: user.role for user in file.users}
    actual = {
        user: {srv: counts[0] + counts[1] for srv, counts in usages.by_srv(user, since, until).items()}
        for user in dict.fromkeys((*roles, *forecasts))
    }
    applicants = [
        Applicant(user.name, user.role, forecast=_exact(forecasts.get(user.name, {}))) for user in file.users
    ]  # who has left is told too, as one of whom nothing was forecast
    return version, against(name, applicants, actual, _part(usages, since, until))


def _exact(kinds: Mapping[str, float]) -> dict[str, Decimal]:
    return {srv: Decimal(repr(count)) for srv, count in kinds.items()}


def _part(usages: Usages, since: int, until: int) -> float:
    """How much of a time there is history of: by hours, or by days where hours are not told apart any more."""
    hours = usages.series(None, since, until, HOUR)
    if hours.since <= since:
        return len(_covered(hours)) / (-(-until // HOUR) - since // HOUR)
    days = usages.series(None, since, until, DAY).points
    return sum(any(counts) for _, counts in days) / len(days)


def busiest(connection: Connection, users: Iterable[str], at: int) -> tuple[str, dict[str, float]]:
    """The month before a time, and by User the SR/s let through in its highest hour of that month."""
    name, names = month_before(at), list(users)
    since, until = (microseconds(moment) for moment in month(name))
    hour, found = usage_hour.c, {}
    for some in _batches(names):
        within = (hour.user.in_(some), hour.begins >= since, hour.begins < until)
        rows = select(hour.user, func.max(hour.within + hour.excess)).where(*within).group_by(hour.user)
        found.update({user: float(count) / SECONDS for user, count in connection.execute(rows)})
    return name, found


def _batches(names: Sequence[str], most: int = 1000) -> Iterable[Sequence[str]]:
    return (names[at : at + most] for at in range(0, len(names), most))
