"""How late an event loop comes to its turn: what the machine's own scheduling costs, at the very time."""

from __future__ import annotations

import asyncio
import time
from typing import Final

TICK: Final = 0.002  # seconds
NOTED: Final = 0.004  # seconds: less than that is not kept


class Lag:
    """Ticks in the running loop, and keeps when a tick came late, and by how much."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK)
            now = time.monotonic()
            if now - before - TICK > NOTED:
                self._late.append((now, now - before - TICK))

    def taken(self) -> list[tuple[float, float]]:
        """(when it was over, seconds), of those since this was asked last."""
        late, self._late = self._late, []
        return late
