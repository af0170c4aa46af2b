"""Logs: structured lines that are written beside the event loop, and never hold it up.

A line is put on a bounded queue; a thread writes it. A full disk, a reader that is gone or one that does not read costs
lines, which are counted, and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from datetime import UTC, datetime
from logging.handlers import QueueHandler
from queue import Full, Queue, SimpleQueue
from threading import Thread
from typing import TextIO

import structlog

MOST_LINES = 10_000


class BoundedQueue(QueueHandler):
    """A handler that drops what does not fit, and counts it."""

    def __init__(self, queue: Queue[logging.LogRecord | None]) -> None:
        super().__init__(queue)
        self.dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put a line on the queue, if there is room."""
        try:
            self.queue.put_nowait(record)
        except Full:
            self.dropped += 1


class _Line(logging.Formatter):
    """Our own lines are rendered already; those of libraries become lines of the same form."""

    def __init__(self, renderer: structlog.typing.Processor) -> None:
        super().__init__()
        self._renderer = renderer

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if record.name.partition(".")[0] == "sluicegate":
            return record.getMessage()
        told: structlog.typing.EventDict = {"event": record.getMessage(), "logger": record.name}
        told["level"] = record.levelname.lower()
        told["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return str(self._renderer(None, record.name, told))


class Log:
    """The process's log: JSON lines (or a terminal's colours) to a stream, from a thread of its own."""

    def __init__(self, stream: TextIO | None = None, json_lines: bool | None = None) -> None:
        self._stream = stream or sys.stderr
        self._queue: Queue[logging.LogRecord | None] = Queue(MOST_LINES)
        self.handler = BoundedQueue(self._queue)
        self._done: SimpleQueue[None] = SimpleQueue()
        as_json = not self._stream.isatty() if json_lines is None else json_lines
        renderer: structlog.typing.Processor = (
            structlog.processors.JSONRenderer()
            if as_json
            else structlog.dev.ConsoleRenderer(colors=self._stream.isatty())
        )
        shared: list[structlog.typing.Processor] = [
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        structlog.configure(
            processors=[*shared, structlog.processors.format_exc_info, renderer],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=False,
        )
        self.handler.setFormatter(_Line(renderer))
        ours = logging.getLogger("sluicegate")
        ours.handlers[:] = [self.handler]
        ours.setLevel(logging.INFO)
        ours.propagate = False
        logging.getLogger().addHandler(self.handler)  # what libraries say must not be written in the event loop, either
        self._thread = Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def _write(self) -> None:
        while True:
            record = self._queue.get()
            if record is None:
                self._done.put(None)
                return
            try:
                self._stream.write(record.getMessage() + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # the disk is full, or the reader is gone
                self.handler.dropped += 1

    def close(self, patience: float = 1.0) -> None:
        """Write what waits, for at most so many seconds."""
        logging.getLogger().removeHandler(self.handler)
        with contextlib.suppress(Full):
            self._queue.put(None, timeout=patience)
            self._thread.join(patience)
        if self._thread.is_alive():  # it hangs in a write: nothing may wait for it
            with contextlib.suppress(OSError, ValueError):
                os.set_blocking(self._stream.fileno(), False)


def logger() -> structlog.stdlib.BoundLogger:
    """The logger of the gateway's events."""
    made: structlog.stdlib.BoundLogger = structlog.get_logger("sluicegate")
    return made
