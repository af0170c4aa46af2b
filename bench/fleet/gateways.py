"""Gateways of several workers under load: a fleet, over a Valkey of its own, beside workers that share nothing."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import valkey

from bench.fleet.offered import Greatest, greatest
from bench.loader import Sending, Sent, send
from bench.messages import users, write_frames
from bench.operations import Spent
from bench.peers import PLENTY, Site
from bench.processes import START_SECONDS, BenchError, Server, free_port

FLEET, APART = "fleet", "apart"
WAYS: Final = (FLEET, APART)
BELOW, ABOVE = "below the threshold", "over the threshold"
CONNECTIONS: Final = {BELOW: 32, ABOVE: 2000}  # over the threshold enough for all requests that wait, at any rate
THRESHOLD: Final = 4000.0  # SR/s: so much is forwarded, and the rest throttled
OVER: Final = 1.25  # of it are offered at the fixed rate: well below what two cores can do
SETTLED: Final = 5.0  # seconds after which the banks of a ledger that began empty are full
TRY: Final = 2.0  # seconds at each rate, where the greatest is looked for


@dataclass
class Done:
    """What one gateway did in all its slices.

    Attributes:
        admitted: requests that were forwarded. sent: each slice.
        ledger: the Valkey's part of the CPU, in seconds; called: commands that it was sent; within: that its functions
            called.
    """

    spent: Spent = field(default_factory=Spent)
    admitted: int = 0
    ledger: float = 0.0
    called: float = 0.0
    within: float = 0.0
    sent: list[Sent] = field(default_factory=list)
    greatest: Greatest = field(default_factory=Greatest)

    def add(self, sent: Sent, before: Books, after: Books) -> None:
        """One more slice. Raises BenchError where an answer is none of the three, or missing."""
        _only_known(sent)
        if sent.lost:
            raise BenchError(f"{sent.lost} requests were lost")
        self.spent.add(sent)
        self.sent.append(sent)
        self.admitted += sent.statuses.get(200, 0)
        self.ledger += after.cpu - before.cpu
        self.called += after.called - before.called
        self.within += after.within - before.within


def _only_known(sent: Sent) -> None:
    if set(sent.statuses) - {200, 429, 503}:
        raise BenchError(f"not only 200, 429 and 503: {sent.statuses}")


@dataclass(frozen=True)
class Books:
    """What a Valkey has counted so far."""

    cpu: float = 0.0
    called: float = 0.0
    within: float = 0.0


def _settings(site: Site, port: int, way: str, case: str, workers: int) -> str:
    """Nobody can exceed, or a threshold that most of the load exceeds. Who shares nothing has a part of everything."""
    part = workers if way == APART and case == ABOVE else 1
    each = PLENTY if case == BELOW else 0.8 * THRESHOLD / len(users())
    threshold = PLENTY * len(users()) if case == BELOW else THRESHOLD
    lines = ["[capacity]", f"maximum = {threshold / part}", f"operating_threshold = {threshold / part}"]
    lines += ["max_in_flight = 2000", "[responses]", 'too_many_requests_from_duis = "4.1"', "[gateway]"]
    lines += [f'listen = "127.0.0.1:{port}"', f'upstream = "http://127.0.0.1:{site.upstream}"']
    lines += ['identity = "originator"', f"workers = {workers}"]
    lines += ["[gateway.limits]", f"connections_per_address = {CONNECTIONS[case]}"]
    for user in users():
        lines += ["[[user]]", f'name = "{user.name}"', f'ids = ["{user.eui}"]', 'role = "IS"']
        lines += [f"allocation = {each / part}"]
    return "\n".join(lines) + "\n"


class Gateway:
    """One gateway of several workers, while it runs."""

    def __init__(self, site: Site, way: str, case: str, workers: int) -> None:
        self.port = free_port()
        folder = Path(tempfile.mkdtemp(dir=site.work))
        path = folder / "sluicegate.toml"
        path.write_text(_settings(site, self.port, way, case, workers))
        command = [sys.executable, "-m"]
        command += ["sluicegate", "serve", "--config"] if way == FLEET else ["bench.fleet.apart"]
        command += [str(path), *(["--insecure"] if way == FLEET else [])]
        self.server = Server(way, command, self.port, folder / "out.log", {"TMPDIR": str(folder)})
        self._folder, self._way, self._connections = folder, way, CONNECTIONS[case]
        self._client: valkey.Valkey | None = None

    def __enter__(self) -> Gateway:
        self.server.__enter__()
        try:
            self._wait_until_all_serve()
        except BaseException:
            self.server.stop()
            raise
        if self._way == FLEET:
            (socket,) = self._folder.glob("sluicegate-ledger-*/valkey.sock")
            self._client = valkey.Valkey(unix_socket_path=str(socket))
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
        self.server.stop()

    def _wait_until_all_serve(self) -> None:
        """The address accepts before the workers do."""
        for _ in range(round(4 * START_SECONDS / 0.05)):  # several processes
            if "serving with workers" in self.server.log.read_text():
                return
            time.sleep(0.05)
        raise BenchError(f"the workers did not begin to serve:\n{self.server.last_words()}")

    def books(self) -> Books:
        """What its Valkey has counted; nothing where there is none."""
        if self._client is None:
            return Books()
        calls = {name: of["calls"] for name, of in self._client.info("commandstats").items()}
        ours = sum(count for name, count in calls.items() if _asks(name))
        cpu = self._client.info("cpu")
        inside = sum(calls.values()) - ours - calls.get("cmdstat_info", 0)
        return Books(cpu["used_cpu_user"] + cpu["used_cpu_sys"], ours, inside)

    def load(self, program: Path, frames: Path, seconds: float, warmup: float, rate: float | None, done: Done) -> Sent:
        """One slice, at a rate (requests/s), or as it can. Raises BenchError where an answer is none of the three."""
        edges: list[Books] = []

        def cpu() -> float:
            edges.append(self.books())
            return self.server.cpu_seconds()

        sent = send(program, Sending(self.port, frames, seconds, warmup, self._connections, rate), cpu)
        done.add(sent, *edges)
        return sent

    def offer(self, program: Path, frames: Path, rate: float) -> Sent:
        """For a moment; answers may lag. Raises BenchError where one is none of the three."""
        sent = send(program, Sending(self.port, frames, TRY, 1.0, self._connections, rate))
        _only_known(sent)
        return sent


def _asks(name: str) -> bool:
    """Whether that is what workers send, and not what functions call, or what is sent at a connection's start."""
    return name in ("cmdstat_fcall", "cmdstat_function|load", "cmdstat_ping", "cmdstat_fcall_ro")


@dataclass(frozen=True)
class Plan:
    """How a pair is loaded."""

    site: Site
    program: Path
    workers: int
    slices: int
    seconds: float
    rate: float


def pair(plan: Plan, case: str, order: tuple[str, ...]) -> tuple[dict[str, Done], Done]:
    """Two gateways side by side, loaded in turn (A B B A ...); and what the fleet did at a fixed rate.

    Below the threshold as they can, then the fleet at `plan.rate`. Over it at `OVER` of it; then as much as they bear.
    """
    frames = plan.site.work / "frames"
    if not frames.exists():
        write_frames(frames, rejecting=False)
    found, rate = {way: Done() for way in WAYS}, OVER * THRESHOLD if case == ABOVE else None
    with ExitStack() as stack:
        running = {way: stack.enter_context(Gateway(plan.site, way, case, plan.workers)) for way in order}
        time.sleep(SETTLED)
        for number in range(plan.slices):
            for way in order if number % 2 == 0 else order[::-1]:
                running[way].load(plan.program, frames, plan.seconds, 1.0, rate, found[way])
        if case == BELOW:
            paced = Done()
            running[FLEET].load(plan.program, frames, plan.seconds, 1.0, plan.rate, paced)
            return found, paced
        for way in order:
            found[way].greatest = greatest(partial(running[way].offer, plan.program, frames), OVER * THRESHOLD)
    return found, found[FLEET]
