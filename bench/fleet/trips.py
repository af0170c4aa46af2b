"""Decisions a second of one process that draws in advance, beside one that asks the ledger for each, as
envoyproxy/ratelimit does: the same loop, client and Valkey, nothing else around the decision.

Three ways: ours (`Worker`, `Driver`); a round trip a decision; and a round trip for all decisions that came since the
last one (pipelined, each with a call of its own). For each decision of theirs one function is called, which keeps two
token banks, the User's and everybody's. Who is to be told of an outcome is called back, as the gateway is: a task for
each decision costs more than a decision, so only who needs one has one (a round trip each). As many are begun as the
loop can do, while so many at most are under way (`most`: what suits each contender).
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

import uvloop
from valkey.asyncio import Valkey

from sluicegate.ledger.face import ASK
from sluicegate.ledger.fleet.driver import Driver
from sluicegate.ledger.fleet.valkey import ValkeyShard
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits

OURS, TRIPS, PIPELINED = "drawn in advance", "a round trip each", "a round trip each, pipelined"
USERS: Final = 200
TURN: Final = 100  # decisions begun in a turn of the loop
PLENTY: Final = 1e9  # SR/s
WARMUP: Final = 1.5
SHORT: Final = 8.0  # of what it decides where nothing is short, the threshold is this part: so some are throttled

BANKS: Final = """#!lua name=bench_banks
local function level(key, now, rate, depth)
  local held = server.call('HMGET', key, 'level', 'at')
  local level, at = tonumber(held[1]) or depth, tonumber(held[2]) or now
  return math.min(depth, level + math.max(0, now - at) * rate)
end
local function put(key, level, now)
  server.call('HSET', key, 'level', string.format('%.17g', level), 'at', string.format('%.17g', now))
end
server.register_function('bench_decide', function(keys, args)
  local time = server.call('TIME')
  local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
  local weight = tonumber(args[1])
  local total = level(keys[1], now, tonumber(args[2]), tonumber(args[3]))
  local own = level(keys[2], now, tonumber(args[4]), tonumber(args[5]))
  local outcome = own >= weight and 0 or total >= weight and 1 or 2
  if outcome < 2 then
    put(keys[1], total - weight, now)
    put(keys[2], outcome == 0 and own - weight or own, now)
  end
  return outcome
end)
"""


Told = Callable[[int], None]


class Contender(Protocol):
    """One way to decide, for some Users with allocations. At most so many at once."""

    most: int

    async def start(self) -> None: ...

    def decide(self, user: int, told: Told) -> None:
        """`told` is called once, with WITHIN, EXCESS or THROTTLED, at once or later."""
        ...

    async def stop(self) -> None: ...


class Ours:
    """One worker of a fleet. More decisions may be under way than ever wait for a draw: else who waits asks no more,
    and over the threshold no more would be decided than passes."""

    most = 20_000

    def __init__(self, url: str, threshold: float) -> None:
        each = 0.8 * threshold / USERS
        named = {f"User {number}": each for number in range(USERS)}
        now = time.monotonic()
        self._worker = Worker("w", Limits(threshold, threshold), named, now, settle=0.0, life=str(now))
        self._hands = [self._worker.account(name) for name in named]
        self._shard = ValkeyShard(url, f"ours-{now}")
        self._driver = Driver(self._worker, self._shard)

    async def start(self) -> None:
        self._driver.start()
        while not self._worker.epoch:
            await asyncio.sleep(0.01)

    def decide(self, user: int, told: Told) -> None:
        hand, now = self._hands[user], time.monotonic()
        outcome = self._worker.decide(hand, 1.0, now)
        if outcome == ASK:
            self._worker.waiting(told, hand, 1.0, now)
        else:
            told(outcome)

    async def stop(self) -> None:
        await self._driver.stop()
        await self._shard.close()


class Trips:
    """A round trip for each decision, on so many connections."""

    most = 64

    def __init__(self, url: str, threshold: float) -> None:
        self._client = Valkey.from_url(url)
        self._asking: set[asyncio.Task[None]] = set()
        each = 0.8 * threshold / USERS
        self._terms = ["1", *(f"{figure:.17g}" for figure in (threshold, threshold / 2, each, max(1.0, each / 2)))]

    async def start(self) -> None:
        await self._client.execute_command("FUNCTION LOAD", "REPLACE", BANKS)

    def _words(self, user: int) -> tuple[str, ...]:
        return ("FCALL", "bench_decide", "2", "{bench}:all", f"{{bench}}:{user}", *self._terms)

    def decide(self, user: int, told: Told) -> None:
        task = asyncio.create_task(self._ask(user, told))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, user: int, told: Told) -> None:
        told(int(await self._client.execute_command(*self._words(user))))

    async def stop(self) -> None:
        await self._client.aclose()


class Pipelined(Trips):
    """What came while a round trip was under way goes with the next one."""

    most = 2000

    def __init__(self, url: str, threshold: float) -> None:
        super().__init__(url, threshold)
        self._came: list[tuple[int, Told]] = []
        self._task: asyncio.Task[None] | None = None

    def decide(self, user: int, told: Told) -> None:
        self._came.append((user, told))
        if self._task is None:
            self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._came:
            going, self._came = self._came, []
            pipeline: Any = self._client.pipeline(transaction=False)
            for user, _told in going:
                pipeline.execute_command(*self._words(user))
            for (_user, told), outcome in zip(going, await pipeline.execute(), strict=True):
                told(int(outcome))
        self._task = None


WAYS: Final[dict[str, Callable[[str, float], Contender]]] = {OURS: Ours, TRIPS: Trips, PIPELINED: Pipelined}


@dataclass(frozen=True)
class Rate:
    """What one contender did: decisions a second, the part that passed, CPU of this process and of the Valkey (us)."""

    per_second: float
    passed: float
    own: float
    ledger: float


async def _measure(url: str, way: str, threshold: float, seconds: float) -> Rate:
    contender = WAYS[way](url, threshold)
    watch = Valkey.from_url(url)
    await contender.start()
    counts = {WITHIN: 0, EXCESS: 0, THROTTLED: 0}
    under_way = 0
    stop = False

    def told(outcome: int) -> None:
        nonlocal under_way
        under_way -= 1
        counts[outcome] += 1

    async def feed() -> None:
        nonlocal under_way
        picked = itertools.cycle(random.Random(1).choices(range(USERS), k=65_536))
        while not stop or under_way:
            more = 0 if stop else min(TURN, contender.most - under_way)
            under_way += more
            for _ in range(more):
                contender.decide(next(picked), told)
            await asyncio.sleep(0 if more else 0.0005)

    async def edge() -> tuple[float, float, float, int, int]:
        cpu = await watch.info("cpu")
        passed = counts[WITHIN] + counts[EXCESS]
        spent = cpu["used_cpu_user"] + cpu["used_cpu_sys"]
        return time.monotonic(), time.process_time(), spent, passed, passed + counts[THROTTLED]

    feeding = asyncio.create_task(feed())
    await asyncio.sleep(WARMUP)
    before = await edge()
    await asyncio.sleep(seconds)
    after = await edge()
    stop = True
    await feeding
    await contender.stop()
    await watch.aclose()
    took, own, ledger, passed, done = (b - a for a, b in zip(before, after, strict=True))
    return Rate(done / took, passed / done, own / done * 1e6, ledger / done * 1e6)


def measure(url: str, way: str, threshold: float, seconds: float) -> Rate:
    """One contender for so many seconds, over a Valkey, against a threshold (SR/s)."""
    work: Coroutine[Any, Any, Rate] = _measure(url, way, threshold, seconds)
    return uvloop.run(work)
