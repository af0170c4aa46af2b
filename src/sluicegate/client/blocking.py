"""The blocking client: the asynchronous one, in a thread of its own. It may be used from many threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack

import httpx

from sluicegate.client.arguments import Service
from sluicegate.client.client import Acknowledgement, AsyncClient
from sluicegate.client.errors import Expired
from sluicegate.client.tls import Verify

T = TypeVar("T")


class Options(TypedDict, total=False):
    """The keywords of `AsyncClient`, which says what they mean."""

    classes: Sequence[str]
    bulk: Sequence[str]
    certificate: tuple[str, str] | None
    verify: Verify
    connections: int
    timeout: float
    resend: bool
    transport: httpx.AsyncBaseTransport | None


class Client:
    """As `AsyncClient`, with the same arguments, for programs without an event loop.

    Close it, or use it in a `with` statement: its thread ends with it. Ctrl-C in `post` lets go of the message.
    """

    def __init__(self, gateway: str, **how: Unpack[Options]) -> None:
        self._client = AsyncClient(gateway, **how)
        self._loop = asyncio.new_event_loop()
        self._closed = False
        self._lock = threading.Lock()  # what is handed over before `close` is known to it
        self._thread = threading.Thread(target=self._serve, name="sluicegate-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Send nothing more. What other threads wait for raises Expired. Twice is as once, and from any thread."""
        with self._lock:
            first, self._closed = not self._closed, True
            if first:
                closing = asyncio.run_coroutine_threadsafe(self._client.close(), self._loop)
                closing.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._loop.stop))
        self._thread.join()

    @property
    def allocation(self) -> float | None:
        """See `AsyncClient.allocation`."""
        return self._client.allocation

    @property
    def waiting(self) -> int:
        """See `AsyncClient.waiting`."""
        return self._client.waiting

    def post(
        self, message: bytes, *, priority: str | None = None, deadline: float = 60.0, service: Service | None = None
    ) -> Acknowledgement:
        """See `AsyncClient.post`."""
        return self._run(self._client.post(message, priority=priority, deadline=deadline, service=service))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._closed:
                work.close()
                raise Expired("the client is closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._rest())
            self._loop.close()

    async def _rest(self) -> None:
        """Whatever is left in the loop ends before it does."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
