"""The recorder: takes rows from the event loop, and writes them from a thread of its own.

Nothing of it holds a request up. What cannot be written is counted, said once, and tried again later.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from time import monotonic, time
from typing import TYPE_CHECKING, TypeVar

from sluicegate.duis import Header
from sluicegate.log import logger
from sluicegate.operations.record.folder import PLACES, CannotRecord, why

if TYPE_CHECKING:
    from sluicegate.operations.record.hours import Hours
    from sluicegate.settings import Record

T = TypeVar("T")

Row = tuple[float, str, Header, int, str, int | None, int | None, float | None]
"""Decided at (seconds of the monotonic clock), User, header, octets of the body, outcome, status of the answer (None:
the User left first), the upstream's (None: it gave none), seconds until that came."""

MOST_WAITING = 100_000
"""Rows that wait for the thread, about 700 octets each. What comes beyond is dropped and counted."""

RETRY = 30.0
"""Seconds until it is tried again, once nothing could be written."""

PATIENCE = 10.0
"""Seconds that a stop waits for the file of the last hour. The next start makes it otherwise."""


class Recorder:
    """One gateway's record.

    Args:
        settings: `[record]`.
        retry: see RETRY.
        together: whether other workers of its fleet write to the same folder.

    Attributes:
        stopped: why nothing is written at present; empty while all is well.
        written: rows that are on the disk.
    """

    def __init__(self, settings: Record, retry: float = RETRY, *, together: bool = False) -> None:
        self.folder: Path = settings.folder
        self._settings = settings
        self._retry = retry
        self._together = together
        self._rows: list[Row] = []
        self._append: Callable[[Row], None] = self._rows.append
        self._dropped = self._lost = self.written = 0
        self.stopped = ""
        self._hours: Hours | None = None
        self._again_at = 0.0
        self._stop, self._hurry = Event(), Event()
        self._thread = Thread(target=self._run, name="record", daemon=True)

    @property
    def lost(self) -> int:
        """Rows that were not recorded: too many at once, or nothing could be written."""
        return self._dropped + self._lost

    @property
    def waiting(self) -> int:
        """Rows that are not on the disk yet."""
        return len(self._rows)

    def take(self, row: Row) -> None:
        """Note one request. Called by the event loop: an append, whatever the disk does."""
        if len(self._rows) < MOST_WAITING:
            self._append(row)
        else:
            self._dropped += 1

    def start(self) -> None:
        """Begin. A record that cannot be written says so in the log and in `stopped`."""
        from sluicegate.operations.record import hours  # noqa: F401, PLC0415 - loads pyarrow before requests come

        self._thread.start()

    def close(self, patience: float = PATIENCE) -> None:
        """Write what waits, and make the last hour's file, for at most so many seconds."""
        self._stop.set()
        self._thread.join(patience)
        self._hurry.set()
        self._thread.join(1.0)

    # --- the thread

    def _run(self) -> None:
        self._guarded(self._take_folder)
        self._settle()
        while not self._stop.wait(self._settings.flush_seconds):
            self._guarded(self._flush)
            self._settle()
        self._guarded(self._flush)
        if self._hours is not None:
            self._hours.finish()
            self._settle()
        if self._hours is not None:
            self._hours.close()

    def _take_folder(self) -> None:
        from sluicegate.operations.record.hours import Hours  # noqa: PLC0415 - pyarrow

        self._hours = Hours(self.folder, self._settings.keep_days, PLACES if self._together else 1)
        if self.stopped:
            self.stopped = ""
            logger().warning("traffic record goes on", folder=str(self.folder), lost=self.lost)

    def _flush(self) -> None:
        """Write what waits."""
        rows = self._rows[:]
        del self._rows[: len(rows)]  # what the event loop has added in between stays: it is behind
        if self._hours is None and monotonic() >= self._again_at:
            self._guarded(self._take_folder)
        if self._hours is None:
            self._lost += len(rows)
            return
        from sluicegate.operations.record.rows import batches_of  # noqa: PLC0415 - pyarrow

        hours, now = self._hours, time()
        before = hours.written
        try:
            hours.write([*batches_of(rows, now - monotonic(), hours.key)], now)
        finally:
            written = hours.written - before
            self.written += written
            self._lost += len(rows) - written

    def _settle(self) -> None:
        """Make files of the hours that are over. Rows are written in between."""
        hours = self._hours
        if hours is None:
            return
        work, flushed = hours.settle(), monotonic()
        while self._guarded(lambda: next(work, None)) and self._hours is hours and not self._hurry.is_set():
            if monotonic() - flushed >= self._settings.flush_seconds and not self._stop.is_set():
                self._guarded(self._flush)
                flushed = monotonic()
        work.close()

    def _guarded(self, act: Callable[[], T]) -> T | None:
        """Do it. Whatever goes wrong stops the record for a while, and never the thread."""
        try:
            return act()
        except CannotRecord as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(why(error))
        except Exception as error:
            logger().exception("traffic record: unexpected")
            self._fail(f"unexpected: {error!r}"[:200])
        return None

    def _fail(self, reason: str) -> None:
        """Nothing can be written for now: let everything go, say it once, and try again later."""
        if self._hours is not None:
            self._hours.close()
            self._hours = None
        self._again_at = monotonic() + self._retry
        if reason != self.stopped:
            self.stopped = reason
            logger().error("traffic record stopped", why=reason, folder=str(self.folder), lost=self.lost)
