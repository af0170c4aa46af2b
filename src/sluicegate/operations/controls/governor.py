"""From the database to the gateway: the book in force and the controls, as one overlay over the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection

from sluicegate.allocation import Overlay
from sluicegate.log import logger
from sluicegate.operations.account.governed import Governed
from sluicegate.operations.controls.kept import in_force
from sluicegate.operations.controls.kinds import Control, overlay_of
from sluicegate.operations.store import trail
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.worker import Worker


class Books(NamedTuple):
    """What the database knows of allocation books.

    Attributes:
        now: allocations in force, in SR/s by User; None: those of the file count.
        next_at: when that changes, in microseconds since 1970; None: nothing is planned.
        next: what is in force then.
    """

    now: Mapping[str, float] | None
    next_at: int | None = None
    next: Mapping[str, float] | None = None


NO_BOOKS: Final = Books(None)
NEWS: Final = 600 * 1_000_000
"""Microseconds that a control is news to a gateway that starts: who was to tell of it may have been killed before."""
ReadBooks = Callable[[Connection, int], Books]


class Governor:
    """Puts in force what the database says, and what it has said while it cannot be asked. For the event loop.

    A control that ends by itself, and the next book, come on time without the database.

    Args:
        books: reads the allocation books; for the thread of the database.
        clock: microseconds since 1970.

    Attributes:
        news: what was put (True) or has ended (False) since it was last emptied, while this gateway runs or shortly
            before. It may have been told.
        controls: those that count, the oldest first.
        books: as they were read.
        refused: why what the database says could not be put in force; empty where it is.
    """

    def __init__(
        self, gateway: Governed, worker: Worker, books: ReadBooks, clock: Callable[[], int] = trail.now
    ) -> None:
        self._gateway = gateway
        self._worker = worker
        self._read_books = books
        self._clock = clock
        self._in_force: Overlay | None = None
        self.controls: list[Control] = []
        self.books = NO_BOOKS
        self.refused = ""
        self.news: list[tuple[Control, bool]] = []
        self._born = clock()
        self._known: dict[int, Control] = {}

    async def catch_up(self) -> bool:
        """Read what there is, and put it in force; returns whether anything has changed. Raises Unavailable."""
        at = self._clock()
        self.controls, self.books = await self._worker.do(lambda store: _read(store, at, self._read_books))
        return self.tick()

    def tick(self) -> bool:
        """Put in force what counts now; called once a second. Returns whether anything has changed."""
        at = self._clock()
        if self.books.next_at is not None and self.books.next_at <= at:
            self.books = Books(self.books.next)
        self.controls = [one for one in self.controls if one.until is None or one.until > at]
        self._note_news()
        now = self.books.now
        overlay = overlay_of(self.controls, dict(now) if now is not None else None)
        if overlay == self._in_force or (overlay.nothing and self._in_force is None):
            return False
        self._in_force = overlay
        try:
            self._gateway.set_overlay(overlay)
        except ValueError as error:
            self.refused = str(error)
            logger().error("what operators have set cannot be put in force", why=self.refused)
            return False
        self.refused = ""
        settings = self._gateway.settings
        logger().warning(
            "in force",
            maximum=settings.capacity.maximum,
            operating_threshold=settings.capacity.operating_threshold,
            enforce=settings.capacity.enforce,
            book=now is not None,
            controls=[one.kind if one.user is None else f"{one.kind}: {one.user}" for one in self.controls],
        )
        return True

    def _note_news(self) -> None:
        """What had long been there when this gateway started is no news."""
        count = {one.seq: one for one in self.controls}
        since = self._born - NEWS
        self.news += [(one, True) for one in self.controls if one.seq not in self._known and one.made_at >= since]
        self.news += [(one, False) for seq, one in self._known.items() if seq not in count]
        self._known = count


def _read(store: OperationsStore, at: int, books: ReadBooks) -> tuple[list[Control], Books]:
    with store.reading() as connection:
        return in_force(connection, at), books(connection, at)
