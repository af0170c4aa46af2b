"""Notices: how long from the moment that a window is met to the webhook, and what a look costs.

.venv/bin/python -m bench.notices [--rounds 20]

The counters of 200 Users are looked at once a second in an event loop, as a gateway does it; the webhook is taken by a
real HTTP server in the same process, the notices are kept in SQLite on the disk. Of each round it is told when the
event was found, when an attempt began, and by how much the event loop itself was late at the most: where a round takes
long, that says whether it was Sluicegate, the database, or a machine that gave the process no time. (What a look costs:
`bench.looks`.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from types import SimpleNamespace

import uvloop

from bench.machine import facts
from sluicegate.operations.notices.notice import Notice
from sluicegate.operations.notices.service import Notices
from sluicegate.operations.notices.watching import Event
from sluicegate.operations.notices.ways import Way
from sluicegate.operations.store.worker import Worker
from sluicegate.operations.tally import Tally
from sluicegate.settings import parse, starter

USER, ALLOCATION, WINDOW, OVER = "Large Supplier A", 300.0, 6.0, 1.3
TICK = 0.01  # seconds between steps of the counters


async def reached(rounds: int) -> list[dict[str, float]]:
    """Seconds from the moment that the window is met, of so many rounds."""
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(await _round(Path(folder)))
            print(json.dumps(found[-1]), flush=True)
    return found


async def _round(folder: Path) -> dict[str, float]:
    arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        if not arrived.done() and b'"kind":"100%"' in body:
            arrived.set_result(monotonic())
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (folder / "secret").write_text("x" * 32, "utf-8")
    channel = f'[[user.channel]]\nname = "a"\nwebhook = "http://127.0.0.1:{port}/"\nsecret = "file:secret"\n'
    head, mark, tail = starter().partition('[[user]]\nname = "Network Operator B"')
    text = (head + channel + mark + tail).replace("#[operations]", '[operations]\ndatabase = "operations.db"', 1)
    text = text.replace("#[notices]\n", f"[notices]\nwindow_seconds = {WINDOW}\n", 1)
    settings = parse(text, base=folder)
    worker = Worker(str(folder / "operations.db"))
    notices = Notices(settings, worker)
    await notices.start()
    tallies = {USER: Tally()} | {f"User {number}": Tally() for number in range(199)}
    allocations = dict.fromkeys(tallies, 1.0) | {USER: ALLOCATION}
    late_by, at = [0.0], dict[str, float]()
    timing = asyncio.create_task(_late(late_by))
    tell, way = notices._take, await _way(notices)

    def told(event: Event, document: Mapping[str, object]) -> None:
        if event.kind == "100%":
            at.setdefault("found", monotonic())
        tell(event, document)

    deliver = way.deliver

    async def delivers(notice: Notice, now: float) -> None:
        if notice.kind == "100%":
            at.setdefault("tried", monotonic())
        await deliver(notice, now)

    notices._take = told  # type: ignore[method-assign]
    notices.lanes[USER, "a"].way = SimpleNamespace(deliver=delivers)  # type: ignore[assignment]
    looking = asyncio.create_task(_look(notices, tallies, allocations))
    await asyncio.sleep(WINDOW + 1 + random.random())
    began = monotonic()
    sending = asyncio.create_task(_send(tallies[USER], began))
    met = began + WINDOW * (2 / 3 + 1 / 3 / OVER)  # each third is at 100%, the first though it began without traffic
    at["arrived"] = await arrived
    for task in (looking, sending, timing):
        task.cancel()
    await notices.stop()
    worker.close()
    await worker.ended(2)
    server.close()
    return {stage: round(when - met, 3) for stage, when in at.items()} | {"loop late": round(late_by[0], 3)}


async def _way(notices: Notices) -> Way:
    while (USER, "a") not in notices.lanes:
        await asyncio.sleep(TICK)
    return notices.lanes[USER, "a"].way


async def _late(most: list[float]) -> None:
    """How late the event loop is."""
    while True:
        before = monotonic()
        await asyncio.sleep(TICK)
        most[0] = max(most[0], monotonic() - before - TICK)


async def _look(notices: Notices, tallies: dict[str, Tally], allocations: dict[str, float]) -> None:
    while True:
        await notices.look(monotonic(), tallies, allocations, False)
        await asyncio.sleep(1.0)


async def _send(tally: Tally, began: float) -> None:
    """1.3 times the allocation."""
    while True:
        tally.within = int((monotonic() - began) * ALLOCATION * OVER)
        await asyncio.sleep(TICK)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    began = perf_counter()
    told: dict[str, object] = {"machine": facts()}
    late = sorted(one["arrived"] for one in uvloop.run(reached(asked.rounds)))
    told["window met to webhook, s"] = {
        "rounds": len(late), "least": round(late[0], 3), "median": round(median(late), 3), "most": round(late[-1], 3),
    }  # fmt: skip
    told["seconds"] = round(perf_counter() - began)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
