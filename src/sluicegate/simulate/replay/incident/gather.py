"""One pass over the period, what was before it and what came after it: counts by User, SRV, phase and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluicegate.simulate.measures.histogram import BINS, bins
from sluicegate.simulate.record import Record, open_record
from sluicegate.simulate.record.columns import microseconds
from sluicegate.simulate.replay.attempts import Attempts, Seen
from sluicegate.simulate.replay.habits import grown
from sluicegate.simulate.replay.rows import PASSED, REJECTED, THROTTLED, Bools, Ints, Reader, Rows

BEFORE, DURING, AFTER = range(3)
PHASES: Final = ("before", "during", "after")
COUNTED: Final = ("attempts", "requests", "retries", "admitted", "throttled", "rejected", "errors")
"""What is counted. requests: first attempts; errors: let through, and the upstream gave 5xx or nothing."""

SHORTEST_BESIDE: Final = timedelta(hours=1)
LONGEST: Final = timedelta(days=7)
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MOST_BINS: Final = 360
_MICRO: Final = 1_000_000
_ERROR: Final = 500

Reached = Callable[[float], None]


class PeriodError(ValueError):
    """A period that cannot be looked into; `str()` says why."""


class Period(NamedTuple):
    """Looked into: from `since` until before `until`. `first`, `last`: what is read, before and after it too."""

    since: datetime
    until: datetime
    first: datetime
    last: datetime


def look_into(path: str | Path, since: datetime, until: datetime) -> tuple[Record, Period]:
    """Open a record for a period and what is beside it: the hour (or as long as the period is) before and after.

    Raises:
        PeriodError: it ends before it begins, is too long, or the record has nothing of it.
        RecordError: see `open_record`.
    """
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    if since >= until:
        raise PeriodError(f"the period ends ({said(until)}) before it begins ({said(since)}): exchange --from and --to")
    if until - since > LONGEST:
        raise PeriodError(f"a period of {(until - since).days} days is too long: look into {LONGEST.days} at most")
    beside = max(until - since, SHORTEST_BESIDE)
    first, last = since - beside, until + beside
    record = open_record(path, since=first, until=last)
    span = record.span
    if span is None or span.last < since or span.first >= until:
        whole = open_record(path).span
        covered = f"it goes from {said(whole.first)} to {said(whole.last)}" if whole else "it has no row"
        raise PeriodError(f"the record has nothing from {said(since)} to {said(until)}: {covered}")
    end = span.last + timedelta(microseconds=1)
    return record, Period(since, until, max(first, min(span.first, since)), min(last, max(end, until)))


def said(at: datetime) -> str:
    """A time, as messages have it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@dataclass
class Gathered:
    """What was counted. Phases are BEFORE, DURING, AFTER.

    counts: [Users, phases, COUNTED]. loads: [Users, phases], attempts in SR, by their weights, as allocations are.
    srvs: [Users, phases, SRVs] attempts. times: [Users, phases, BINS] latencies. by_bin: [bins, COUNTED] and
    users_by_bin: [Users, bins], in SR. times_by_bin: [bins, BINS]. statuses: of answers during the period. held:
    attempts held during it, of them `again` came again, `gaps` later [BINS], and `through` were let through then.
    """

    reader: Reader
    when: Period
    step: int
    counts: NDArray[np.int64]
    loads: NDArray[np.float64]
    srvs: NDArray[np.int64]
    times: NDArray[np.int64]
    by_bin: NDArray[np.float64]
    times_by_bin: NDArray[np.int64]
    users_by_bin: NDArray[np.float64]
    gaps: NDArray[np.int64]
    statuses: dict[int, int]
    held: int = 0
    again: int = 0
    through: int = 0
    rows: int = 0

    def seconds(self, phase: int) -> float:
        """How long a phase is, as far as the record has it."""
        edges = (self.when.first, self.when.since, self.when.until, self.when.last)
        return (edges[phase + 1] - edges[phase]).total_seconds()


class _Latest(NamedTuple):
    status: NDArray[np.float64]
    upstream: NDArray[np.float64]
    latency: NDArray[np.float64]


def gather(record: Record, when: Period, weights: Mapping[str, float], reached: Reached) -> Gathered:
    """Read it. `record` is open from `when.first` until `when.last`. `weights`: SR by SRV. Raises RecordError."""
    reader = Reader(frozenset(weights))
    seconds = (when.last - when.first).total_seconds()
    step = next((step for step in _STEPS if seconds <= step * _MOST_BINS), _STEPS[-1])
    count = int(seconds // step) + 1
    found = Gathered(
        reader,
        when,
        step,
        np.zeros((0, 3, len(COUNTED)), np.int64),
        np.zeros((0, 3)),
        np.zeros((0, 3, 0), np.int64),
        np.zeros((0, 3, BINS), np.int64),
        np.zeros((count, len(COUNTED))),
        np.zeros((count, BINS), np.int64),
        np.zeros((0, count)),
        np.zeros((1, BINS), np.int64),
        {},
    )
    attempts = Attempts()
    for batch in record.batches():
        rows = reader.rows(batch)
        load = np.array([weights.get(srv, 1.0) for srv in reader.srvs.texts])[rows.srvs]
        _take(found, rows, attempts.take(rows), _latest(batch), load)
        found.rows += len(rows.times)
        reached(min(1.0, found.rows / max(1, record.rows)))
    reached(1.0)
    users = len(reader.users.texts)
    for name in ("counts", "loads", "srvs", "times", "users_by_bin"):
        setattr(found, name, getattr(found, name)[:users])
    return found


def _latest(batch: pa.RecordBatch) -> _Latest:
    """Answers and latencies; nan where there is none."""
    names = ("status", "upstream_status", "latency")
    return _Latest(*(batch[name].cast(pa.float64()).to_numpy(zero_copy_only=False) for name in names))


def _take(found: Gathered, rows: Rows, seen: Seen, latest: _Latest, load: NDArray[np.float64]) -> None:
    users = len(found.reader.users.texts)
    _make_room(found, users, len(found.reader.srvs.texts))
    start, since, until = (microseconds(at) for at in (found.when.first, found.when.since, found.when.until))
    phase = (rows.times >= since).astype(np.int64) + (rows.times >= until)
    place = np.minimum((rows.times - start) // (found.step * _MICRO), len(found.by_bin) - 1)
    admitted = ~rows.held
    failed = admitted & ~(latest.upstream < _ERROR)  # nan: it gave none
    flags = (
        np.ones(len(phase), bool),
        seen.first,
        ~seen.first,
        admitted,
        rows.outcomes == THROTTLED,
        rows.outcomes == REJECTED,
        failed,
    )
    for column, flag in enumerate(flags):
        np.add.at(found.counts[:, :, column], (rows.users[flag], phase[flag]), 1)
        found.by_bin[:, column] += np.bincount(place[flag], load[flag], len(found.by_bin))
    np.add.at(found.srvs, (rows.users, phase, rows.srvs), 1)
    np.add.at(found.users_by_bin, (rows.users, place), load)
    np.add.at(found.loads, (rows.users, phase), load)
    timed = np.flatnonzero(np.isfinite(latest.latency))
    slot = bins(latest.latency[timed])
    np.add.at(found.times, (rows.users[timed], phase[timed], slot), 1)
    np.add.at(found.times_by_bin, (place[timed], slot), 1)
    _follow(found, rows, seen, phase == DURING, since, until)
    told = latest.status[(phase == DURING) & np.isfinite(latest.status)].astype(np.int64)
    for status, count in zip(*(one.tolist() for one in np.unique(told, return_counts=True)), strict=True):
        found.statuses[status] = found.statuses.get(status, 0) + count


def _follow(found: Gathered, rows: Rows, seen: Seen, during: Bools, since: int, until: int) -> None:
    """What became of what was held: attempts that follow one of the period, whenever they came."""
    found.held += int((rows.held & during).sum())
    gap = np.nan_to_num(seen.gap, nan=0.0)
    when = rows.times - np.rint(gap * _MICRO).astype(np.int64)
    held = ((seen.before == THROTTLED) | (seen.before == REJECTED)) & (when >= since) & (when < until)
    found.again += int(held.sum())
    found.through += int((held & ~rows.held & (rows.outcomes <= PASSED)).sum())
    back = bins(gap[held])
    found.gaps += np.bincount(back, minlength=BINS)


def _make_room(found: Gathered, users: int, srvs: int) -> None:
    for name in ("counts", "loads", "times", "users_by_bin", "srvs"):
        setattr(found, name, grown(getattr(found, name), users))
    if srvs > found.srvs.shape[2]:
        wider = np.zeros((*found.srvs.shape[:2], srvs), np.int64)
        wider[:, :, : found.srvs.shape[2]] = found.srvs
        found.srvs = wider


def total(counts: Ints) -> dict[str, Any]:
    """COUNTED by name."""
    return dict(zip(COUNTED, counts.tolist(), strict=True))
