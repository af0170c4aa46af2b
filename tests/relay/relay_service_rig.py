"""A whole relay in an event loop, with real sockets: senders before it, a gateway and a callback behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families
from relay_rig import CLASSES, PATIENCE, response

from sluicegate.cli import main
from sluicegate.http.call import Answer
from sluicegate.http.post import Caller
from sluicegate.relay.service import RelayService
from sluicegate.settings import Upstream, parse_relay


class Waits:
    """Of connections, in seconds."""

    upstream_connect = 2.0
    upstream_idle = 5.0


@dataclass
class Came:
    """A request as it came, and what it got."""

    line: str
    fields: dict[str, str]
    body: bytes
    answer: tuple[int, dict[str, str], bytes] | None = None


@dataclass
class Server:
    """Answers what its script says; a real socket, read with no library of ours."""

    script: Callable[[Came], Any] = lambda _: None
    came: list[Came] = field(default_factory=list)

    async def start(self) -> Server:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
                }
                came = Came(head[0], fields, await reader.readexactly(int(fields["content-length"])))
                self.came.append(came)
                told = self.script(came)
                if asyncio.iscoroutine(told):
                    told = await told
                if told is None:
                    answer = response(came.body)
                    told = 200, {"Content-Type": "application/xml", "X-Dsp": "Seen"}, answer.body
                came.answer = told
                status, more, body = told
                lines = [
                    f"HTTP/1.1 {status} Whatever",
                    *(f"{n}: {v}" for n, v in more.items()),
                    f"Content-Length: {len(body)}",
                ]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class House:
    """Everything around a relay, and the relay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services: list[tuple[RelayService, asyncio.Task[None]]] = []
        self.servers: list[Server] = []
        self.callers: list[Caller] = []

    async def server(self, script: Callable[[Came], Any] = lambda _: None) -> Server:
        made = await Server(script).start()
        self.servers.append(made)
        return made

    async def relay(self, gateway: int, text: str = "", classes: str = CLASSES) -> RelayService:
        """Start one."""
        whole = (
            f'[relay]\nuser = "Large Supplier A"\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n'
            f'gateway = "http://127.0.0.1:{gateway}/base"\n{text}\n{classes}'
        )
        return await self.start(whole)

    async def start(self, whole: str) -> RelayService:
        service, ready = RelayService(parse_relay(whole, base=self.folder)), asyncio.Event()
        task = asyncio.get_running_loop().create_task(service.run(ready.set))
        waits = asyncio.create_task(ready.wait())
        await asyncio.wait([waits, task], return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        if task.done():
            task.result()
        self.services.append((service, task))
        self._send, self._admin = (self._caller(port) for port in (service.port, service.admin_port))
        return service

    def _caller(self, port: int) -> Caller:
        self.callers.append(Caller(asyncio.get_running_loop(), Upstream("http", "127.0.0.1", port), Waits(), None))
        return self.callers[-1]

    async def send(self, body: bytes, path: str = "/api/v1/serviceS", **fields: str) -> Answer:
        """POST a message; `_` in the name of a field is `-`."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return await self._send.post(path, body, {"Content-Type": "application/xml", **named}, PATIENCE)

    async def got(self, path: str) -> Answer:
        return await self._admin.get(path, PATIENCE)

    async def ask(self, path: str) -> Any:
        answer = await self.got(path)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    async def of_class(self, name: str) -> dict[str, Any]:
        """A class as the status shows it."""
        status = await self.ask("/api/v1/status")
        return next(one for one in status["classes"] if one["name"] == name)  # type: ignore[no-any-return]

    async def metrics(self) -> dict[tuple[str, ...], float]:
        text = (await self.got("/metrics")).body.decode()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def cli(self, *words: str, admin: bool = True) -> Result:
        """`sluicegate relay WORDS`."""
        more = ["--admin", f"127.0.0.1:{self.services[-1][0].admin_port}"] if admin else []
        return await asyncio.to_thread(CliRunner().invoke, main, ["relay", *words, *more])

    async def stop_relay(self) -> None:
        for caller in self.callers:
            caller.cut()
        for service, task in self.services:
            service.stop()
            await task
        self.services.clear()

    async def close_all(self) -> None:
        await self.stop_relay()
        for server in self.servers:
            await server.stop()
