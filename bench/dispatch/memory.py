"""How much memory the dispatcher has in use, second by second, and at most."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType

from bench.soak import Reading, read_now

LEAST_READINGS = 2


def peak_mib(pid: int) -> float:
    """The most that a process ever had resident (VmHWM), MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return peak_from(status)


def peak_from(status: str) -> float:
    """VmHWM of /proc/<pid>/status, MiB. Raises ValueError where it is not there."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no VmHWM")


class Curve:
    """Resident memory of a process once in so many seconds, while the context lasts."""

    def __init__(self, pid: int, every: float = 1.0) -> None:
        self._pid, self._every = pid, every
        self.readings: list[Reading] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Curve:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        begun = time.monotonic()
        while not self._end.is_set():
            self.readings.append(read_now(self._pid, begun))
            self._end.wait(self._every)

    def mib(self) -> list[float]:
        """MiB at each reading."""
        return [round(reading.rss_kib / 1024, 1) for reading in self.readings]
