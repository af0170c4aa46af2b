"""A real dispatcher in an event loop, and everything around it: CSPs, Users' endpoints, a store, an operator."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import uvloop
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from postgres import Server
from sluicegate.cli import main
from sluicegate.dispatch.fitting import Waits
from sluicegate.dispatch.service import Dispatcher
from sluicegate.duis import compose_request, compose_response, read_header, read_response
from sluicegate.http.call import Answer
from sluicegate.http.post import Caller
from sluicegate.settings import Settings, Upstream, parse
from sluicegate.simulate.answering import Request
from sluicegate.simulate.messages import response
from sluicegate.simulate.standin_csp import Behaviour, CspSettings, StandInCsp, StandInUser
from sluicegate.simulate.standin_csp import Settings as UserSettings
from sluicegate.simulate.standin_csp.outcomes import Outcomes

PATIENCE, WHOLE = 60.0, 120.0
"""Seconds for what a test waits for, and for a whole test."""

LARGE, SMALL, NONE = "Large Supplier A", "Small Supplier C", "Newcomer D"
"""Users with an allocation of 300 SR/s, of 100, and of none."""
IDS = {LARGE: "90-B3-D5-1F-30-01-00-00", SMALL: "90-B3-D5-1F-30-03-00-00", NONE: "90-B3-D5-1F-30-04-00-00"}
ALLOCATIONS = {LARGE: 300, SMALL: 100, NONE: 0}
DSP = "90-B3-D5-1F-30-00-00-02"
PREFIXES = {"north": "00-DB-12", "south": "00-DC-34"}
NOWHERE = "00-DD-56-00-00-00-00-01"

TOP_UP, BULK = "2.2", "4.1.1"
"""An urgent SRV, and one that is not."""
TOP_UPS_FIRST = [{"name": "top-ups", "srvs": [TOP_UP]}]

EAGER = {"first": 0.05, "factor": 1, "jitter": 0, "ceiling": 0.05, "attempts": 200}
CSP: dict[str, Any] = {
    "concurrency": 8,
    "rate": 10_000,
    "slow_start_seconds": 0,
    "timeout": 5,
    "retry": EAGER,
    "circuit": {"failures": 10_000, "pause": 0.1, "longest_pause": 0.1},
}
"""Tries again at once, and is never left alone, unless a test says otherwise."""

T = TypeVar("T")
Json = dict[str, Any]


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own. Whatever the loop had to report fails it."""

    @functools.wraps(test)
    def run(**given: Any) -> None:
        unhandled: list[str] = []

        async def whole() -> None:
            asyncio.get_running_loop().set_exception_handler(
                lambda _loop, said: unhandled.append(f"{said.get('message')}: {said.get('exception')!r}")
            )
            try:
                async with asyncio.timeout(WHOLE):
                    await test(**given)
            finally:
                for one in given.values():
                    if isinstance(one, World):
                        await one.close()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole())
        assert unhandled == []

    return run


async def until(condition: Callable[[], T | Awaitable[T]], what: str = "") -> T:
    """The condition's value, once it is true."""
    end = monotonic() + PATIENCE
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert monotonic() < end, what or condition
        await asyncio.sleep(0.005)


async def turns(count: int = 50) -> None:
    """Let the event loop do what it has at hand: long enough for anything that waits for nothing."""
    for _ in range(count):
        await asyncio.sleep(0.001)


def device(number: int, region: str = "north") -> str:
    """The EUI-64 of a device."""
    return f"{PREFIXES[region]}-00-00-00-{number.to_bytes(2, 'big').hex('-').upper()}"


def sr(target: str, counter: int, user: str = LARGE, srv: str = TOP_UP, **how: Any) -> bytes:
    """A Service Request."""
    return compose_request(IDS.get(user, user), target, counter, srv, **how)


def request_id(target: str, counter: int, user: str = LARGE) -> str:
    """The RequestID of `sr`."""
    return f"{IDS.get(user, user)}:{target}:{counter}"


def firmware(devices: Iterable[str], counter: int = 1, image: int = 100) -> bytes:
    """A firmware message with an image of so many octets."""
    inside = (
        f"<sr:UpdateFirmware><sr:FirmwareImage>{'A' * image}</sr:FirmwareImage><sr:FirmwareVersion>00000000"
        f"</sr:FirmwareVersion><sr:DeviceIDList>{','.join(devices)}</sr:DeviceIDList></sr:UpdateFirmware>"
    )
    return sr(DSP, counter, srv="11.1", command_variant=8, body=inside.encode())


def outcome(target: str, counter: int, user: str = LARGE, code: str = "I0") -> bytes:
    """What a CSP tells later of an SR."""
    return response(code, request_id(target, counter, user), TOP_UP, f"{target}:{IDS.get(user, user)}:{counter}")


@dataclass(frozen=True)
class Heard:
    """What arrived at a CSP, or at a User's endpoint."""

    at: float
    """Seconds of the monotonic clock."""
    request_id: str
    body: bytes
    """Its first 64 KiB."""
    digest: bytes
    fields: Mapping[str, str]
    """Those named Sluicegate-*, without that."""
    beside: int
    """How many others were being answered."""
    code: str = ""

    @property
    def counter(self) -> int:
        return int(self.request_id.rsplit(":", 1)[1])

    @property
    def device(self) -> str:
        return self.request_id.split(":")[1]

    @property
    def marked(self) -> bool:
        return self.fields.get("repeat") == "yes"


def digest(body: bytes) -> bytes:
    return blake2b(body).digest()


def _heard(request: Request, request_id: str, beside: int, code: str = "") -> Heard:
    fields = {name.decode().removeprefix("sluicegate-"): value.decode() for name, value in request.fields.items()}
    return Heard(monotonic(), request_id, request.body, digest(request.body), fields, beside, code)


Script = Callable[[Heard], tuple[int, bytes, str] | None]
"""What a CSP answers: status, body, further fields. None: as it always would."""


class Csp(StandInCsp):
    """A stand-in CSP that can be told what to answer, and remembers what came."""

    table: Json

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.heard: list[Heard] = []
        self.held: list[Request] | None = None
        self.script: Script | None = None

    def hold(self) -> None:
        """Take nothing of what comes, until it is let go."""
        self.held = []

    def let_go(self) -> None:
        """Take what was held, and what comes."""
        held, self.held = self.held or [], None
        for request in held:
            self.take(request)

    def take(self, request: Request) -> None:
        if self.held is not None:
            self.held.append(request)
            return
        header = read_header(request.body, complete=True)
        assert header is not None
        came = _heard(request, header.request_id, self.in_progress)
        self.heard.append(came)
        answer = self.script(came) if self.script is not None else None
        if answer is None:
            super().take(request)
        else:
            status, body, fields = answer
            request.answer(status, "application/xml" if body.startswith(b"<") else "text/plain", body, fields)

    def tell_outcomes(self, url: str) -> None:
        """Post outcomes there from now on."""
        self._outcomes = Outcomes(self._loop, url)

    @property
    def ids(self) -> list[str]:
        return [one.request_id for one in self.heard]

    @property
    def counters(self) -> list[int]:
        return [one.counter for one in self.heard]

    def in_order(self) -> bool:
        """Whether nothing was overtaken, executed twice, or sent again without saying so."""
        told: Any = self.status()
        assert told["order_violations"] == told["execution_order_violations"] == 0, told["examples"]
        assert told["executed_twice"] == 0
        assert told["repeated"]["unmarked"] == 0
        assert told["max_at_once_per_device"] == 1
        return True

    @property
    def executed(self) -> int:
        return int(self.status()["executed"])  # type: ignore[call-overload]


class Endpoint(StandInUser):
    """A stand-in for a User's endpoint that remembers what came, taken or not."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.heard: list[Heard] = []

    def take(self, request: Request) -> None:
        header = read_response(request.body)
        self.heard.append(_heard(request, header.request_id or "", self.in_progress, header.code))
        super().take(request)

    def codes(self, request_id: str) -> list[str]:
        """What came for an SR."""
        return [one.code for one in self.heard if one.request_id == request_id]


class Asked:
    """A dispatcher as its gateway, its CSPs and its operator see it."""

    def reached_at(self, port: int, admin_port: int) -> None:
        """Where it listens."""
        loop, waits = asyncio.get_running_loop(), Waits(2.0)
        self.port, self.admin_port = port, admin_port
        self._callers = [Caller(loop, Upstream("http", "127.0.0.1", one), waits, None) for one in (port, admin_port)]

    def leave(self) -> None:
        """Ask nothing more."""
        for caller in self._callers:
            caller.cut()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    # --- as the gateway and the CSPs

    async def send(self, body: bytes, service: str = "S") -> Answer:
        """POST a message to a web service."""
        return await self._callers[0].post(f"/api/v1/service{service}", body, {}, PATIENCE)

    async def takes(self, body: bytes, service: str = "S") -> bytes:
        """The same for one that must be acknowledged; the answer's octets."""
        answer = await self.send(body, service)
        assert code_of(answer) == (200, "I99"), answer
        return answer.body

    async def take_all(self, lanes: Iterable[Iterable[bytes]]) -> None:
        """Messages that must be acknowledged: in each lane one after the other, the lanes side by side."""

        async def one_by_one(lane: Iterable[bytes]) -> None:
            for body in lane:
                await self.takes(body)

        await asyncio.gather(*map(one_by_one, lanes))

    async def told(self, body: bytes) -> Answer:
        """POST an outcome, as a CSP does."""
        return await self._callers[0].post("/api/v1/responses", body, {}, PATIENCE)

    # --- as an operator

    async def ask(self, path: str) -> Any:
        """GET a page of the admin listener: what it says, with `status` 200."""
        answer = await self.got(path)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    async def got(self, path: str) -> Answer:
        return await self._callers[1].get(path, PATIENCE)

    async def do(self, path: str, asked: object = None) -> Answer:
        """POST below /api/v1/destinations/."""
        body = b"" if asked is None else json.dumps(asked).encode()
        return await self._callers[1].post(f"/api/v1/destinations/{path}", body, {}, PATIENCE)

    async def did(self, path: str, asked: object = None) -> Json:
        answer = await self.do(path, asked)
        assert answer.status == 200, answer
        return json.loads(answer.body)  # type: ignore[no-any-return]

    async def status(self) -> Json:
        return await self.ask("/api/v1/status")  # type: ignore[no-any-return]

    async def csp(self, name: str = "north") -> Json:
        return (await self.status())["csps"][name]  # type: ignore[no-any-return]

    async def state_of(self, request_id: str) -> str:
        """Of an SR."""
        found = (await self.ask(f"/api/v1/requests/{request_id}"))["found"]
        return next(one["state"] for one in found if one["kind"] == "request")  # type: ignore[no-any-return]

    async def metrics(self) -> dict[tuple[str, ...], float]:
        """By name and the values of the labels."""
        text = (await self.got("/metrics")).body.decode()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def cli(self, *words: str) -> Result:
        """`sluicegate dispatch WORDS`."""
        arguments = ["dispatch", *words, "--admin", f"127.0.0.1:{self.admin_port}"]
        return await asyncio.to_thread(CliRunner().invoke, main, arguments)


class Process(Asked):
    """`sluicegate dispatch`, in a process of its own."""

    def __init__(self, config: Path) -> None:
        self._config = config

    async def started(self) -> Process:
        command = (sys.executable, "-m", "sluicegate", "dispatch", "--config", str(self._config))
        self._process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        lines = []
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            lines.append(line)
            told = json.loads(line)
            if told["event"] == "dispatching":
                self.reached_at(*(int(told[key].rpartition(":")[2]) for key in ("listen", "admin")))
                return self
        raise AssertionError(lines)

    async def kill(self) -> None:
        """As a crash does."""
        self._process.kill()
        await self._process.communicate()
        self.leave()


class Running(Asked):
    """A dispatcher that runs in this event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.dispatcher = Dispatcher(settings)
        self._ready = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self.dispatcher.run(self._ready.set))

    async def started(self) -> Running:
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait([ready, self.task], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self.task.done():
            self.task.result()
        self.reached_at(self.dispatcher.port, self.dispatcher.admin_port)
        return self

    async def counted(self) -> None:
        """Wait until it has counted what the store has: it will not do so again soon."""
        await until(lambda: self.dispatcher._next_count > 0)

    async def stop(self) -> None:
        """Drain and end."""
        self.leave()  # a server waits for the connections that it has
        self.dispatcher.stop()
        await self.task

    def commits_held(self) -> AbstractContextManager[Gate]:
        """Transactions wait before their commit, until the gate is opened."""
        return _held(self.dispatcher)


class Gate:
    """`reached` once a transaction stands before it."""

    def __init__(self) -> None:
        self.reached, self._open = threading.Event(), threading.Event()

    def pass_by(self) -> None:
        self.reached.set()
        assert self._open.wait(PATIENCE)

    def open(self) -> None:
        self._open.set()


@contextmanager
def _held(dispatcher: Dispatcher) -> Iterator[Gate]:
    store: Any = dispatcher.writer._store
    gate, real = Gate(), store.transaction

    @contextmanager
    def transaction() -> Iterator[Any]:
        with real() as made:
            yield made
            gate.pass_by()

    store.transaction = transaction
    try:
        yield gate
    finally:
        gate.open()
        del store.transaction


class World:
    """What there is in a test: start CSPs and endpoints first, and then dispatchers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = "dispatch.db"
        self.csps: dict[str, Csp] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.users: dict[str, Json] = {
            name: {"ids": [IDS[name]], "allocation": allocation} for name, allocation in ALLOCATIONS.items()
        }
        self.postgres: Server | None = None
        """Where `store` is on one."""
        self.running: list[Running] = []
        self.log: list[Json] = []
        self._logs: AbstractContextManager[Any] | None = None

    async def csp(self, name: str = "north", table: Mapping[str, Any] | None = None, **behaviour: Any) -> Csp:
        """Start a CSP: keys of its `[[csp]]`, and how it behaves. `sync=True`: its answer is the outcome."""
        sync = behaviour.pop("sync", False)
        made = await Csp.start(CspSettings(name=name, sync=sync, behaviour=Behaviour(**behaviour)))
        made.table = merged(CSP, table or {})
        self.csps[name] = made
        return made

    async def endpoint(self, user: str = LARGE, **behaviour: Any) -> Endpoint:
        """Start a User's endpoint."""
        made = self.endpoints[user] = await Endpoint.start(UserSettings(behaviour=Behaviour(**behaviour)))
        return made

    def text(self, **tables: Mapping[str, Any]) -> str:
        """The configuration: keywords are tables, which are merged into the usual ones."""
        dispatch = {
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "store": self.store,
            "drain_seconds": 2,
            "users": {"retry": {**EAGER, "ceiling": 0.2}},
            "deadlines": {"*": 600},
        }
        csps = [
            {
                "name": name,
                "url": f"http://127.0.0.1:{csp.port}",
                "prefixes": [PREFIXES[name]] if name in PREFIXES else [],
            }
            | csp.table
            for name, csp in self.csps.items()
        ]
        users = [
            {"name": name, "role": "IS", **table}
            | ({"endpoint": f"http://127.0.0.1:{self.endpoints[name].port}/in"} if name in self.endpoints else {})
            for name, table in self.users.items()
        ]
        whole = {
            "capacity": {"maximum": 2000, "operating_threshold": 1500},
            "gateway": {"listen": "127.0.0.1:0", "upstream": "http://127.0.0.1:9", "identity": "originator"},
            "dispatch": dispatch,
            "csp": csps,
            "user": users,
        }
        return "".join(f"{key} = {toml(value)}\n" for key, value in merged(whole, tables).items())

    def settings(self, **tables: Mapping[str, Any]) -> Settings:
        return parse(self.text(**tables), base=self.folder)

    async def dispatcher(self, **dispatch: Any) -> Running:
        """Start a dispatcher, with keys of `[dispatch]`."""
        return await self.start(self.settings(dispatch=dispatch))

    async def start(self, settings: Settings) -> Running:
        """Start a dispatcher."""
        if self._logs is None:
            self._logs = capture_logs()
            self.log = self._logs.__enter__()
        made = await Running(settings).started()
        self.running.append(made)
        return made

    async def process(self, **dispatch: Any) -> Process:
        """Start one in a process of its own: whoever does it kills it."""
        config = self.folder / "sluicegate.toml"
        config.write_text(self.text(dispatch=dispatch))
        return await Process(config).started()

    def logged(self, event: str) -> list[Json]:
        """Lines of the log."""
        return [line for line in self.log if line["event"] == event]

    async def close(self) -> None:
        """End everything; what a dispatcher raised is raised."""
        for one in [*self.csps.values(), *self.endpoints.values()]:
            one.control({"state": "down"})  # what hangs ends now
        for one in self.running:
            await one.stop()
        for standin in [*self.csps.values(), *self.endpoints.values()]:
            await standin.stop()
        if self._logs is not None:
            self._logs.__exit__(None, None, None)
        assert self.logged("a request failed") == self.logged("a periodic task failed") == []


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Json:
    """Two tables, and the tables within them, the second one's keys counting."""
    both = dict(one)
    for key, value in other.items():
        known = both.get(key)
        both[key] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return both


def toml(value: Any) -> str:
    """A value of TOML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def code_of(answer: Answer) -> tuple[int, str]:
    """The status, and the ResponseCode or the kind of problem."""
    if answer.fields.get(b"content-type") == b"application/problem+json":
        return answer.status, json.loads(answer.body)["type"].rsplit(":", 1)[1]
    return answer.status, read_response(answer.body).code


def made_response(code: str, request_id: str | None, **how: Any) -> bytes:
    """A Response of a CSP."""
    from datetime import UTC, datetime

    return compose_response(code, request_id, srv=TOP_UP, at=datetime.now(UTC), **how)
