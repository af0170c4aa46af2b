"""Server-sent events: one listener's pictures, for as long as it reads them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from sluicegate.http.bounded import ABORT
from sluicegate.log import logger
from sluicegate.operations.screens.pulse import Listener, Pulse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

UNREAD: Final = 10.0  # seconds that a browser may read nothing; then it is let go
LONGEST: Final = 300.0  # seconds: then it must come again, and show again who it is
COME_AGAIN: Final = 1000  # milliseconds
CHECK: Final = 20.0  # seconds between looks whether who looks is still signed in
SIGNED_OUT: Final = b"event: signed-out\ndata: null\n\n"


class Stream(Response):
    """The answer to one listener. It ends when the listener leaves, does not read, or is not signed in any more, and
    when the gateway stops.

    Args:
        still: whether it is still signed in.
        unread, longest, check: see UNREAD, LONGEST, CHECK.
    """

    def __init__(
        self,
        pulse: Pulse,
        listener: Listener,
        still: Callable[[], Awaitable[bool]],
        unread: float = UNREAD,
        longest: float = LONGEST,
        check: float = CHECK,
    ) -> None:
        super().__init__(media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._pulse = pulse
        self._listener = listener
        self._unread = unread
        self._longest = longest
        self._still = still
        self._check = check
        self._last_words = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        loop = asyncio.get_running_loop()
        beside = [loop.create_task(self._leave(receive)), loop.create_task(self._ask())]
        dropped = True
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            with contextlib.suppress(TimeoutError):
                await self._tell(send)
                dropped = False
        finally:
            for task in beside:
                task.cancel()
            self._pulse.leave(self._listener, dropped)
            if dropped and (abort := scope.get("extensions", {}).get(ABORT)):
                abort["now"]()  # what it has not read would be kept for it

    async def _tell(self, send: Send) -> None:
        """Picture after picture. Raises TimeoutError: it does not read them."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._longest
        begin = b"retry: %d\n\n" % COME_AGAIN
        while True:
            try:
                picture = await asyncio.wait_for(self._listener.next(), until - loop.time())
            except TimeoutError:
                picture = None
            body = begin + (b"data: %b\n\n" % picture if picture is not None else self._last_words)
            begin = b""
            async with asyncio.timeout(self._unread):
                await send({"type": "http.response.body", "body": body, "more_body": picture is not None})
            if picture is None:
                return

    async def _ask(self) -> None:
        """Ask again and again who it is, beside the pictures: they wait for no database."""
        while True:
            await asyncio.sleep(self._check)
            try:
                there = await self._still()
            except Exception:
                logger().exception("whether a listener is still signed in cannot be told")
                there = False
            if not there:
                self._last_words = SIGNED_OUT
                self._listener.end()
                return

    async def _leave(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._listener.end()
