"""What a service does beside its requests: its background tasks, and what is due again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.writer import Writer
from sluicegate.log import logger
from sluicegate.settings.dispatching import Retention

PURGED_AT_ONCE = 500


class Rounds:
    """Background tasks of one service. Used within the event loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._rounds: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Let it run beside; it is held until it ends (the loop itself holds tasks weakly)."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do it again and again, so many seconds after it was done last, whatever happens in it."""
        self._rounds.append(self.spawn(self._again(seconds, work)))

    async def _again(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except StoreError:
                pass  # the writer has said so
            except Exception:  # deadlines and retries hang on these rounds: they go on whatever happens in them
                logger().exception("a periodic task failed", task=work.__name__)

    def stop(self) -> None:
        """No more rounds; what was spawned goes on."""
        for task in self._rounds:
            task.cancel()

    async def ended(self, timeout: float) -> None:
        """Wait until all has ended, for so many seconds at the most."""
        await asyncio.wait(list(self._tasks), timeout=timeout)


async def purge(writer: Writer, retention: Retention, at: float) -> None:
    """Delete what need not be kept any more, a little at a time. `at`: seconds since 1970 UTC. Raises StoreError."""
    bodies, rows = at - retention.body_hours * 3600, at - retention.remember_days * 86_400
    while await writer.do(lambda transaction: transaction.purge(bodies, rows, PURGED_AT_ONCE)):
        await asyncio.sleep(0.05)  # others want to write, too
