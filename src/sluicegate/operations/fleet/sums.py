"""The counters of all workers together: each worker's differences are added, so what a dead one counted stays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from sluicegate.operations.fleet.counting import Classes, Row, add, add_totals, grown
from sluicegate.operations.fleet.message import Head, Message, read_line
from sluicegate.operations.slices import Pace, by_hundreds
from sluicegate.operations.tally import Tally, Totals

FORGOTTEN: Final = 86_400.0  # seconds after which a worker that tells nothing is not known any more
MOST_WORKERS: Final = 10_000


class Counted:
    """What one worker has told last.

    Attributes:
        head: None: it tells nothing now.
        told_at: when, in seconds.
    """

    def __init__(self, now: float) -> None:
        self.head: Head | None = None
        self.told_at = now
        self.totals: Row | None = None
        self.lines: dict[str, str] = {}  # as texts: a collector of garbage need not walk them
        self.in_flight: dict[str, int] = {}


class Changed(NamedTuple):
    """A line that is not as it was. `since`: what came since then."""

    key: str
    line: str
    user: str
    in_flight: int
    since: Row


class Sums:
    """For one thread, but for what says otherwise. Times are seconds of one clock.

    Args:
        now: from then on it is counted: what a worker that is older had counted before it was seen first is left out.

    Attributes:
        totals: of all gateways together.
        drawn: draws, lost draws, requests that waited for one, of all.
        workers: those that are known, by name.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self.totals = Totals()
        self.drawn = [0, 0, 0]
        self.workers: dict[str, Counted] = {}
        self._tallies: dict[str, Tally] = {}
        self._classes: dict[str, Classes] = {}
        self._in_flight: dict[str, int] = {}

    def tallies(self, own: Mapping[str, Tally]) -> dict[str, Tally]:
        """Of each User that this worker serves, with the classes that it tells apart. For any thread."""
        return {name: self._tally(name, tally) for name, tally in own.items()}

    def keep(self, own: Mapping[str, Tally]) -> None:
        """Be ready to count each User that this worker serves, and forget others."""
        self.tallies(own)
        for name in self._tallies.keys() - own.keys():
            del self._tallies[name]
            self._classes.pop(name, None)

    def in_flight(self, name: str) -> int:
        """Requests of a User at the upstream, by what each worker told last."""
        return self._in_flight.get(name, 0)

    def places(self, but: str) -> int:
        """Requests that may be at the upstream at once, by what each worker but this one told last. For any thread."""
        heads = [one.head for name, one in list(self.workers.items()) if name != but]
        return sum(head.places for head in heads if head is not None)

    def changed(self, worker: str, message: Message) -> list[Changed]:
        """Read what is new in a message; for any thread, while `take` of that worker is not under way.

        Raises:
            ValueError: a line cannot be.
        """
        known = self.workers.get(worker)
        lines = known.lines if known is not None else {}
        found, pace = list[Changed](), Pace()
        for key, line in message.lines.items():
            before = lines.get(key)
            if before != line:
                user = json.loads(key)
                if not isinstance(user, str):
                    raise ValueError("this is no name")
                in_flight, row = read_line(line)
                since = grown(row, read_line(before)[1] if before is not None else None)
                found.append(Changed(key, line, user, in_flight, since))
                pace.rest()
        return found

    def take(self, worker: str, message: Message, changed: list[Changed], now: float) -> Iterator[None]:
        """Add what came since this worker's last message, some Users at a time."""
        head = message.head
        known = self.workers.get(worker)
        before = known is None and head.age > now - self._began
        if known is None:
            if len(self.workers) >= MOST_WORKERS:
                return
            known = self.workers[worker] = Counted(now)
        totals = head.totals if before else grown(head.totals, known.totals)
        known.head, known.told_at, known.totals = head, now, head.totals
        if not before:
            add_totals(self.totals, totals)
            self.drawn = [a + b for a, b in zip(self.drawn, totals[-1], strict=True)]
        for some in by_hundreds(changed):
            for one in some:
                self._flies(known, one.user, one.in_flight)
                if not before and (tally := self._tallies.get(one.user)) is not None:
                    add(tally, one.since, self._classes.setdefault(one.user, {}))
                known.lines[one.key] = one.line  # where this is broken off, the others are compared once more
            yield
        for user in [each for each in known.in_flight if json.dumps(each) not in message.lines]:
            self._flies(known, user, 0)
        self._connected()

    def missing(self, present: Iterable[str], now: float) -> None:
        """Workers that are not `present` tell nothing now: nothing of theirs is in flight, what they counted stays."""
        for name in self.workers.keys() - set(present):
            one = self.workers[name]
            if one.head is not None:
                one.head = None
                for user in list(one.in_flight):
                    self._flies(one, user, 0)
            if now - one.told_at > FORGOTTEN:
                del self.workers[name]
        self._connected()

    def _connected(self) -> None:
        heads = [one.head for one in self.workers.values() if one.head is not None]
        self.totals.connections = sum(head.connections for head in heads)

    def _flies(self, of: Counted, user: str, count: int) -> None:
        before = of.in_flight.pop(user, 0)
        if count:
            of.in_flight[user] = count
        total = self._in_flight.pop(user, 0) + count - before
        if total:
            self._in_flight[user] = total

    def _tally(self, name: str, own: Tally) -> Tally:
        tally = self._tallies.get(name) or self._tallies.setdefault(name, Tally())
        classes = self._classes.setdefault(name, {})
        if len(tally.classes) != len(own.classes) or any(
            one[0] != other[0] for one, other in zip(tally.classes, own.classes, strict=True)
        ):
            tally.classes = [(each, classes.setdefault(each, [0, 0, 0])) for each, _counts in own.classes]
        return tally
