"""What relays held back in a period, so that an investigation sees what the gateway never received."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sluicegate.simulate.replay.incident.gather import Period

MINUTE: Final = timedelta(minutes=1)


class HeldMinute(Protocol):
    """One minute of one class and SRV at a relay, as it exports its demand; docs/relay.md has the columns."""

    time: str
    user: str
    of_class: str
    came: int
    held: int
    sent: int
    acknowledged: int
    refused: int
    expired: int
    waiting: int
    longest_wait: float


@dataclass(slots=True)
class Held:
    """A class of a User in the period. `waiting`: at the end of its last minute; `longest_wait` in seconds."""

    user: str
    of_class: str
    came: int = 0
    held: int = 0
    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    expired: int = 0
    waiting: int = 0
    longest_wait: float = 0.0


_SUMS: Final = ("came", "held", "sent", "acknowledged", "refused", "expired")


def held_back(rows: Iterable[HeldMinute], when: Period) -> list[dict[str, Any]]:
    """By User and class, those that held most first: the minutes that overlap with the period.

    `rows` may come from several relays, one after the other, each in order of time: what waits at several adds up.
    """
    found: dict[tuple[str, str], Held] = {}
    at_the_end: dict[tuple[str, str], datetime] = {}
    for row in rows:
        begins = datetime.fromisoformat(row.time)
        if begins + MINUTE <= when.since or begins >= when.until:
            continue
        key = row.user, row.of_class
        one = found.setdefault(key, Held(*key))
        for name in _SUMS:
            setattr(one, name, getattr(one, name) + getattr(row, name))
        one.longest_wait = max(one.longest_wait, row.longest_wait)
        latest = at_the_end.get(key)
        if latest is None or begins > latest:
            at_the_end[key] = begins
            one.waiting = 0
        if begins >= at_the_end[key]:
            one.waiting += row.waiting
    return [asdict(one) for one in sorted(found.values(), key=lambda one: (-one.held, one.user, one.of_class))]


def by_user(demand: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """The sums of each User over its classes."""
    found: dict[str, dict[str, int]] = {}
    for one in demand:
        sums = found.setdefault(one["user"], dict.fromkeys((*_SUMS, "waiting"), 0))
        for name in sums:
            sums[name] += one[name]
    return found
