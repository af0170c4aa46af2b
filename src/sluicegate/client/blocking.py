"""The blocking client: the asynchronous one, in a thread of its own. It may be used from many threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from sluicegate.client.client import Acknowledgement, AsyncClient

T = TypeVar("T")


class Client:
    """As `AsyncClient`, with the same arguments, for programs without an event loop.

    Close it, or use it in a `with` statement: its thread ends with it. Ctrl-C in `post` lets go of the message.
    """

    def __init__(self, gateway: str, **how: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sluicegate-client", daemon=True)
        self._thread.start()
        try:
            self._client = self._run(_made(gateway, how))
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Send nothing more. What waits in other threads raises Expired. Twice is as good as once."""
        if self._thread.is_alive():
            self._run(self._client.close())
            self._end()

    @property
    def allocation(self) -> float | None:
        """See `AsyncClient.allocation`."""
        return self._client.allocation

    @property
    def waiting(self) -> int:
        """See `AsyncClient.waiting`."""
        return self._client.waiting

    def post(
        self, message: bytes, *, priority: str | None = None, deadline: float = 60.0, service: str | None = None
    ) -> Acknowledgement:
        """See `AsyncClient.post`."""
        return self._run(self._client.post(message, priority=priority, deadline=deadline, service=service))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if not self._thread.is_alive():
            work.close()
            raise RuntimeError("this client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _made(gateway: str, how: dict[str, Any]) -> AsyncClient:
    return AsyncClient(gateway, **how)
