"""One run: gateway, dispatcher, two CSPs, the Users' endpoint and a sender; north goes down and comes back."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sluicegate.duis import read_header
from sluicegate.simulate.demo.asking import asked, until_ready
from sluicegate.simulate.demo.outage.record import TICK, Moment, OutageRecord, Watch
from sluicegate.simulate.demo.outage.scenario import (
    BULK,
    FLOWS,
    NORTH,
    SOUTH,
    TOP_UPS,
    OutageScenario,
    Ports,
    configuration,
)  # fmt: skip
from sluicegate.simulate.demo.outage.statuses import DispatcherStatus, refused_by_csp
from sluicegate.simulate.demo.processes import Children, DidNotStartError, free_ports, sluicegate
from sluicegate.simulate.demo.statuses import json_object, number
from sluicegate.simulate.messages import Letters
from sluicegate.simulate.sender import Client, Load, NoAnswerError, RetryHabit, send

_HOST = "127.0.0.1"
_CONNECTIONS = 100  # of each flow: never the sender paces
_LATENCY = "0.03,0.01"  # seconds, of both CSPs
_HABIT = RetryHabit(tries=20)
_PAGE = 2000
_RETURNED = ("E20", "E21")


async def run(scenario: OutageScenario, folder: Path, watch: Watch) -> OutageRecord:
    """Play ``scenario`` once; ``watch`` is called with the record every TICK seconds.

    Raises DidNotStartError when a process does not come up, or goes down before the end. Whatever happens,
    cancellation included, no process is left behind.
    """
    ports = Ports(*free_ports(9))
    record = OutageRecord(scenario)
    watch(record)
    with Children(folder) as children:
        _start(children, scenario, ports, folder)
        stage = _Stage(record, children, _Clients.of(ports), _loads(record, ports.gateway), watch)
        try:
            await stage.ready()
            await stage.play()
        finally:
            stage.close()
    return record


def _start(children: Children, scenario: OutageScenario, ports: Ports, folder: Path) -> None:
    file = folder / "sluicegate.toml"
    file.write_text(configuration(scenario, ports, folder / "dispatch.db"), encoding="utf-8")
    for name, port, control in (
        (NORTH, ports.north, ports.north_control),
        (SOUTH, ports.south, ports.south_control),
    ):
        listening = ("--name", name, "--listen", f"{_HOST}:{port}", "--control", f"{_HOST}:{control}")
        outcomes = ("--outcome", f"http://{_HOST}:{ports.dispatcher}/api/v1/responses")
        children.start(f"CSP {name}", sluicegate("stand-in", "csp", *listening, "--latency", _LATENCY, *outcomes))
    children.start("Users' endpoint", sluicegate("stand-in", "user", "--listen", f"{_HOST}:{ports.user}"))
    children.start("dispatcher", sluicegate("dispatch", "--config", str(file)))
    children.start("gateway", sluicegate("serve", "--config", str(file)))


def _loads(record: OutageRecord, port: int) -> list[Load]:
    return [
        Load(record.scenario.times(number), _composer(record, number), Client(_HOST, port, _CONNECTIONS), _HABIT)
        for number in range(len(FLOWS))
    ]


def _composer(record: OutageRecord, number: int) -> Callable[[], tuple[str, bytes]]:
    flow, scenario = FLOWS[number], record.scenario
    user = scenario.users[flow.user]
    srvs = TOP_UPS if flow.urgent else BULK
    letters = Letters(user.eui64, user.version, srvs, f"{scenario.seed} {number}", flow.devices)

    def compose() -> tuple[str, bytes]:
        path, message = letters.next()
        header = read_header(message, complete=True)
        assert header is not None  # noqa: S101 - a complete message is read or malformed
        record.request_ids[number].append(header.request_id)
        return path, message

    return compose


@dataclass(frozen=True)
class _Clients:
    """For asking and telling."""

    gateway: Client
    dispatcher: Client
    north: Client
    south: Client
    user: Client

    @classmethod
    def of(cls, ports: Ports) -> "_Clients":
        asked_at = (
            ports.gateway_admin, ports.dispatcher_admin, ports.north_control, ports.south_control, ports.user,
        )  # fmt: skip
        return cls(*(Client(_HOST, port, 2, timeout=2.0) for port in asked_at))

    def close(self) -> None:
        for client in (self.gateway, self.dispatcher, self.north, self.south, self.user):
            client.close()


class _Stage:
    """All that takes part, once its processes are started."""

    def __init__(
        self, record: OutageRecord, children: Children, clients: _Clients, loads: list[Load], watch: Watch
    ) -> None:
        self._record, self._children, self._clients = record, children, clients
        self._loads, self._watch = loads, watch
        self._loop = asyncio.get_running_loop()
        self._start = 0.0
        self._start_of_day = 0.0  # the same moment, in seconds since 1970

    async def ready(self) -> None:
        clients = self._clients
        await until_ready(
            self._children,
            (
                (clients.north, "/stand-in/status"),
                (clients.south, "/stand-in/status"),
                (clients.user, "/stand-in/status"),
                (clients.dispatcher, "/readyz"),
                (clients.gateway, "/readyz"),
            ),
        )

    async def play(self) -> None:
        self._start = self._loop.time() + TICK
        self._start_of_day = time.time() + TICK
        looking = asyncio.create_task(self._look())
        playing = asyncio.create_task(self._send_and_settle())
        outage = asyncio.create_task(self._outage())
        try:
            await asyncio.wait({looking, playing}, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()  # it never ends but by an error
            await playing
            await outage
        finally:
            tasks = (looking, playing, outage)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._gather()
        self._watch(self._record)

    def _now(self) -> float:
        return self._loop.time() - self._start

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._now()))

    async def _send_and_settle(self) -> None:
        record, scenario = self._record, self._record.scenario
        record.journeys = await send(self._loads, self._start, scenario.seconds, record.seen)
        until = self._now() + scenario.settle_seconds
        while self._now() < until:
            looked = record.last.at
            while record.last.at <= looked + TICK:  # two looks: what has just been taken may not be seen in the first
                await asyncio.sleep(TICK / 2)
            if not record.last.dispatcher.open and not await self._outcomes_waiting():
                return

    async def _outcomes_waiting(self) -> float:
        """What the CSPs have executed, and have not told yet."""
        waiting = 0.0
        for client in (self._clients.north, self._clients.south):
            body = await asked(client, "/stand-in/status")
            waiting += number(json_object(body).get("outcomes"), "waiting") if body is not None else 1
        return waiting

    async def _outage(self) -> None:
        record, scenario = self._record, self._record.scenario
        await self._until(scenario.down_at)
        await self._control("down")
        record.down_at = self._now()
        record.say(record.down_at, "North goes down: its connections are reset, new ones refused")
        await self._until(scenario.up_at)
        await self._control("up")
        record.up_at = self._now()
        record.say(record.up_at, "North is back: the next probe will find out")

    async def _control(self, state: str) -> None:
        body = json.dumps({"state": state}).encode()
        try:
            answer = await self._clients.north.post("/stand-in/control", body, "application/json")
        except NoAnswerError as error:
            raise DidNotStartError(f"the stand-in CSP north could not be told to be {state}: {error}") from None
        if answer.status != 200:
            raise DidNotStartError(f"the stand-in CSP north refused to be {state}: {answer.body!r:.200}")

    async def _look(self) -> None:
        record, clients = self._record, self._clients
        now = Moment()
        for tick in itertools.count():
            await self._until(tick * TICK)
            self._children.check()
            dispatcher, gateway = await asyncio.gather(
                asked(clients.dispatcher, "/api/v1/status"), asked(clients.gateway, "/api/v1/status")
            )
            now = replace(now, at=self._now())
            if dispatcher is not None:
                now = replace(now, dispatcher=DispatcherStatus.read(dispatcher))
            if gateway is not None:
                now = replace(now, refused=refused_by_csp(gateway))
            record.look(now)
            self._watch(record)

    async def _gather(self) -> None:
        """What the CSPs executed, and what the Users were told: from themselves, not from the dispatcher."""
        record = self._record
        for client in (self._clients.north, self._clients.south):
            status = json_object(await _page(client, "/stand-in/status"))
            record.executed_twice += int(number(status, "executed_twice"))
            async for row in _rows(client, "requests"):
                record.repeated += int(number(row, "count")) - 1
                if row.get("executed") is True:
                    record.executed[str(row.get("request_id"))] = number(row, "first") - self._start_of_day
        async for row in _rows(self._clients.user, "responses"):
            code, request_id = row.get("code"), str(row.get("request_id"))
            if code == "I0":
                record.outcomes.add(request_id)
            elif code in _RETURNED:
                record.returned.add(request_id)

    def close(self) -> None:
        self._clients.close()
        for load in self._loads:
            load.client.close()


async def _rows(client: Client, listing: str) -> AsyncIterator[dict[str, Any]]:
    since = 0
    while True:
        page = json_object(await _page(client, f"/stand-in/{listing}?since={since}&limit={_PAGE}"))
        rows = [row for row in page.get(listing, ()) if isinstance(row, dict)]
        for row in rows:
            yield row
        if not rows:
            return
        since = int(number(page, "next"))


async def _page(client: Client, path: str) -> bytes:
    body = await asked(client, path)
    if body is None:
        raise DidNotStartError(f"a stand-in did not answer at {path}")
    return body
