"""Running the stand-in DSP as a process: until Ctrl-C or SIGTERM, then nothing is left."""

import asyncio
import signal
from collections.abc import Callable

import uvloop

from sluicegate.simulate.standin import StandIn, StandInSettings


def serve(settings: StandInSettings, say: Callable[[str], None]) -> None:
    """Serve until told to end; ``say`` gets a line when it listens and a line at the end.

    Raises OSError when the address cannot be had.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(settings, say))


async def _until_told(settings: StandInSettings, say: Callable[[str], None]) -> None:
    told = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, told.set)
    stand_in = await StandIn.start(settings)
    shape = settings.shape
    kind = f"{shape.capacity:g} SR/s, buffer {shape.buffer}" if shape else "unlimited"
    say(f"stand-in DSP ({kind}) listens on http://{stand_in.host}:{stand_in.port}, Ctrl-C ends it")
    await told.wait()
    status = stand_in.desk.status()
    await stand_in.stop()
    say(f"ended: served {status['served']}, refused {status['refused']}, lost {status['lost']}")
