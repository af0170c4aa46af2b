"""A server with a desk of its own, and a client that speaks plain HTTP over a socket."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from sluicegate.dispatch.intake import Intake
from sluicegate.dispatch.parcel import Incoming, Receipt, State, Taken
from sluicegate.dispatch.server import Server
from sluicegate.duis import compose_request
from sluicegate.settings import Settings, parse

ORIGINATOR, OTHER, STRANGER = "90-B3-D5-1F-30-01-00-00", "90-B3-D5-1F-30-03-00-00", "90-B3-D5-1F-30-09-00-00"
DSP = "90-B3-D5-1F-30-00-00-02"
NORTH, SOUTH, NOWHERE = "00-DB-12-34-56-78-90-A0", "00-DC-12-34-56-78-90-A0", "00-DD-12-34-56-78-90-A0"
USER, USER2 = "Large Supplier A", "Small Supplier C"
AT = 1_762_180_205.123456

SETTINGS = """\
[capacity]
maximum = 1000
operating_threshold = 800
[gateway]
upstream = "http://127.0.0.1:8080"
identity = "originator"
[responses]
too_many_requests_from_duis = "5.4"
[dispatch]
[[csp]]
name = "north"
url = "http://127.0.0.1:8201"
prefixes = ["00-DB"]
[[user]]
name = "Large Supplier A"
ids = ["90-B3-D5-1F-30-01-00-00"]
role = "IS"
allocation = 300
"""


class Regions:
    """By the first two octets."""

    non_device: str | None = "north"

    def region(self, target: str) -> str | None:
        return {"00-DB": "north", "00-DC": "south"}.get(target[:5])

    def regions(self, targets: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({found for found in map(self.region, targets) if found is not None}))


class Ranks:
    """Top-ups first."""

    def rank(self, srv: str, command_variant: int, target: str) -> int:
        return 0 if srv == "2.2" else 1


def intake(**changed: Any) -> Intake:
    known = {ORIGINATOR: (USER, Ranks()), OTHER: (USER2, Ranks())}
    return Intake(
        Regions(),
        known,
        lambda srv: 60.0 if srv == "2.2" else 3600.0,
        **{"malformed": "E12", "reused": "E13", "give_up_seconds": 1000.0} | changed,
    )


def request(target: str = NORTH, counter: int = 7, srv: str = "2.2", **how: Any) -> bytes:
    return compose_request(how.pop("originator", ORIGINATOR), target, counter, srv, **how)


def firmware(*devices: str, image: int = 100, srv: str = "11.1", counter: int = 9) -> bytes:
    name = "UpdateFirmware" if srv == "11.1" else "UpdatePPMIDFirmware"
    body = (
        f"<sr:{name}><sr:FirmwareImage>{'A' * image}</sr:FirmwareImage><sr:FirmwareVersion>00000000"
        f"</sr:FirmwareVersion><sr:DeviceIDList>{','.join(devices)}</sr:DeviceIDList></sr:{name}>"
    )
    return request(DSP, counter, srv, command_variant=8, body=body.encode())


@dataclass
class Desk:
    """Remembers what was submitted. `fails` is raised, `gate` holds everything up."""

    rows: dict[bytes, tuple[Incoming, int]] = field(default_factory=dict)
    calls: list[list[Incoming]] = field(default_factory=list)
    concluded: list[tuple[bytes | None, str, Incoming]] = field(default_factory=list)
    before: State | None = None
    full: Mapping[tuple[str, str], float] = field(default_factory=dict)
    fails: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def submit(self, incoming: Sequence[Incoming]) -> list[Receipt]:
        self.calls.append(list(incoming))
        self.entered.set()
        while not self.gate.is_set():
            await asyncio.sleep(0.005)
        if self.fails is not None:
            raise self.fails
        return [self._take(parcel) for parcel in incoming]

    def _take(self, parcel: Incoming) -> Receipt:
        first, seq = self.rows.setdefault(parcel.key, (parcel, len(self.rows) + 1))
        if first is parcel:
            taken = Taken.ACCEPTED
        else:
            taken = Taken.REPEATED if first.digest == parcel.digest else Taken.CONFLICT
        return Receipt(taken, seq, first.accepted_at, State.READY)

    async def conclude(self, key: bytes | None, code: str, letter: Incoming) -> tuple[State | None, Receipt]:
        if self.fails is not None:
            raise self.fails
        self.concluded.append((key, code, letter))
        return self.before, Receipt(Taken.ACCEPTED, 1, letter.accepted_at, State.READY)

    def refuses(self, destination: str, user: str) -> float | None:
        return self.full.get((destination, user))


def settings(**dispatch: Any) -> Settings:
    lines = "".join(f"{name} = {value}\n" for name, value in dispatch.items())
    return parse(SETTINGS.replace("[dispatch]\n", "[dispatch]\n" + lines) if lines else SETTINGS, files=False)


class Listening:
    """uvicorn in a thread, on a loopback port, for one server after the other."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self,  # type: ignore[arg-type]
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.server is not None
        await self.server(scope, receive, send)

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive()


class Running:
    """A server, and how to ask it."""

    def __init__(self, listening: Listening, desk: Any, chosen: Settings) -> None:
        self.now = AT
        self.intake = intake()
        self.server = listening.server = Server(self.intake, desk, chosen, lambda: self.now)
        self._port = listening.port

    def post(self, path: str, body: bytes, *fields: str) -> Got:
        lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields]
        return self.ask("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def ask(self, octets: bytes) -> Got:
        with self.connected() as connection:
            connection.sendall(octets)
            return read_answer(connection)

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=60)


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.fields["content-type"] == "application/problem+json"
        told = json.loads(self.body)
        assert told["status"] == self.status
        return told


def read_answer(connection: socket.socket) -> Got:
    octets = b""
    while b"\r\n\r\n" not in octets:
        more = connection.recv(65536)
        assert more, octets
        octets += more
    head, _, body = octets.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(fields["content-length"]):
        body += connection.recv(65536)
    return Got(int(first.split()[1]), fields, body)
