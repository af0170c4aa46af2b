"""What fails, by name. Each is one fault: let loose, and over when it returns."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.faults.fleet.stage import WORKERS, Stage


@dataclass
class Excused:
    """Requests that a fault itself keeps from their answers: of a worker that is stopped or dead, then."""

    worker: int
    begin: float
    end: float


Fault = Callable[[Stage, random.Random, list[Excused]], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One of them."""

    rounds: int
    fault: Fault
    says: str


async def none(_stage: Stage, chance: random.Random, _excused: list[Excused]) -> None:
    """The control: nothing fails."""
    await asyncio.sleep(chance.uniform(0.3, 1.0))


async def killed(stage: Stage, chance: random.Random, _excused: list[Excused]) -> None:
    """kill -9, and started again, empty."""
    stage.primary.kill()
    await asyncio.sleep(chance.choice((0.0, chance.uniform(0.0, 0.5), chance.uniform(1.0, 2.5))))
    await asyncio.to_thread(stage.primary.start)


async def frozen(stage: Stage, chance: random.Random, _excused: list[Excused]) -> None:
    """SIGSTOP: slow, then back with all it knew."""
    stage.primary.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(chance.uniform(0.2, 2.0))
    finally:
        stage.primary.signal(signal.SIGCONT)


async def slow(stage: Stage, chance: random.Random, _excused: list[Excused]) -> None:
    """Each way delays by 30 to 100 ms, there and back."""
    assert stage.around is not None
    for way in range(WORKERS):
        stage.around.say(way=way, delay=chance.uniform(0.03, 0.1))
    await asyncio.sleep(chance.uniform(0.3, 2.0))
    for way in range(WORKERS):
        stage.around.say(way=way, delay=0.0)


async def cut(stage: Stage, chance: random.Random, _excused: list[Excused]) -> None:
    """One worker does not reach the Valkey."""
    assert stage.around is not None
    way = chance.randrange(WORKERS)
    stage.around.say(way=way, open=False)
    await asyncio.sleep(chance.uniform(0.2, 3.0))
    stage.around.say(way=way, open=True)


async def worker_killed(stage: Stage, chance: random.Random, excused: list[Excused]) -> None:
    """kill -9 of a worker with tokens in hand; its death is told as a crew tells it, and it is started again."""
    number = chance.randrange(WORKERS)
    worker, began = stage.workers[number], time.monotonic()
    stage.load.up.discard(number)
    pid = worker._pid
    worker.kill()
    await asyncio.sleep(0.1)
    await stage.bury(pid or 0)
    worker.start()
    await asyncio.sleep(0.5)
    while not worker.runs or not await listens(stage.site.dispatchers[number].port):
        await asyncio.sleep(0.02)
    excused.append(Excused(number, began, time.monotonic()))
    stage.load.up.add(number)


async def listens(port: int) -> bool:
    """Whether somebody does."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def worker_frozen(stage: Stage, chance: random.Random, excused: list[Excused]) -> None:
    """SIGSTOP of a worker: it wakes with tokens that have expired, and does not know it."""
    number, began = chance.randrange(WORKERS), time.monotonic()
    worker = stage.workers[number]
    worker.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(chance.uniform(0.2, 2.5))
    finally:
        worker.signal(signal.SIGCONT)
    excused.append(Excused(number, began, time.monotonic()))


async def failed_over(stage: Stage, chance: random.Random, _excused: list[Excused]) -> None:
    """The primary is cut off, its replica promoted; it comes back as the replica of that one."""
    assert stage.around is not None
    assert stage.replica is not None
    for way in range(WORKERS):
        stage.around.say(way=way, open=False)
    await asyncio.sleep(chance.uniform(0.1, 1.5))
    before, after = stage.primary, stage.replica
    with after.client() as server:
        server.replicaof("NO", "ONE")
    stage.around.say(target=after.port)
    stage.primary, stage.replica = after, before
    for way in range(WORKERS):
        stage.around.say(way=way, open=True)
    await asyncio.to_thread(stage.follow, before, after)


SCENARIOS = {
    "control": Scenario(20, none, "nothing fails"),
    "valkey-killed": Scenario(30, killed, "kill -9 of the Valkey, started again empty"),
    "valkey-frozen": Scenario(30, frozen, "the Valkey stopped for 0.2 to 2 s"),
    "valkey-slow": Scenario(20, slow, "30 to 100 ms each way"),
    "worker-cut": Scenario(25, cut, "one worker is cut off from the Valkey"),
    "worker-killed": Scenario(30, worker_killed, "kill -9 of a worker with tokens in hand"),
    "worker-frozen": Scenario(25, worker_frozen, "a worker stopped for 0.2 to 2.5 s"),
    "fail-over": Scenario(25, failed_over, "the replica promoted, the primary cut off"),
}
