"""One run: a stand-in DSP, a gateway before it, six Users, and a pair of eyes on all of them."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sluicegate.simulate.demo.asking import asked, until_ready
from sluicegate.simulate.demo.processes import Children, free_ports, sluicegate
from sluicegate.simulate.demo.record import TICK, Moment, RunRecord
from sluicegate.simulate.demo.scenario import Scenario, configuration
from sluicegate.simulate.demo.statuses import DspStatus, GatewayStatus
from sluicegate.simulate.messages import Letters
from sluicegate.simulate.sender import Client, Load, RetryHabit, send

_CONNECTIONS = 500  # of each User: more than the DSP can hold, so that it is never our sender that paces
_HOST = "127.0.0.1"

Watch = Callable[[RunRecord], None]


@dataclass(frozen=True)
class _Ports:
    gateway: int
    admin: int
    dsp: int


async def run(scenario: Scenario, *, enforce: bool, folder: Path, watch: Watch) -> RunRecord:
    """Play ``scenario`` once; ``watch`` is called with the record every TICK seconds.

    Raises DidNotStartError when the gateway or the DSP does not come up, or goes down before the end. Whatever
    happens, cancellation included, no process is left behind.
    """
    ports = _Ports(*free_ports(3))
    record = RunRecord(scenario, enforce)
    watch(record)
    with Children(folder) as children:
        _start(children, scenario, ports, folder, enforce=enforce)
        stage = _Stage(
            record,
            children,
            Client(_HOST, ports.admin, 2, timeout=1.0),
            Client(_HOST, ports.dsp, 2, timeout=1.0),
            _loads(scenario, ports.gateway),
            watch,
        )
        try:
            await stage.ready()
            await stage.play()
        finally:
            stage.close()
    return record


def _start(children: Children, scenario: Scenario, ports: _Ports, folder: Path, *, enforce: bool) -> None:
    plant = scenario.plant
    file = folder / "sluicegate.toml"
    file.write_text(
        configuration(
            scenario,
            enforce=enforce,
            listen=f"{_HOST}:{ports.gateway}",
            admin=f"{_HOST}:{ports.admin}",
            upstream=f"http://{_HOST}:{ports.dsp}",
        ),
        encoding="utf-8",
    )
    figures = {
        "--listen": f"{_HOST}:{ports.dsp}",
        "--capacity": f"{plant.capacity:g}",
        "--buffer": f"{plant.buffer}",
        "--outage-after": f"{plant.outage_after:g}",
        "--restart": f"{plant.restart:g}",
    }
    options = [part for option in figures.items() for part in option]
    children.start("stand-in DSP", sluicegate("stand-in", "dsp", *options))
    children.start("gateway", sluicegate("serve", "--config", str(file)))


def _loads(scenario: Scenario, port: int) -> list[Load]:
    return [
        Load(
            scenario.times(number),
            Letters(user.eui64, user.version, user.srvs, seed=f"{scenario.seed} {number}").next,
            Client(_HOST, port, _CONNECTIONS),
            RetryHabit(),
        )
        for number, user in enumerate(scenario.users)
    ]


@dataclass(frozen=True)
class _Stage:
    """All that takes part in one run, once its processes are started."""

    record: RunRecord
    children: Children
    admin: Client
    dsp: Client
    loads: Sequence[Load]
    watch: Watch

    async def ready(self) -> None:
        await until_ready(self.children, ((self.dsp, "/stand-in/status"), (self.admin, "/readyz")))

    async def play(self) -> None:
        start = asyncio.get_running_loop().time() + TICK
        looking = asyncio.create_task(self._look(start))
        seconds = self.record.scenario.seconds
        sending = asyncio.create_task(send(self.loads, start, seconds, self.record.seen))
        try:
            await asyncio.wait({looking, sending}, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()  # it never ends but by an error
            self.record.journeys = await sending
        finally:
            looking.cancel()
            sending.cancel()
            await asyncio.gather(looking, sending, return_exceptions=True)
        self.watch(self.record)

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
            self.record.moments.append(now)
            self.watch(self.record)

    def close(self) -> None:
        for client in (self.admin, self.dsp, *(load.client for load in self.loads)):
            client.close()
