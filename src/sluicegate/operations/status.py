"""`GET /api/v1/status`: state, rates and totals, for the gateway and for each User."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple

from sluicegate.operations.fleet import showing as fleet_showing
from sluicegate.operations.listeners import listeners
from sluicegate.operations.notices import showing
from sluicegate.operations.store.trail import shown
from sluicegate.operations.telemetry import showing as telemetry_showing

if TYPE_CHECKING:
    from sluicegate.allocation import Profile
    from sluicegate.operations.record import Recorder
    from sluicegate.operations.tally import Tally
    from sluicegate.operations.watch import Answering, Governing, Kept, Remembered, Watched

OUTCOMES = ("within", "excess", "throttled", "rejected", "csp-backlog")
Counts = tuple[int, int, int, int, int]
SOONEST = 0.2  # seconds between two looks: of a shorter time no rate can be told
NONE: Counts = (0, 0, 0, 0, 0)
MOST_NAMED = 20  # Users in one line of the log


class Rates:
    """SR/s by outcome over about the last second: two looks at the counters, and the difference.

    `look` is called by a timer, about once a second. Memory is two looks.
    """

    def __init__(self, now: float) -> None:
        self._at = self._before_at = now
        self._last: dict[str, Counts] = {}
        self._before: dict[str, Counts] = {}

    def look(self, tallies: Mapping[str, Tally], now: float) -> None:
        """Take a look at the counters, at `now` seconds of the monotonic clock; not twice within SOONEST."""
        if self._last and now - self._at < SOONEST:
            return
        self._before, self._before_at = self._last, self._at
        self._last = {name: tally.outcomes() for name, tally in tallies.items()}
        self._at = now

    def offered(self, name: str) -> tuple[float, float]:
        """SR/s of one User that were offered, and that were above its allocation: in excess, or throttled."""
        last = self._last.get(name, NONE)
        before = self._before.get(name, NONE)
        seconds = self._at - self._before_at
        if seconds <= 0 or last == before:
            return 0.0, 0.0
        return (sum(last[:3]) - sum(before[:3])) / seconds, (sum(last[1:3]) - sum(before[1:3])) / seconds

    def of(self, name: str) -> dict[str, float]:
        """The rates of one User, in SR/s."""
        seconds = self._at - self._before_at
        last, before = self._last.get(name, NONE), self._before.get(name, NONE)  # who was not there had counted nothing
        if seconds <= 0:
            return _told((0.0,) * len(OUTCOMES))
        return _told(tuple((b - a) / seconds for a, b in zip(before, last, strict=True)))


def _told(counts: tuple[float, ...]) -> dict[str, float]:
    """By name, with `offered`: every request that was decided. The last two were refused undecided."""
    told = {"offered": round(sum(counts[:3]), 3)}
    told.update((name, round(count, 3)) for name, count in zip(OUTCOMES, counts, strict=True))
    return told


def _sum(parts: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(sum(part[name] for part in parts), 3) for name in ("offered", *OUTCOMES)}


def status(watched: Watched, rates: Rates) -> dict[str, object]:
    """The whole status, ready for JSON. Rates are SR/s, totals are counts since the process started."""
    settings, ledger = watched.settings, watched.ledger
    now = monotonic()
    state = ledger.state(now)
    users: list[dict[str, Any]] = []
    in_flight, tallies = watched.in_flight, watched.tallies
    for holder in watched.book.holders:
        tally = tallies[holder.name]
        account = ledger.shown(holder.name)
        of_user = rates.of(holder.name)
        users.append(
            {
                "name": holder.name,
                "role": holder.role,
                "allocation": account.allocation,
                "enforce": holder.enforce and settings.capacity.enforce,
                "utilisation": round(of_user["offered"] / account.allocation, 4) if account.allocation else None,
                "in_flight": in_flight[holder.name].taken,
                "duis_versions": {str(version): count for version, count in sorted(tally.versions.items())},
                "answered": {"429": tally.answered_429, "503": tally.answered_503},
                "passed": tally.passed,
                "classes": _classes(holder.profile, tally),
                "refused_by_csp": dict(sorted(tally.refused_by_csp.items())),
                "rates": of_user,
                "totals": {key: int(value) for key, value in _told(tally.outcomes()).items()},
            }
        )
    totals = watched.totals
    return {
        "state": "active" if state.active else "normal",
        "since": _when(state.since, now),
        "maximum": settings.capacity.maximum,
        "operating_threshold": settings.capacity.operating_threshold,
        "sharing": settings.capacity.sharing,
        "enforce": settings.capacity.enforce,
        "allocations_scaled_by": ledger.factor,
        "rates": _sum([user["rates"] for user in users]),
        "totals": {k: int(v) for k, v in _sum([user["totals"] for user in users]).items()},
        "in_flight": sum(seats.taken for seats in in_flight.values()),
        "max_in_flight": fleet_showing.max_in_flight(watched),
        "upstream": {
            "breaker": watched.breaker_state,
            "connections": watched.upstream_connections,
            "answers": {str(code): count for code, count in sorted(totals.upstream.items())},
        },
        "listeners": listeners(settings),
        "connections": totals.connections,
        "refused": dict(sorted(totals.refused.items())),
        "ledger": fleet_showing.status(watched),
        "backpressure": _backpressure(watched, now),
        "record": _record(watched.recorder),
        "operations": _operations(watched.accounts, watched.site),
        "controls": _controls(watched.governed),
        "notices": None if watched.notices is None else showing.status(watched.notices),
        "history": _history(watched.history),
        "telemetry": None if watched.telemetry is None else telemetry_showing.status(watched.telemetry),
        "draining": watched.draining,
        "last_reload_error": watched.last_reload_error,
        "users": users,
    }


def _classes(profile: Profile | None, tally: Tally) -> list[dict[str, object]] | None:
    """What became of each class of a User's own priorities, the most urgent first; None where it has none."""
    if profile is None:
        return None
    reserves = [*(one.reserve for one in profile.classes), 0.0]
    return [
        {
            "name": name or None,
            "reserve": reserve,
            "totals": dict(zip(("within", "excess", "throttled"), counts, strict=True)),
        }
        for (name, counts), reserve in zip(tally.classes, reserves, strict=True)
    ]


def _backpressure(watched: Watched, now: float) -> dict[str, object] | None:
    """What the dispatcher told, and how long ago; None where it is not asked."""
    pressure = watched.backpressure
    if pressure is None:
        return None
    heard_at = pressure.heard_at
    return {
        "heard_seconds_ago": None if heard_at is None else round(now - heard_at, 3),
        "csps": {
            name: {"users": len(behind.users), "others": behind.others is not None}
            for name, behind in sorted(pressure.csps.items())
        },
        "waiting": dict(sorted(pressure.waiting.items())),
    }


def _record(recorder: Recorder | None) -> dict[str, object] | None:
    """What has become of the traffic record; None where none is kept."""
    if recorder is None:
        return None
    return {
        "state": "stopped" if recorder.stopped else "writing",
        "why": recorder.stopped or None,
        "folder": str(recorder.folder),
        "rows": {"written": recorder.written, "waiting": recorder.waiting, "lost": recorder.lost},
    }


def _operations(accounts: Kept | None, site: Answering | None) -> dict[str, object] | None:
    """Whether what Users set themselves reaches this gateway; None where there is no database for it."""
    if accounts is None or site is None:
        return None
    return {
        "database": "failing" if accounts.failing else "working",
        "why": accounts.failing or None,
        "looked_seconds_ago": None if accounts.age == float("inf") else round(accounts.age, 3),
        "own_profiles": accounts.own_profiles,
        "answers": {str(code): count for code, count in sorted(site.answers.items())},
        "refused_tokens": site.refused_tokens,
    }


def _controls(governor: Governing | None) -> dict[str, object] | None:
    """What lies over the file; None where nothing can."""
    if governor is None:
        return None
    return {
        "refused": governor.refused or None,
        "book": governor.books.now is not None,
        "next_book_at": None if governor.books.next_at is None else shown(governor.books.next_at),
        "in_force": [
            {
                "control": one.seq,
                "do": one.kind,
                "user": one.user,
                "value": one.value,
                "since": shown(one.made_at),
                "until": None if one.until is None else shown(one.until),
                "by": one.who,
                "reason": one.reason,
            }
            for one in governor.controls
        ],
    }


def _history(history: Remembered | None) -> dict[str, object] | None:
    """What has become of the history of usage; None where none is kept."""
    if history is None:
        return None
    return {
        "minutes": {"written": history.written, "waiting": history.waiting, "lost": history.lost_minutes},
        "requests_lost": history.lost_requests,
        "seconds_held": history.seconds_held,
        "octets": history.octets,
    }


class Excess(NamedTuple):
    """A User above its allocation: what it offered and what it has, in SR/s."""

    user: str
    offered: float
    allocation: float


def above(watched: Watched, rates: Rates) -> list[Excess]:
    """The Users with requests above their allocation between the last two looks."""
    found = []
    for holder in watched.book.holders:
        offered, excess = rates.offered(holder.name)
        allocation = watched.ledger.shown(holder.name).allocation
        if excess > 0:
            found.append(Excess(holder.name, offered, allocation))
    return found


class Above:
    """Who was above while traffic management was active: each User with the most that it offered."""

    def __init__(self) -> None:
        self._found: dict[str, Excess] = {}

    def take(self, found: list[Excess]) -> None:
        """Take what one look has found."""
        for one in found:
            before = self._found.get(one.user)
            if before is None or one.offered > before.offered:
                self._found[one.user] = one

    def most(self) -> list[dict[str, object]]:
        """The worst of them for the log, most above first."""
        worst = sorted(self._found.values(), key=lambda one: one.allocation - one.offered)[:MOST_NAMED]
        return [{"user": one.user, "offered": round(one.offered, 3), "allocation": one.allocation} for one in worst]


def _when(monotonic_seconds: float, now: float) -> str:
    """A time of the monotonic clock as a date and time in UTC."""
    at = datetime.fromtimestamp(time() - (now - monotonic_seconds), UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
