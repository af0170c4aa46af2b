"""Forecast against actual: who wanted more in a month than was forecast of it, and of what."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sluicegate.allocation.propose import Applicant

STANDS_OUT: Final = 0.1
"""Who is over its forecast by more than this part stands out."""


@dataclass(frozen=True)
class Against:
    """A forecast and what came of it, in SRs."""

    name: str
    forecast: float
    actual: int

    @property
    def over(self) -> float | None:
        """By which part it is over (below 0: under); None where nothing was forecast."""
        return self.actual / self.forecast - 1 if self.forecast else None

    @property
    def stands_out(self) -> bool:
        """More than STANDS_OUT over; whatever comes where nothing was forecast does."""
        return self.actual > 0 if self.over is None else self.over > STANDS_OUT + 1e-9

    @property
    def said(self) -> str:
        """In a word: `+23%`, `-4%`; `not forecast`."""
        if self.over is None:
            return "not forecast" if self.actual else "nothing"
        return f"{100 * self.over:+.1f}%"


@dataclass(frozen=True)
class OfUser:
    """A User's month: the whole, and by SRV, the largest first."""

    whole: Against
    kinds: tuple[Against, ...]


@dataclass(frozen=True)
class Month:
    """A month. part: how much of it the record covers (0 to 1); forecasts are of that part.

    users: those that stand out first, the most over before the others; then by what they wanted.
    """

    name: str
    part: float
    users: tuple[OfUser, ...]

    @property
    def standing_out(self) -> tuple[OfUser, ...]:
        """The Users over their forecast."""
        return tuple(one for one in self.users if one.whole.stands_out)


def against(
    name: str, applicants: Iterable[Applicant], actual: Mapping[str, Mapping[str, int]], part: float = 1.0
) -> Month:
    """The month `name` (YYYY-MM): forecasts of a whole month, and first attempts by User and SRV in `part` of it."""
    forecasts = {one.name: {srv: float(count) * part for srv, count in one.forecast.items()} for one in applicants}
    users = [
        _user(user, forecasts.get(user, {}), actual.get(user, {})) for user in dict.fromkeys((*forecasts, *actual))
    ]
    users.sort(key=lambda one: (not one.whole.stands_out, -_rank(one.whole), one.whole.name))
    return Month(name, part, tuple(users))


def _user(user: str, forecast: Mapping[str, float], actual: Mapping[str, int]) -> OfUser:
    kinds = [Against(srv, forecast.get(srv, 0.0), actual.get(srv, 0)) for srv in dict.fromkeys((*forecast, *actual))]
    kinds.sort(key=lambda one: (-max(one.actual, one.forecast), one.name))
    return OfUser(Against(user, sum(forecast.values()), sum(actual.values())), tuple(kinds))


def _rank(one: Against) -> float:
    if not one.stands_out:
        return float(one.actual)
    return float("inf") if one.over is None else one.over


def as_dict(month: Month) -> dict[str, Any]:
    """For a program."""
    return {
        "what": "forecast", "month": month.name, "covered": round(month.part, 6), "stands_out_above": STANDS_OUT,
        "users": [{"user": one.whole.name, **_told(one.whole), "srvs": [
            {"srv": kind.name, **_told(kind)} for kind in one.kinds
        ]} for one in month.users],
    }  # fmt: skip


def _told(one: Against) -> dict[str, Any]:
    over = None if one.over is None else round(one.over, 6)
    return {"forecast": round(one.forecast, 3), "actual": one.actual, "over": over, "stands_out": one.stands_out}


def as_csv(one: OfUser) -> str:
    """A User's own file: a line an SRV, and one for all."""
    told = io.StringIO()
    writer = csv.writer(told, lineterminator="\n")
    writer.writerow(("srv", "forecast", "actual", "over", "stands_out"))
    for line in (*one.kinds, Against("all", one.whole.forecast, one.whole.actual)):
        over = "" if line.over is None else f"{line.over:.4f}"
        writer.writerow((line.name, f"{line.forecast:.0f}", line.actual, over, "yes" if line.stands_out else "no"))
    return told.getvalue()
