"""Usage as it is asked for over HTTP: a window, its steps, and what is told of it. Every answer is bounded."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sluicegate.duis import CATALOGUE
from sluicegate.operations.history.counts import DAY, HOUR, MINUTE, SECOND
from sluicegate.operations.history.exporting import Row, write_csv
from sluicegate.operations.history.reading import MOST_POINTS, Usages, check_step
from sluicegate.operations.history.writing import NAMES
from sluicegate.operations.store import trail

TIME, USER, SRV = "time", "user", "srv"
KINDS: Final = (TIME, USER, SRV)
NAMED: Final = ("since", "until", "step", "by", "user", "srv", "format")
LONGEST: Final = 4000 * DAY
LATEST: Final = 84_000 * DAY  # that is some day of 2199
LONGEST_NAMES: Final = {"user": 1000, "srv": 100}  # characters
MOST_CHOSEN: Final = 300
"""Points, where the step is ours to choose."""
STEP: Final = re.compile(r"([1-9][0-9]{0,3})([mhd])", re.ASCII)
_UNITS: Final = {"m": MINUTE, "h": HOUR, "d": DAY}
_STEPS: Final = (1, 5, 15, 30, 60, 180, 360, 720, 1440)  # minutes


class Unfit(ValueError):  # noqa: N818 - named after what it is
    """This cannot be told. `str()` says why."""


class Asked(NamedTuple):
    """What is asked. Times are microseconds since 1970; `user`: None: all together (by User: each)."""

    by: str
    user: str | None
    srv: str | None
    since: int
    until: int
    step: int


class Told(NamedTuple):
    """What is told of it: a row for each step, User or SRV. `since`: earlier steps are not told apart any more."""

    asked: Asked
    since: int
    rows: list[Row]


def asked_of(fields: Mapping[str, str], now: int) -> Asked:
    """From the fields of a query. `now`: microseconds since 1970. Raises Unfit."""
    unknown = sorted(set(fields) - set(NAMED))
    if unknown:
        raise Unfit(f"{unknown[0][:40]!r} is not known here: there are {', '.join(NAMED)}")
    for name, most in LONGEST_NAMES.items():
        if len(fields.get(name, "")) > most:
            raise Unfit(f"`{name}` has {most:,} characters at the most")
    by = fields.get("by", TIME)
    if by not in KINDS:
        raise Unfit(f"`by` is one of {', '.join(KINDS)}")
    if by == SRV and "srv" in fields:
        raise Unfit("`srv` is of one SRV, and `by=srv` tells of each: ask for one of them")
    until = _moment(fields["until"], "until") if "until" in fields else now
    since = _moment(fields["since"], "since") if "since" in fields else until - DAY
    if not since < until <= since + LONGEST:
        raise Unfit(f"`since` comes before `until`, by {LONGEST // DAY:,} days at the most")
    srv = fields.get("srv")
    finest = HOUR if srv is not None or by == SRV else MINUTE
    step = _span(fields["step"]) if "step" in fields else _chosen(until - since, finest)
    try:
        check_step(step, srv if by != SRV else SRV)
    except ValueError as error:
        raise Unfit(f"`step`: {error}") from None
    if by == TIME and (until - since) // step > MOST_POINTS - 2:
        raise Unfit(f"`step`: {(until - since) // step:,} points; at most {MOST_POINTS:,} are told at once")
    return Asked(by, fields.get("user"), srv, since, until, step)


def _moment(text: str, name: str) -> int:
    try:
        found = datetime.fromisoformat(text)
        at = round((found - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * SECOND
    except (ValueError, TypeError, OverflowError):  # TypeError: it has no offset from UTC
        at = -1
    if not 0 <= at <= LATEST:
        raise Unfit(f"`{name}` is a time such as 2026-11-26T12:00:00Z")
    return at


def _span(text: str) -> int:
    found = STEP.fullmatch(text)
    if found is None:
        raise Unfit("`step` is a span such as 5m, 1h or 1d")
    return int(found[1]) * _UNITS[found[2]]


def _chosen(window: int, finest: int) -> int:
    """The finest step of which a window has few enough for a page."""
    steps = [minutes * MINUTE for minutes in _STEPS if minutes * MINUTE >= finest]
    return next((step for step in steps if window <= step * MOST_CHOSEN), steps[-1])


def told(usages: Usages, asked: Asked) -> Told:
    """The answer, of a transaction that reads. Raises Unreadable."""
    by, user, srv, since, until, step = asked
    if by == TIME:
        series = usages.series(user, since, until, step, srv)
        return Told(asked, series.since, [(at, user or "", srv or "", *counts) for at, counts in series.points])
    if by == USER:
        found = usages.by_user(since, until, srv)
        rows = [(since, name, srv or "", *counts) for name, counts in found.items() if user is None or name == user]
        return Told(asked, 0, rows)
    srvs = usages.by_srv(user, since, until)
    return Told(asked, 0, [(since, user or "", name, *counts, 0, 0) for name, counts in srvs.items()])


def as_json(one: Told) -> dict[str, Any]:
    """Ready for JSON: `columns` names what stands in each row."""
    asked = one.asked
    which = {TIME: 0, USER: 1, SRV: 2}[asked.by]
    names = (*NAMES[:3],) if asked.by == SRV else NAMES
    heads = [asked.by, *(("name",) if asked.by == SRV else ()), *names]
    rows: list[list[Any]] = []
    for row in one.rows:
        first = [trail.shown(row[0])] if which == 0 else [row[which]]
        name = [CATALOGUE[row[2]].name if row[2] in CATALOGUE else ""] if asked.by == SRV else []
        rows.append([*first, *name, *row[3 : 3 + len(names)]])
    return {
        "by": asked.by,
        "user": asked.user,
        "srv": asked.srv,
        "since": trail.shown(asked.since),
        "until": trail.shown(asked.until),
        "step_seconds": asked.step // SECOND if asked.by == TIME else None,
        "told_apart_since": trail.shown(one.since) if one.since > asked.since else None,
        "columns": heads,
        "rows": rows,
    }


def as_csv(one: Told) -> str:
    """The rows that files have (`exporting`); what has nothing has none."""
    file = io.StringIO(newline="")
    write_csv(file, (row for row in one.rows if any(row[3:])))
    return file.getvalue()
