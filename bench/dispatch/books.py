"""The store, read from outside: what was taken in, what was delivered, and how long that took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, Select, create_engine, func, make_url, select
from sqlalchemy.pool import NullPool

from bench.processes import BenchError
from sluicegate.dispatch.parcel import Kind, State
from sluicegate.dispatch.store.tables import is_open, parcel


class Books:
    """Questions to a store, each on a connection of its own. Times are seconds since 1970."""

    def __init__(self, store: str) -> None:
        self._engine = _engine(store)

    def _one(self, question: Select[tuple[int]]) -> int:
        with self._asked() as connection:
            return int(connection.scalar(question) or 0)

    @contextlib.contextmanager
    def _asked(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection

    def open_now(self, regions: Sequence[str] = ()) -> int:
        """Parcels that wait, or are being delivered; for some CSPs only, if any are named."""
        to = [parcel.c.destination.in_([f"csp:{name}" for name in regions])] if regions else []
        return self._one(select(func.count()).select_from(parcel).where(is_open(), *to))

    def delivered(self, since: float, until: float, kind: Kind = Kind.REQUEST) -> int:
        """Parcels of a kind whose destination answered within a time, and whose end is committed."""
        ended = (parcel.c.finished_at >= since, parcel.c.finished_at < until, parcel.c.kind == int(kind))
        return self._one(select(func.count()).select_from(parcel).where(*ended, parcel.c.state == int(State.DELIVERED)))

    def waiting(self, at: float, kind: Kind = Kind.REQUEST) -> int:
        """Parcels that were there at a time and had not come to their end."""
        later = parcel.c.finished_at.is_(None) | (parcel.c.finished_at >= at)
        return self._one(
            select(func.count()).select_from(parcel).where(parcel.c.accepted_at < at, later, parcel.c.kind == int(kind))
        )

    def delays(self, since: float, until: float, regions: Sequence[str]) -> list[float]:
        """Seconds from a Service Request's arrival to its CSP's answer, of those that came within a time; sorted."""
        asked = select(parcel.c.finished_at - parcel.c.accepted_at).where(
            parcel.c.finished_at >= since,
            parcel.c.accepted_at >= since,
            parcel.c.accepted_at < until,
            parcel.c.kind == int(Kind.REQUEST),
            parcel.c.state == int(State.DELIVERED),
            parcel.c.destination.in_([f"csp:{name}" for name in regions]),
        )
        with self._asked() as connection:
            return sorted(float(delay) for delay in connection.scalars(asked))

    def first_delivery(self, since: float) -> float | None:
        """When the first parcel after a time came to its end."""
        with self._asked() as connection:
            found = connection.scalar(select(func.min(parcel.c.finished_at)).where(parcel.c.finished_at >= since))
            return None if found is None else float(found)

    def per_second(self, since: float, until: float) -> list[int]:
        """Parcels delivered in each second."""
        with self._asked() as connection:
            moments = connection.scalars(
                select(parcel.c.finished_at).where(parcel.c.finished_at >= since, parcel.c.finished_at < until)
            )
            counts = [0] * max(0, int(until - since))
            for moment in moments:
                if int(moment - since) < len(counts):
                    counts[int(moment - since)] += 1
        return counts

    def until_empty(self, seconds: float, regions: Sequence[str] = ()) -> bool:
        """Wait until no parcels are open, or so many seconds."""
        deadline = time.monotonic() + seconds
        while self.open_now(regions):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.25)
        return True


def _engine(store: str) -> Engine:
    if "://" in store:
        return create_engine(make_url(store).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    if not Path(store).exists():
        raise BenchError(f"there is no store {store}")
    url = URL.create("sqlite", database=f"file:{store}", query={"mode": "ro", "uri": "true"})
    return create_engine(url, poolclass=NullPool)


def percentile(ordered: Sequence[float], part: float) -> float:
    """The smallest of sorted values that is no smaller than this part of them; NaN of none."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))]
