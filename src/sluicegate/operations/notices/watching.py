"""When a User is told: from counts that are looked at about once a second, to events. Pure: times are passed in.

A level is met when a User has asked for that part of its allocation over the window, and over each third of it: a burst
shorter than a third is none. It is left when the mean over the window is `hysteresis` below it. Who rises past several
levels is told of the highest only: a level waits while the last two thirds say that a higher one is coming, for a third
of the window at the most. The window is exact, however coarse the marks are: between two of them the count is taken to
have grown evenly.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple, Protocol

from sluicegate.operations.slices import all_at_once, by_hundreds
from sluicegate.settings.noticing import LEVELS, Noticing

MARKS: Final = 60
"""Counts of each User that are kept for a window; of a window below a minute there is one for each look."""
SLACK: Final = 1e-9
ACTIVE, NORMAL = "active", "normal"
KINDS: Final = tuple(f"{level:.0%}" for level in LEVELS)

_SIZE: Final = MARKS + 4


class Counted(Protocol):
    """What was decided of one User's requests, since the start: `operations.tally.Tally`."""

    within: int
    excess: int
    throttled: int


class Event(NamedTuple):
    """Something to tell. `user` None: everybody. `offered`: SR/s over the window; `allocation`: SR/s."""

    kind: str
    user: str | None = None
    offered: float = 0.0
    allocation: float = 0.0


class Watching:
    """What is known of all Users.

    Args:
        settings: window, hysteresis, quiet and settling.

    Attributes:
        held_back: times that something was not told because the same had been told shortly before.
    """

    def __init__(self, settings: Noticing) -> None:
        self._window = settings.window_seconds
        self._hysteresis = settings.hysteresis
        self._quiet = settings.quiet_seconds
        self._times: list[float] = []
        """Of the marks, the oldest first. The last is the last look: it stays where it is far from the one before."""
        self._newest = -1
        """Its place in each User's counts."""
        self._users: dict[str, _User] = {}
        self._told: dict[str, list[float]] = {}
        self._state = _State(settings)
        self._levels_held_back = 0

    @property
    def held_back(self) -> int:
        """Of levels, and of active."""
        return self._levels_held_back + self._state.held_back

    def remember(self, user: str | None, kind: str, at: float) -> None:
        """Something was told before this process began, in the order of time. `at`: seconds of the clock of `look`."""
        if kind in (ACTIVE, NORMAL):
            self._state.remember(kind, at)
        elif user is not None and kind in KINDS:
            told = self._told.setdefault(user, [-inf] * len(LEVELS))
            told[KINDS.index(kind)] = max(told[KINDS.index(kind)], at)
            if user in self._users:
                self._users[user].told_at = told

    def adopt(self, before: Watching) -> None:
        """What was told by other settings counts on; windows begin anew."""
        self._told = before._told | {name: one.told_at for name, one in before._users.items()}
        self._state.adopt(before._state)
        self._levels_held_back = before._levels_held_back

    def look(
        self, now: float, tallies: Mapping[str, Counted], allocations: Mapping[str, float], active: bool
    ) -> list[Event]:
        """Take a look, at `now` seconds of the monotonic clock, and say what is to be told.

        Args:
            tallies: the counters of each User.
            allocations: those in force, in SR/s; who has none, or 0, meets no level.
            active: whether traffic management is.
        """
        events: list[Event] = []
        all_at_once(self.steps(now, tallies, allocations, active, events))
        return events

    def steps(
        self, now: float, tallies: Mapping[str, Counted], allocations: Mapping[str, float], active: bool,
        events: list[Event],
    ) -> Iterator[None]:  # fmt: skip
        """The same, a hundred Users at a time; what is to be told is added to `events`. One look at a time."""
        events += self._state.look(now, active)
        if self._times and now <= self._times[-1]:
            return  # nothing can have been sustained in no time
        before = self._mark(now)
        places = [self._at(now - self._window * part) for part in (1 / 3, 2 / 3, 1)]
        thirds = [place for place in places if place is not None]
        for some in by_hundreds(list(tallies.items())):
            if len(thirds) < len(places):
                self._count(now, some, before)
            else:
                self._every(now, some, allocations, before, thirds, events)
            yield
        if len(self._users) > len(tallies):
            self._users = {name: one for name, one in self._users.items() if name in tallies}

    def _mark(self, now: float) -> int:
        """A place for the counts of this look; returns that of the one before."""
        times, before = self._times, self._newest
        if len(times) > 1 and times[-1] - times[-2] < self._window / MARKS:
            times[-1] = now
            return before
        times.append(now)
        del times[:-_SIZE]
        self._newest = (before + 1) % _SIZE
        return before

    def _at(self, then: float) -> _Place | None:
        """Where the counts of a moment are; None where nothing is known of it."""
        times = self._times
        if then < times[0] - SLACK:
            return None
        low = max(0, bisect_right(times, then) - 1)
        place = (self._newest - (len(times) - 1 - low)) % _SIZE
        part = max(0.0, (then - times[low]) / (times[low + 1] - times[low]))
        return _Place(place, (place + 1) % _SIZE, part)

    def _count(self, now: float, some: Iterable[tuple[str, Counted]], before: int) -> None:
        """Only count: the window is not full yet."""
        for name, tally in some:
            count = tally.within + tally.excess + tally.throttled
            one = self._users.get(name)
            if one is None or count < one.counts[before]:
                one = self._begun(name, count, now)
            one.counts[self._newest] = count

    def _every(
        self, now: float, some: Iterable[tuple[str, Counted]], allocations: Mapping[str, float], before: int,
        thirds: Sequence[_Place], events: list[Event],
    ) -> None:  # fmt: skip
        """Some Users. Most are far below the lowest level, as the last third of the window shows: they cost no call."""
        users, newest, lowest = self._users, self._newest, (LEVELS[0] - SLACK) * self._window / 3
        place, following, part = thirds[0]
        for name, tally in some:
            count = tally.within + tally.excess + tally.throttled
            one = users.get(name)
            if one is None or count < one.counts[before]:
                self._begun(name, count, now)
                continue
            counts = one.counts
            counts[newest] = count
            if not one.inside:
                then = counts[place]
                if count - then - (counts[following] - then) * part < lowest * allocations.get(name, 0.0):
                    continue
            if one.since <= now - self._window + SLACK:
                self._levels(name, one, now, allocations.get(name, 0.0), thirds, events)

    def _begun(self, name: str, count: int, now: float) -> _User:
        """A User that was not there, or whose counts began anew: what it was told still counts."""
        begun, was = _User(count, now), self._users.get(name)
        if was is not None:
            begun.told_at, begun.inside = was.told_at, was.inside
        elif name in self._told:
            begun.told_at = self._told[name]
        self._users[name] = begun
        return begun

    def _levels(
        self, name: str, one: _User, now: float, allocation: float, thirds: Sequence[_Place], events: list[Event]
    ) -> None:
        """One User that may have met a level, or left one."""
        counts = [float(one.counts[self._newest]), *(third.of(one.counts) for third in thirds)]
        offered = (counts[0] - counts[-1]) / self._window
        parts = [0.0, 0.0, 0.0]
        if allocation > 0:
            parts = [(new - old) * 3 / (self._window * allocation) for new, old in pairwise(counts)]
        mean = sum(parts) / 3
        while one.inside and mean < LEVELS[one.inside - 1] - self._hysteresis - SLACK:
            one.inside -= 1
        met, coming = _reached(min(parts)), _reached(min(parts[:2]))
        if met <= one.inside:
            one.waits, one.met_at = False, inf
            return
        one.met_at = min(one.met_at, now)
        if coming > met and now - one.met_at < self._window / 3:
            return
        if now - max(one.told_at[met - 1 :]) < self._quiet:
            self._levels_held_back += not one.waits
            one.waits = True
        else:
            one.inside, one.waits, one.met_at = met, False, inf
            one.told_at[met - 1] = now
            events.append(Event(KINDS[met - 1], name, offered, allocation))


def _reached(part: float) -> int:
    """How many of the levels such a part of an allocation reaches."""
    return sum(part >= level - SLACK for level in LEVELS)


class _Place(NamedTuple):
    """A moment between two marks: `part` of the way from one to the following."""

    place: int
    following: int
    part: float

    def of(self, counts: Sequence[int]) -> float:
        """The count at that moment."""
        return counts[self.place] + (counts[self.following] - counts[self.place]) * self.part


class _User:
    """One User: its counts at the marks, in how many of the levels it is, and when each was told."""

    __slots__ = ("counts", "inside", "met_at", "since", "told_at", "waits")

    def __init__(self, count: int, now: float) -> None:
        self.counts = array("q", (count,)) * _SIZE
        self.since = now
        self.inside = 0
        self.met_at = inf
        self.waits = False
        self.told_at = [-inf] * len(LEVELS)


class _State:
    """Traffic management: active is told at once, normal when it has lasted; neither too often."""

    def __init__(self, settings: Noticing) -> None:
        self._settle = settings.settle_seconds
        self._quiet = settings.quiet_seconds
        self._normal_since: float | None = None
        self._told = False
        self._waits = False
        self._told_at = -inf
        self.held_back = 0

    def remember(self, kind: str, at: float) -> None:
        """As `Watching.remember`: who was told of active before a restart is told of normal after it."""
        self._told = kind == ACTIVE
        if kind == ACTIVE:
            self._told_at = at

    def adopt(self, before: _State) -> None:
        """As `Watching.adopt`."""
        self._told, self._told_at, self.held_back = before._told, before._told_at, before.held_back

    def look(self, now: float, active: bool) -> list[Event]:
        """As `Watching.look`."""
        if not active:
            self._waits = False
            self._normal_since = now if self._normal_since is None else self._normal_since
            if self._told and now - self._normal_since >= self._settle:
                self._told = False
                return [Event(NORMAL)]
            return []
        self._normal_since = None
        if self._told:
            return []
        if now - self._told_at < self._quiet:
            self.held_back += not self._waits
            self._waits = True
            return []
        self._told, self._waits, self._told_at = True, False, now
        return [Event(ACTIVE)]
