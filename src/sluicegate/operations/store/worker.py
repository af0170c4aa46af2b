"""One thread that has the database: nothing that happens to it holds up the event loop, and so no decision.

Work waits in a bounded queue, for a bounded time. A database that fails is tried again; until it is back, whoever asks
is told at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar

from sluicegate.database.errors import StoreError
from sluicegate.log import logger
from sluicegate.operations.store.store import OperationsStore

T = TypeVar("T")

MOST_WAITING: Final = 64
PATIENCE: Final = 10.0  # seconds, in the queue and at work
REST: Final = 1.0  # seconds between attempts to open what cannot be opened


class Unavailable(Exception):  # noqa: N818 - named after what it is
    """The database cannot be asked now. `str()` says why, for the operator's eyes."""


class InDoubt(Unavailable):
    """It did not answer in time, or broke off: whether what was to be changed is changed is not known."""


class _Job(NamedTuple):
    work: Callable[[OperationsStore], Any]
    answer: asyncio.Future[Any]


class Worker:
    """The thread.

    Args:
        where: the database, as `OperationsStore` takes it.

    Attributes:
        failing: why it cannot be used now; empty where it can, as far as is known. What could not be changed fails
            until something is: that the same database can be read says nothing of a full disk.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting = 0
        self._store: OperationsStore | None = None
        self._again_at = 0.0
        self.failing = "it has not been opened yet"
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._run, name="operations", daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[OperationsStore], T], patience: float = PATIENCE) -> T:
        """Have something done in the thread. Raises Unavailable, and what `work` raises of its own."""
        if self._waiting >= MOST_WAITING:
            raise Unavailable("too much waits for it")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._waiting += 1
        answer.add_done_callback(self._one_less)
        self._jobs.put(_Job(work, answer))
        try:
            async with asyncio.timeout(patience):
                return await answer
        except TimeoutError:
            raise InDoubt(f"it does not answer within {patience:g} s") from None

    def _one_less(self, _: object) -> None:
        self._waiting -= 1

    def close(self) -> None:
        """No more work. What is under way ends, or ends with the process."""
        self._jobs.put(None)

    async def ended(self, patience: float) -> None:
        """Wait until what was under way is done, for so many seconds."""
        until = monotonic() + patience
        while self._thread.is_alive() and monotonic() < until:
            await asyncio.sleep(0.01)

    # --- in the thread

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.answer.cancelled():
                continue  # nobody waits for it any more
            result, error = self._done(job)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(_tell, job.answer, result, error)
        if self._store is not None:
            self._store.close()

    def _done(self, job: _Job) -> tuple[Any, Exception | None]:
        try:
            result = job.work(self._opened())
        except StoreError as error:
            self._fails(str(error))
            return None, InDoubt(str(error))
        except Unavailable as error:
            return None, error
        except Exception as error:  # the work's own: a conflict, or a mistake of ours
            self._works()
            return None, error
        self._works()
        return result, None

    def _opened(self) -> OperationsStore:
        if self._store is None:
            if monotonic() < self._again_at:
                raise Unavailable(self.failing)
            self._again_at = monotonic() + REST
            try:
                self._store = OperationsStore(self._where)
            except StoreError as error:
                self._fails(str(error))
                self._again_at = monotonic() + REST
                raise Unavailable(str(error)) from None
        return self._store

    def _fails(self, why: str) -> None:
        if why != self.failing:
            logger().error("the operations database fails", why=why)
        self.failing = why

    def _works(self) -> None:
        if self._store is not None and not self._store.takes_changes:
            return
        if self.failing:
            logger().info("the operations database works", database=self._store.name if self._store else None)
        self.failing = ""


def _tell(answer: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
