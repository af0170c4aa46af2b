"""How long operations hold the event loop: the looks of each second, and the minute and the hour of the history.

.venv/bin/python -m bench.looks [--users 10000] [--active 2000] [--rate 5000] [--looks 30] [--hour]

Each look runs in an event loop beside a task that wants a turn whenever it can have one. "whole" is the CPU time of
the look, and "held" the longest that the task was without a turn: in CPU time of the event loop's thread, which others
on the machine do not lengthen, and in time. `--hour` adds up and packs an hour of minutes in threads, and tells how
late a timer of the event loop comes meanwhile, and how late it comes when nothing else is done.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, thread_time
from types import SimpleNamespace

import uvloop

from bench.history import BEGIN, OF_USER, a_minute, name_of
from sluicegate.duis.catalogue import CATALOGUE
from sluicegate.operations.history.counts import HOUR, MINUTE, SECOND
from sluicegate.operations.history.history import History
from sluicegate.operations.history.minute import Minute
from sluicegate.operations.history.writing import Closed, write
from sluicegate.operations.notices.watching import Event, Watching
from sluicegate.operations.slices import in_slices
from sluicegate.operations.status import Rates
from sluicegate.operations.store.worker import Worker
from sluicegate.operations.tally import Tally
from sluicegate.settings import History as Kept
from sluicegate.settings.noticing import Noticing

BAR = 5.0  # ms


class Held:
    """The longest that a task which is always ready was without a turn, in ms."""

    def __init__(self) -> None:
        self.cpu = self.time = 0.0

    async def while_doing(self, work: Awaitable[object]) -> float:
        """Returns the ms of CPU time that the work took in the event loop."""
        task = asyncio.ensure_future(work)
        spent = 0.0
        while not task.done():
            cpu, began = thread_time(), perf_counter()
            await asyncio.sleep(0)
            taken = (thread_time() - cpu) * 1e3
            self.cpu, self.time = max(self.cpu, taken), max(self.time, (perf_counter() - began) * 1e3)
            spent += taken
        await task
        return spent


class Traffic:
    """Counters of Users, some of whom send."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.tallies = {name_of(user): Tally() for user in range(asked.users)}
        self._chance, self._rate = random.Random(3), asked.rate
        self._active = list(self.tallies.values())[: asked.active]
        srvs = sorted(CATALOGUE)
        self._srvs = [self._chance.sample(srvs, OF_USER) for _ in self._active]

    def second(self) -> None:
        """Requests of one second: every active User sends one, and the rest is anybody's."""
        for number in range(max(self._rate, len(self._active))):
            user = number if number < len(self._active) else self._chance.randrange(len(self._active))
            tally, srv = self._active[user], self._chance.choice(self._srvs[user])
            (tally.srvs.get(srv) or tally.saw_srv(srv))[0] += 1
            tally.within += 1


async def looks(asked: argparse.Namespace) -> None:
    """Each kind of look."""
    traffic, moment = Traffic(asked), {"second": 0}
    gateway = SimpleNamespace(tallies=traffic.tallies, settings=SimpleNamespace(history=Kept()))
    history = History(gateway, SimpleNamespace())  # type: ignore[arg-type]
    watching, rates = Watching(Noticing(window_seconds=20)), Rates(0.0)
    allocations = dict.fromkeys(traffic.tallies, 1.0 * asked.rate / asked.active)

    async def usage() -> None:
        await in_slices(history._steps(BEGIN / SECOND + moment["second"] + 1.002))

    async def notices() -> None:
        events: list[Event] = []
        await in_slices(watching.steps(float(moment["second"]), traffic.tallies, allocations, False, events))

    async def rate() -> None:
        rates.look(traffic.tallies, float(moment["second"]))

    kinds: dict[str, Callable[[], Awaitable[None]]] = {"history": usage, "notices": notices, "rates": rate}
    found = {kind: ([], Held()) for kind in kinds}  # type: dict[str, tuple[list[float], Held]]
    gc.disable()  # a pass of the collector comes when it comes, and is told apart
    for second in range(22 + asked.looks):  # the window of the notices fills first
        moment["second"] = second
        traffic.second()
        for kind, work in kinds.items():
            whole, held = found[kind]
            whole.append(await (held if second >= 22 else Held()).while_doing(work()))
    print(f"{asked.users:,} Users, {asked.active:,} of them active and near their allocations, {asked.rate:,}/s")
    print("| look | whole, ms of CPU, median | held, ms of CPU | held, ms |\n|---|---|---|---|")
    for kind, (whole, held) in found.items():
        print(f"| {kind} | {median(whole[22:]):.1f} | {held.cpu:.1f} | {held.time:.1f} |")
    began = thread_time()
    gc.collect()
    print(f"bar: {BAR:g} ms; a whole pass of the collector: {(thread_time() - began) * 1e3:.0f} ms of CPU")
    gc.enable()


async def late(work: Awaitable[object]) -> tuple[list[float], float]:
    """How late a timer of 2 ms comes while something is done in threads, in ms; and the seconds that it took."""
    task, found, began = asyncio.ensure_future(work), list[float](), perf_counter()
    while not task.done():
        before = perf_counter()
        await asyncio.sleep(0.002)
        found.append((perf_counter() - before - 0.002) * 1e3)
    await task
    return sorted(found), perf_counter() - began


async def hour(asked: argparse.Namespace) -> None:
    """An hour of minutes, written and packed as a gateway does it."""
    chance = random.Random(4)
    moment = BEGIN + 2 * HOUR
    gateway = SimpleNamespace(tallies={}, settings=SimpleNamespace(history=Kept()))
    with tempfile.TemporaryDirectory(prefix="bench-looks-", dir="/var/tmp") as folder:
        worker = Worker(str(Path(folder) / "operations.db"))
        history = History(gateway, worker, lambda: moment / SECOND)  # type: ignore[arg-type]
        for number in range(60):
            closed = a_minute(number + 1, BEGIN + number * MINUTE, asked.active, chance)
            await worker.do(lambda store, closed=closed: _put(store, closed))
        minute = Minute(BEGIN)
        for user in range(asked.active):
            mix = {srv: (chance.randrange(60), 0, 0) for srv in list(CATALOGUE)[:OF_USER]}
            minute.add(name_of(user), (9, 0, 0, 0, 0), mix)
        history._closed.append((1, minute))
        print(
            "| in threads | took, s | CPU, s | timer late, ms: median | 99 of 100 | most |\n|---|---|---|---|---|---|"
        )
        for said, work in (
            ("nothing", asyncio.sleep(3)),
            ("a minute's documents", history._write()),
            ("an hour, added up and packed", history._tidy()),
        ):
            cpu = process_time()
            found, took = await late(work)
            spent, at = process_time() - cpu, [found[int(part * (len(found) - 1))] for part in (0.5, 0.99, 1)]
            print(f"| {said} | {took:.1f} | {spent:.1f} | " + " | ".join(f"{one:.1f}" for one in at) + " |", flush=True)
        worker.close()
        await worker.ended(5)


def _put(store: object, closed: Closed) -> None:
    with store.changing() as connection:  # type: ignore[attr-defined]
        write(connection, "bench", [closed], BEGIN)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=2_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--looks", type=int, default=30)
    parser.add_argument("--hour", action="store_true")
    asked = parser.parse_args()
    uvloop.run(looks(asked))
    if asked.hour:
        uvloop.run(hour(asked))


if __name__ == "__main__":
    main()
