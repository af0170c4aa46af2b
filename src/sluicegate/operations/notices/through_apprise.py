"""A channel through Apprise: Teams, Slack, and what else it knows. It blocks, so each attempt has a thread of its own.

One at a time for each channel, also where an attempt outlives its time: a channel that hangs has one thread, no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from threading import Thread
from typing import Final

from sluicegate.operations.notices.notice import Notice
from sluicegate.operations.notices.ways import NotDelivered

_QUIET: Final = logging.getLogger("apprise")


class ThroughApprise:
    """One Apprise URL.

    Args:
        url: a secret.
        source: who tells.
        timeout: seconds for an attempt.

    Raises:
        ValueError: Apprise is not installed, or does not know such a URL.
    """

    def __init__(self, url: str, source: str, timeout: float) -> None:
        try:
            import apprise  # noqa: PLC0415 - an extra
        except ImportError:
            raise ValueError("Apprise is not installed: install 'sluicegate[apprise]'") from None
        _QUIET.setLevel(logging.CRITICAL)  # it would log addresses with what is secret in them
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise ValueError("Apprise does not know what to do with this URL")
        self._kinds = {"100%": apprise.NotifyType.WARNING, "active": apprise.NotifyType.WARNING}
        self._usual = apprise.NotifyType.INFO
        self._source = source
        self._timeout = timeout
        self._thread: Thread | None = None

    async def deliver(self, notice: Notice, at: float) -> None:  # noqa: ARG002 - a Way's
        """One attempt. Raises NotDelivered."""
        if self._thread is not None and self._thread.is_alive():
            raise NotDelivered("Apprise: the last attempt has not ended yet")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def run() -> None:
            why = self._notify(notice)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_tell, answer, why)

        self._thread = Thread(target=run, name="apprise", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(self._timeout):
                why = await answer
        except TimeoutError:
            raise NotDelivered(f"Apprise: not delivered within {self._timeout:g} s") from None
        if why:
            raise NotDelivered(f"Apprise: {why}")

    def _notify(self, notice: Notice) -> str:
        """In the thread: why it did not work; empty where it did."""
        told = notice.told
        kind = self._kinds.get(notice.kind, self._usual)
        try:
            done = self._apprise.notify(body=told["text"], title=f"[{self._source}] {told['title']}", notify_type=kind)
        except Exception as error:  # of some hundred services' code: its text may hold the URL
            return type(error).__name__
        return "" if done else "it was not taken"


def _tell(answer: asyncio.Future[str], why: str) -> None:
    if not answer.done():
        answer.set_result(why)
