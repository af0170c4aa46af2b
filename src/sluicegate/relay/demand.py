"""Held-back demand: what came, what waited and what was sent, minute by minute, by class and SRV.

An investigation at the gateway sees what was sent. What a relay held back meanwhile is only here.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sluicegate.relay.errand import End, Errand

MINUTE = 60
MOST_KEYS = 2_000
"""Classes with SRVs in one minute: SRVs come from outside. What is beyond is counted under the SRV `other`."""
OTHER = "other"
PREFIX, SUFFIX = "demand-", ".csv"


@dataclass(slots=True)
class Minute:
    """One minute of one class and SRV. Times are UTC, waits in seconds."""

    time: str
    user: str
    of_class: str
    srv: str
    came: int = 0
    """SRs that the User's systems sent to the relay; a repetition is none."""
    held: int = 0
    """... that had to wait."""
    sent: int = 0
    """Attempts at the gateway."""
    acknowledged: int = 0
    refused: int = 0
    expired: int = 0
    waiting: int = 0
    """At the end of the minute."""
    longest_wait: float = 0.0
    """Of those that ended in it, or wait at its end."""


COLUMNS = tuple("class" if one.name == "of_class" else one.name for one in fields(Minute))
_SUMS = ("came", "held", "sent", "acknowledged", "refused", "expired")


class Demand:
    """Counts the present minute. A `tally.Watcher`.

    Args:
        user: the User's name as the gateway has it.
        at: seconds since 1970.
    """

    def __init__(self, user: str, at: float) -> None:
        self._user = user
        self._minute = int(at) // MINUTE
        self._rows: dict[tuple[str, str], Minute] = {}
        self._waiting: dict[tuple[str, str], dict[int, float]] = {}

    # --- what is counted

    def came(self, errand: Errand) -> None:
        """A new SR."""
        self._row(errand).came += 1

    def stored(self, errand: Errand) -> None:
        """It must wait."""
        self._row(errand).held += 1
        self._waiting.setdefault(_key(errand), {})[errand.seq] = errand.came

    def recovered(self, errand: Errand) -> None:
        """It waits since before the start, and was counted then."""
        self._waiting.setdefault(_key(errand), {})[errand.seq] = errand.came

    def sent(self, errand: Errand) -> None:
        """An attempt."""
        self._row(errand).sent += 1

    def ended(self, errand: Errand, end: End, now: float) -> None:
        """It has come to its end."""
        row = self._row(errand)
        if end is End.ACKNOWLEDGED:
            row.acknowledged += 1
        elif end is End.REFUSED:
            row.refused += 1
        else:
            row.expired += 1
        row.longest_wait = max(row.longest_wait, now - errand.came)
        there = self._waiting.get(_key(errand))
        if there is not None:
            there.pop(errand.seq, None)
            if not there:
                del self._waiting[_key(errand)]

    def _row(self, errand: Errand) -> Minute:
        key = _key(errand)
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) >= MOST_KEYS:
                key = (key[0], OTHER)
                row = self._rows.get(key)
            if row is None:
                row = self._rows[key] = Minute("", self._user, *key)
        return row

    # --- minutes

    def turn(self, at: float, now: float) -> list[Minute]:
        """The rows of the minutes that are over; empty while the present one is not. `now`: of the monotonic clock."""
        if int(at) // MINUTE == self._minute:
            return []
        return self.rows(at, now)

    def rows(self, at: float, now: float) -> list[Minute]:
        """The rows of the present minute, and begin another one."""
        time = datetime.fromtimestamp(self._minute * MINUTE, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows, self._rows, self._minute = self._rows, {}, int(at) // MINUTE
        for key, there in self._waiting.items():
            row = rows.get(key)
            if row is None and len(rows) < MOST_KEYS:
                row = rows[key] = Minute("", self._user, *key)
            if row is not None:
                row.waiting = len(there)
                row.longest_wait = max(row.longest_wait, now - next(iter(there.values())))
        for row in rows.values():
            row.time = time
            row.longest_wait = round(row.longest_wait, 3)
        return sorted(rows.values(), key=lambda row: (row.of_class, row.srv))


def _key(errand: Errand) -> tuple[str, str]:
    return errand.class_name or "", errand.srv


# --- files


def append(folder: Path, rows: Sequence[Minute], keep_days: int) -> None:
    """Write rows to the file of their day, and take away those that are too old. Raises OSError."""
    if not rows:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PREFIX}{rows[0].time[:10]}{SUFFIX}"
    with open(path, "a", newline="", encoding="utf-8", opener=_private) as file:
        writer = csv.writer(file)
        if not file.tell():
            writer.writerow(COLUMNS)
        writer.writerows(_values(row) for row in rows)
        file.flush()
        os.fsync(file.fileno())
    first = (datetime.fromisoformat(rows[0].time) - timedelta(days=keep_days)).strftime("%Y-%m-%d")
    for old in folder.glob(f"{PREFIX}????-??-??{SUFFIX}"):
        if old.name[len(PREFIX) : -len(SUFFIX)] < first:
            old.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)


def _values(row: Minute) -> tuple[object, ...]:
    return tuple(getattr(row, one.name) for one in fields(Minute))


def read(folder: Path, since: datetime | None, until: datetime | None) -> Iterator[Minute]:
    """The rows of a folder (or of one file) in order of time, one for each minute, class and SRV.

    A minute in which the relay was started again is summed. A line that was cut off by a crash is passed over. Raises
    OSError.
    """
    files = [folder] if folder.is_file() else sorted(folder.glob(f"{PREFIX}????-??-??{SUFFIX}"))
    for path in files:
        yield from _summed(row for row in _lines(path) if _within(row, since, until))


def _lines(path: Path) -> Iterator[Minute]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for line in csv.DictReader(file):
            try:
                row = Minute(line["time"], line["user"], line["class"], line["srv"])
                for name in (*_SUMS, "waiting"):
                    setattr(row, name, int(line[name]))
                row.longest_wait = float(line["longest_wait"])
                datetime.fromisoformat(row.time)
                yield row
            except (KeyError, ValueError, TypeError):
                continue


def _within(row: Minute, since: datetime | None, until: datetime | None) -> bool:
    time = datetime.fromisoformat(row.time)
    return (since is None or time >= since) and (until is None or time < until)


def _summed(rows: Iterable[Minute]) -> Iterator[Minute]:
    """Rows of one file."""
    found: dict[tuple[str, str, str, str], Minute] = {}
    for row in rows:
        key = (row.time, row.user, row.of_class, row.srv)
        before = found.setdefault(key, row)
        if before is not row:
            for name in _SUMS:
                setattr(before, name, getattr(before, name) + getattr(row, name))
            before.waiting = row.waiting
            before.longest_wait = max(before.longest_wait, row.longest_wait)
    return iter(sorted(found.values(), key=lambda row: (row.time, row.user, row.of_class, row.srv)))


def write_csv(path: Path, rows: Iterable[Minute]) -> int:
    """Rows as CSV; how many. Raises OSError."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(_values(row))
            count += 1
    return count


def write_parquet(path: Path, rows: Iterable[Minute]) -> int:
    """Rows as Parquet; how many. Needs pyarrow. Raises OSError, ImportError."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    found = [_values(row) for row in rows]
    times = [datetime.fromisoformat(str(row[0])) for row in found]
    table = pa.table(
        {
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
            **{
                name: pa.array([row[place] for row in found], pa.string())
                for place, name in enumerate(COLUMNS)
                if 1 <= place <= 3
            },
            **{
                name: pa.array([row[place] for row in found], pa.float64() if name == "longest_wait" else pa.int64())
                for place, name in enumerate(COLUMNS)
                if place > 3
            },
        }
    )
    pq.write_table(table, path)
    return len(found)
