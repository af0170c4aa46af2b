"""The workers of one gateway: started, watched, replaced one by one, drained. By the ledger they decide as one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from time import monotonic
from typing import Final

from sluicegate.gateway.hired import Hired, hire
from sluicegate.gateway.unchangeable import refuse_the_unchangeable
from sluicegate.http.listening import bind
from sluicegate.ledger.fleet.embedded import Embedded, EmbeddedFailed
from sluicegate.ledger.fleet.joining import shard_of
from sluicegate.ledger.fleet.shard import AwayError
from sluicegate.ledger.fleet.writing import MalformedError
from sluicegate.log import logger
from sluicegate.settings import Settings
from sluicegate.settings.ledger import place

GRACE: Final = 5.0  # seconds beside the drain, after which a worker is killed
LONG_ENOUGH: Final = 10.0  # seconds: what ran so long and ends is started again at once
WAITS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds before a worker is started that ended early, again and again
WATCH: Final = 0.2  # seconds between looks at the Valkey
TELLS: Final = (0.0, 1.0, 5.0, 20.0)  # seconds between tries to tell the ledger of a death; its lease ends it anyway

ROLL: Final = signal.SIGUSR2
"""Replace the workers one after the other: another version of the program, or a package, is in use then."""


class CrewFailed(OSError):  # noqa: N818 - named after what has happened
    """The gateway could not start. `str()` says why."""


class Crew:
    """Workers on one address, each with a queue of new connections of its own.

    The queues belong to this process: what waits in one is not lost with the worker, the next one takes it. The first
    worker has the admin listener and the site, too.

    SIGTERM and SIGINT drain all workers; SIGHUP makes each read the file again; SIGUSR2 replaces them one by one.

    Args:
        settings: checked settings.
        load: reads them again; raises SettingsError.
        command: starts a worker, without what it is told for its slot.
        ready: called once all serve.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        command: Sequence[str],
        ready: Callable[[], None] | None = None,
    ) -> None:
        self.settings = settings
        self._load = load
        self._command = list(command)
        self._ready = ready
        self._workers: dict[int, Hired] = {}
        self._alive: set[Hired] = set()
        self._early: dict[int, int] = {}
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ledger: Embedded | None = None
        self._doors: list[dict[str, socket.socket]] = []
        self._rolling = False

    # --- its life

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises OSError: an address, the Valkey, or a worker that does not start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload()))
        loop.add_signal_handler(ROLL, self._roll_soon)
        self._bind()
        try:
            if await self._begin():
                await self._stop.wait()
        finally:
            await self._end()

    def _bind(self) -> None:
        """Each worker's sockets, by the key of the configuration."""
        settings = self.settings
        self._doors = [{} for _ in range(settings.gateway.workers)]
        asked, over_grpc = (settings.ask.listen, settings.ask.grpc) if settings.ask is not None else (None, None)
        if over_grpc is not None:  # gRPC opens its own, in each worker
            bind("ask.grpc", over_grpc.host, over_grpc.port).close()
        for key, address in (("gateway.listen", settings.gateway.listen), ("ask.listen", asked)):
            if address is None:
                continue
            with bind(key, address.host, address.port) as probe:  # somebody else there must not go unnoticed
                port = int(probe.getsockname()[1])
            for doors in self._doors:
                doors[key] = bind(key, address.host, port, shared=True)
        for key, table in (("admin.listen", settings.admin), ("account.listen", settings.account)):
            if table is not None:
                self._doors[0][key] = bind(key, table.listen.host, table.listen.port)
        self.port = int(self._doors[0]["gateway.listen"].getsockname()[1])

    async def _begin(self) -> bool:
        """Start everything; False: it was told to stop meanwhile."""
        if self.settings.ledger.url is None:
            self._ledger = await asyncio.to_thread(Embedded, self.settings.ledger.name)
            await asyncio.to_thread(self._ledger.start)
            self._spawn(self._watch_the_ledger(self._ledger))
        # The first one alone: what it cannot use, none can, and it is said once.
        for slots in (range(1), range(1, len(self._doors))):
            hired = [await self._hire(slot) for slot in slots]
            for worker in hired:
                if not await self._unless_stopped(worker.serves()):
                    if self._stop.is_set():
                        return False
                    raise CrewFailed("a worker did not start: what it said stands above")
        logger().info("serving with workers", workers=len(self._workers), port=self.port, pid=os.getpid())
        for worker in self._workers.values():
            self._spawn(self._mind(worker))
        if self._ready is not None:
            self._ready()
        return True

    async def _unless_stopped(self, work: Coroutine[object, object, bool]) -> bool:
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        return False

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        workers = list(self._alive)
        for worker in workers:
            worker.leave()
        seconds = self.settings.gateway.timeouts.drain + GRACE
        killed = await asyncio.gather(*(worker.ended(seconds) for worker in workers))
        for worker, was in zip(workers, killed, strict=True):
            if was and self._ledger is None:  # others may share the ledger
                await self._bury(worker, TELLS[:1])
        for doors in self._doors:
            for door in doors.values():
                door.close()
        if self._ledger is not None:
            await asyncio.to_thread(self._ledger.remove)

    # --- workers

    async def _hire(self, slot: int) -> Hired:
        """Start a process for a slot."""
        command = [*self._command]
        if self._ledger is not None:
            command += ["--ledger", f"unix://{self._ledger.socket}"]
        worker = self._workers[slot] = await hire(slot, command, self._doors[slot])
        self._alive.add(worker)
        return worker

    async def _mind(self, worker: Hired) -> None:
        """Wait for its end; where nobody told it to, start another one."""
        code = await worker.process.wait()
        self._alive.discard(worker)
        while not worker.leaving:
            slot = worker.slot
            self._spawn(self._bury(worker))
            early = self._early[slot] = self._early.get(slot, -1) + 1 if monotonic() - worker.began < LONG_ENOUGH else 0
            wait = WAITS[min(early, len(WAITS) - 1)]
            logger().error("a worker ended: another one is started", worker=slot + 1, exit_code=code, in_seconds=wait)
            await asyncio.sleep(wait)
            if self._workers[slot] is not worker:  # it has a successor already
                return
            worker = await self._hire(slot)
            if await worker.serves():
                self._spawn(self._mind(worker))
                return
            if worker.leaving:
                return
            await worker.kill()
            self._alive.discard(worker)
            code, worker.leaving = worker.process.returncode or 0, False

    async def _bury(self, worker: Hired, pauses: Sequence[float] = TELLS) -> None:
        """Tell the ledger that a worker is dead: what it had is free at once, not when its lease ends."""
        named = self.settings.ledger
        if self._ledger is not None:
            named = named.model_copy(update={"url": place(f"unix://{self._ledger.socket}")})
        shard = shard_of(named)
        try:
            for pause in pauses:
                await asyncio.sleep(pause)
                try:
                    await shard.bury(worker.name)
                except (AwayError, MalformedError) as error:
                    why = str(error)
                else:
                    return
            logger().warning("a worker's share of the ledger is free when its lease ends", why=why, name=worker.name)
        finally:
            await shard.close()

    # --- signals

    async def _reload(self) -> None:
        """A file that is wrong is for the first worker alone: it says why, in the log and in the status, once."""
        try:
            settings = await asyncio.to_thread(self._load)
            refuse_the_unchangeable(self.settings, settings)
        except Exception:  # whatever it is, the worker finds it too
            self._workers[0].tell(signal.SIGHUP)
            return
        self.settings = settings
        for worker in self._workers.values():
            worker.tell(signal.SIGHUP)

    def _roll_soon(self) -> None:
        if not self._rolling and len(self._workers) == len(self._doors):
            self._rolling = True
            self._spawn(self._roll())

    async def _roll(self) -> None:
        """Each worker's successor serves before it is told to end: both take from the same queue meanwhile."""
        logger().info("replacing the workers")
        try:
            for slot in range(len(self._doors)):
                if not await self._succeed(slot):
                    logger().error("the workers are not replaced: the new one does not serve", worker=slot + 1)
                    return
            logger().info("the workers are replaced", workers=len(self._workers))
        except OSError as error:
            logger().error("the workers are not replaced", why=str(error))
        finally:
            self._rolling = False

    async def _succeed(self, slot: int) -> bool:
        before = self._workers[slot]
        worker = await self._hire(slot)
        if not await worker.serves():
            await worker.kill()
            self._alive.discard(worker)
            self._workers[slot] = before
            if before.process.returncode is not None and not before.leaving:
                self._spawn(self._mind(before))  # it ended meanwhile, and was not replaced because of us
            return False
        self._spawn(self._mind(worker))
        before.leave()
        if await before.ended(self.settings.gateway.timeouts.drain + GRACE):
            self._spawn(self._bury(before))
        self._alive.discard(before)
        return True

    # --- the ledger

    async def _watch_the_ledger(self, ledger: Embedded) -> None:
        while True:
            await asyncio.sleep(WATCH)
            try:
                if await asyncio.to_thread(ledger.watch):
                    logger().error("the ledger had ended, and was started again", restarts=ledger.restarts)
            except EmbeddedFailed as error:
                logger().error("the ledger is gone", why=str(error))
                await asyncio.sleep(WAITS[-1])

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def command_of(config: Path, *, insecure: bool) -> list[str]:
    """What starts a worker with the same configuration."""
    flags = ["--insecure"] if insecure else []
    return [sys.executable, "-m", "sluicegate", "serve", "--config", str(config), *flags]
