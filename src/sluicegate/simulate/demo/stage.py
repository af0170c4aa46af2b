"""Where a burst is played: a stand-in DSP, a gateway before it, Users who send, and a pair of eyes on all of them."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sluicegate.simulate.demo.asking import asked, until_ready
from sluicegate.simulate.demo.processes import Children, free_ports, sluicegate
from sluicegate.simulate.demo.record import TICK, Moment
from sluicegate.simulate.demo.statuses import DspStatus, GatewayStatus
from sluicegate.simulate.plant import PlantShape
from sluicegate.simulate.sender import Client, Journey, Load, Outcome, send

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """On the loopback address, free a moment ago."""

    gateway: int
    admin: int
    dsp: int

    @classmethod
    def free(cls) -> "Ports":
        """Three that nobody listens on now."""
        return cls(*free_ports(3))

    @property
    def addresses(self) -> dict[str, str]:
        """As the keywords of a function that writes the gateway's configuration."""
        return {
            "listen": f"{HOST}:{self.gateway}",
            "admin": f"{HOST}:{self.admin}",
            "upstream": f"http://{HOST}:{self.dsp}",
        }


class Kept(Protocol):
    """What is kept of a run."""

    moments: list[Moment]
    journeys: Sequence[Journey]

    def seen(self, journey: Journey, sent: float, answered: float, outcome: Outcome) -> None:
        """Count one attempt."""


@dataclass(frozen=True)
class Play:
    """What is played, for how many ``seconds``: the shape of the DSP, the gateway's file, what the Users send."""

    seconds: float
    plant: PlantShape
    configuration: str
    loads: Sequence[Load]


async def play(what: Play, ports: Ports, kept: Kept, folder: Path, watch: Callable[[], None]) -> None:
    """Play it once; ``watch`` is called before, every TICK seconds, and at the end.

    Raises DidNotStartError when the gateway or the DSP does not come up, or goes down before the end. Whatever
    happens, cancellation included, no process is left behind.
    """
    watch()
    with Children(folder) as children:
        _start(children, what, ports, folder)
        clients = Client(HOST, ports.admin, 2, timeout=1.0), Client(HOST, ports.dsp, 2, timeout=1.0)
        stage = _Stage(what, kept, children, *clients, watch)
        try:
            await stage.ready()
            await stage.play()
        finally:
            stage.close()


def _start(children: Children, what: Play, ports: Ports, folder: Path) -> None:
    plant = what.plant
    file = folder / "sluicegate.toml"
    file.write_text(what.configuration, encoding="utf-8")
    figures = {
        "--listen": f"{HOST}:{ports.dsp}",
        "--capacity": f"{plant.capacity:g}",
        "--buffer": f"{plant.buffer}",
        "--outage-after": f"{plant.outage_after:g}",
        "--restart": f"{plant.restart:g}",
    }
    options = [part for option in figures.items() for part in option]
    children.start("stand-in DSP", sluicegate("stand-in", "dsp", *options))
    children.start("gateway", sluicegate("serve", "--config", str(file)))


@dataclass(frozen=True)
class _Stage:
    """All that takes part in one run, once its processes are started."""

    what: Play
    kept: Kept
    children: Children
    admin: Client
    dsp: Client
    watch: Callable[[], None]

    async def ready(self) -> None:
        await until_ready(self.children, ((self.dsp, "/stand-in/status"), (self.admin, "/readyz")))

    async def play(self) -> None:
        start = asyncio.get_running_loop().time() + TICK
        looking = asyncio.create_task(self._look(start))
        sending = asyncio.create_task(send(self.what.loads, start, self.what.seconds, self.kept.seen))
        try:
            await asyncio.wait({looking, sending}, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()  # it never ends but by an error
            self.kept.journeys = await sending
        finally:
            looking.cancel()
            sending.cancel()
            await asyncio.gather(looking, sending, return_exceptions=True)
        self.watch()

    async def _look(self, start: float) -> None:
        loop = asyncio.get_running_loop()
        now = Moment(0.0, GatewayStatus(), DspStatus())
        for tick in itertools.count():
            await asyncio.sleep(max(0.0, start + tick * TICK - loop.time()))
            self.children.check()
            gateway, plant = await asyncio.gather(
                asked(self.admin, "/api/v1/status"), asked(self.dsp, "/stand-in/status")
            )
            now = replace(now, at=loop.time() - start)
            if gateway is not None:
                now = replace(now, gateway=GatewayStatus.read(gateway))
            if plant is not None:
                now = replace(now, dsp=DspStatus.read(plant))
            self.kept.moments.append(now)
            self.watch()

    def close(self) -> None:
        for client in (self.admin, self.dsp, *(load.client for load in self.what.loads)):
            client.close()
