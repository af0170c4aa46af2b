"""A demonstration ends at the first Ctrl-C, having ended what it started."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Played = TypeVar("Played")


class InterruptedDemoError(Exception):
    """Ctrl-C, or another signal that ends a process. Everything that was started has been ended."""


def to_the_end(play: Callable[[], Awaitable[Played]]) -> Played:
    """Run it in an event loop of its own. A signal cancels it: raises InterruptedDemoError then."""

    async def whole() -> Played:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a coroutine
        for ending in _ENDING:
            if signal.getsignal(ending) is not signal.SIG_IGN:  # nohup, or a job in the background
                loop.add_signal_handler(ending, task.cancel)
        return await play()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(whole())
        except asyncio.CancelledError:
            raise InterruptedDemoError from None
