"""Running a stand-in as a process: until Ctrl-C or SIGTERM, then nothing is left."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

import uvloop

from sluicegate.simulate.standin import StandIn, StandInSettings

Say = Callable[[str], None]


class Serving(Protocol):
    """A stand-in that listens."""

    def heading(self) -> str:
        """What it is, and where it listens."""

    def summary(self) -> str:
        """What has happened so far."""

    async def stop(self) -> None:
        """Stop listening, and cut every connection."""


def serve(settings: StandInSettings, say: Say) -> None:
    """A stand-in DSP, until told to end; ``say`` gets a line when it listens and a line at the end.

    Raises OSError when the address cannot be had.
    """
    serve_started(lambda: StandIn.start(settings), say)


def serve_started(start: Callable[[], Awaitable[Serving]], say: Say) -> None:
    """Any stand-in, likewise: ``start`` makes it. Raises what ``start`` raises."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(start, say))


async def _until_told(start: Callable[[], Awaitable[Serving]], say: Say) -> None:
    told = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, told.set)
    stand_in = await start()
    say(f"{stand_in.heading()}, Ctrl-C ends it")
    await told.wait()
    await stand_in.stop()
    say(f"ended: {stand_in.summary()}")
