"""The last day, by minutes: what the screens begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluicegate.operations.history.counts import DAY, MINUTE, SECOND, Counts
from sluicegate.operations.history.reading import Series, series

if TYPE_CHECKING:
    from sluicegate.operations.store.store import OperationsStore
    from sluicegate.operations.store.worker import Worker


async def day(worker: Worker, until: int) -> list[tuple[int, Counts]]:
    """All Users together over the 24 hours before `until`, in seconds since 1970: when a minute begins, and its counts.

    It begins with the first minute in which there was anything. Raises Unavailable, Unreadable.
    """
    end = until * SECOND
    points = (await worker.do(lambda store: _series(store, end - DAY, end))).points
    first = next((number for number, (_, counts) in enumerate(points) if any(counts)), len(points))
    return [(at // SECOND, counts) for at, counts in points[first:]]


def _series(store: OperationsStore, since: int, until: int) -> Series:
    with store.reading() as connection:
        return series(connection, None, since, until, MINUTE)
