"""A file with a line for each arrival, for campaigns: it outlives the processes that the stand-in is tested with.

A line is ``TIME first|again REQUESTID ATTEMPT marked|- KIND``: seconds since 1970 UTC, whether the RequestID was here
before, `Sluicegate-Attempt` (0: not said), `Sluicegate-Repeat`, and what was decided: how it is to be answered.
"""

import asyncio
from pathlib import Path

FLUSHED_AFTER = 0.1


class Journal:
    """Lines leave for the file after 0.1 s at most. When that fails, ``failure`` says why, and no more is written."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path) -> None:
        """Append to the file at ``path``. Raises OSError if it cannot be opened."""
        self._loop = loop
        self._file = path.open("ab", buffering=0)
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self.failure: str | None = None

    def note(self, now: float, again: bool, stated: str, attempt: int, marked: bool, kind: str) -> None:
        """One arrival."""
        if self.failure is not None:
            return
        word, mark = "again" if again else "first", "marked" if marked else "-"
        self._lines.append(f"{now:.3f} {word} {stated} {attempt} {mark} {kind}\n")
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSHED_AFTER, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        octets = memoryview("".join(self._lines).encode("ascii"))
        self._lines.clear()
        try:
            while octets and self.failure is None:
                octets = octets[self._file.write(octets) :]
        except OSError as error:
            self.failure = f"cannot be written: {error.strerror or error}"

    def close(self) -> None:
        """Write what waits, and close the file."""
        self.flush()
        self._file.close()
