"""Nothing is lost, and nothing grows: restarts, drains, dead dispatchers, retention, and a window of memory."""

import asyncio
import os
import signal
import sqlite3
from time import time

import pytest
from dispatch_rig import (
    EAGER,
    PATIENCE,
    Running,
    World,
    code_of,
    device,
    in_a_loop,
    request_id,
    sr,
    turns,
    until,
)

from sluicegate.database.errors import StoreError
from sluicegate.dispatch import service
from sluicegate.dispatch.parcel import State
from sluicegate.http.call import CallFailed

DEVICE = device(1)


def rows(world: World, query: str) -> list[tuple[object, ...]]:
    """From the store's file."""
    connection = sqlite3.connect(world.folder / "dispatch.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@in_a_loop
async def test_after_a_crash_nothing_is_lost_and_what_may_have_been_sent_says_so(world: World) -> None:
    csp, endpoint = await world.csp(), await world.endpoint()
    csp.control({"state": "hang"})
    process = await world.process(window=48)
    try:
        await process.take_all([sr(device(n), 1), sr(device(n), 2)] for n in range(20))
        await until(lambda: len(csp.heard) == 8)  # all places
    finally:
        await process.kill()
    assert rows(world, f"SELECT count(*) FROM parcel WHERE state > {State.PARKED:d}") == [(0,)]
    csp.control({"state": "up"})
    running = await world.dispatcher()
    await until(lambda: csp.executed == 40)
    assert csp.in_order()
    sent = {one.request_id for one in csp.heard[:8]}
    assert {one.request_id for one in csp.heard[8:] if one.request_id in sent and not one.marked} == set()
    assert not any(one.marked for one in csp.heard if one.counter == 2)  # they were never held by anybody
    assert {one.fields["attempt"] for one in csp.heard} == {"1"}
    assert endpoint.heard == []
    assert (await running.csp())["returned"] == 0


@in_a_loop
async def test_what_a_dead_dispatcher_held_or_left_is_delivered_by_the_others(shared: World) -> None:
    csp = await shared.csp()
    csp.control({"state": "hang"})
    process = await shared.process(lease_seconds=2, window=8)
    try:
        await process.take_all([sr(device(n), n)] for n in range(40))
        await until(lambda: len(csp.heard) >= 2)
        survivor = await shared.dispatcher(lease_seconds=2)
    finally:
        await process.kill()
    csp.control({"state": "up"})
    await until(lambda: csp.executed == 40)
    assert csp.in_order()
    await until(lambda: survivor.dispatcher.writer.dispatchers == 1)


@in_a_loop
async def test_what_a_dispatcher_leaves_when_it_stops_is_delivered_by_the_others(shared: World) -> None:
    csp = await shared.csp()
    one, other = await shared.dispatcher(lease_seconds=2, window=8), await shared.dispatcher(lease_seconds=2)
    assert other.dispatcher.writer.dispatchers == 2
    await one.did("north/pause")
    await other.did("north/pause")
    await one.take_all([sr(device(n), n)] for n in range(40))
    await one.stop()
    assert csp.heard == []
    await other.did("north/resume")
    await until(lambda: csp.executed == 40)
    assert not any(one.marked for one in csp.heard)


@in_a_loop
async def test_sigterm_ends_what_is_being_delivered_and_leaves_nothing_claimed(world: World) -> None:
    csp = await world.csp(table={"timeout": PATIENCE})
    csp.hold()
    running = await world.dispatcher()
    await running.take_all([sr(device(n), 1), sr(device(n), 2)] for n in range(20))
    await until(lambda: csp.held is not None and len(csp.held) == 8)
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: running.dispatcher.draining)
    csp.let_go()
    await asyncio.wait_for(running.task, 60)
    assert len(csp.heard) == 8 == csp.executed  # nothing was begun, and all had their answer
    found = dict(rows(world, "SELECT state, count(*) FROM parcel GROUP BY state"))  # type: ignore[arg-type]
    assert set(found) == {State.DELIVERED, State.READY, State.BLOCKED}
    assert (found[State.DELIVERED], sum(found.values())) == (8, 40)
    assert rows(world, "SELECT count(*) FROM parcel WHERE repeated OR owner IS NOT NULL") == [(0,)]
    assert rows(world, "SELECT count(*) FROM dispatcher") == [(0,)]
    await world.dispatcher()
    await until(lambda: csp.executed == 40)
    assert csp.in_order()
    assert not any(one.marked for one in csp.heard)


@in_a_loop
async def test_what_outlasts_a_drain_is_given_back_marked(world: World) -> None:
    csp = await world.csp(table={"timeout": PATIENCE})
    csp.control({"state": "hang"})
    running = await world.dispatcher(drain_seconds=0.5)
    await running.take_all([sr(device(n), n)] for n in range(8))
    await until(lambda: len(csp.heard) == 8)
    running.dispatcher.stop()
    await turns()
    try:
        answer = await running.send(sr(device(9), 9))
    except CallFailed:
        pass
    else:
        assert code_of(answer) == (503, "draining")
    await asyncio.wait_for(running.task, 60)
    assert rows(world, "SELECT state, repeated, attempts, count(*) FROM parcel GROUP BY 1, 2, 3") == [
        (State.READY, 1, 0, 8)
    ]


@in_a_loop
async def test_a_deadline_that_passed_while_no_dispatcher_ran_is_kept_to(world: World) -> None:
    csp, endpoint = await world.csp(), await world.endpoint()
    running = await world.dispatcher(deadlines={"*": 1})
    await running.did("north/pause")
    await running.takes(sr(DEVICE, 1))
    await running.stop()
    await asyncio.sleep(1)
    await world.dispatcher()
    await until(lambda: endpoint.codes(request_id(DEVICE, 1)) == ["E20"])
    assert csp.heard == []


@in_a_loop
async def test_bodies_go_first_and_what_is_remembered_later(world: World) -> None:
    csp, _south = await world.csp(), await world.csp("south")
    running = await world.dispatcher(retention={"body_hours": 24, "remember_days": 30})
    await running.did("south/pause")
    message, waiting = sr(DEVICE, 1), sr(device(1, "south"), 1)
    first = await running.takes(message)
    await running.takes(waiting)
    await until(lambda: csp.executed == 1)

    async def ended() -> bool:
        return await running.state_of(request_id(DEVICE, 1)) == "delivered"

    await until(ended)

    async def purged(after: float) -> tuple[int, int]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service, "time", lambda: time() + after)
            await running.dispatcher._purge()
        found = rows(world, "SELECT (SELECT count(*) FROM parcel), (SELECT count(*) FROM body)")[0]
        return int(str(found[0])), int(str(found[1]))

    assert await purged(23 * 3600) == (2, 2)
    assert await purged(25 * 3600) == (2, 1)
    assert await running.takes(message) == first
    assert await purged(29 * 86_400) == (2, 1)
    assert await running.takes(message) == first
    await turns()
    assert csp.counters == [1]
    assert await purged(31 * 86_400) == (1, 1)  # what is open is never purged
    assert (await running.got(f"/api/v1/requests/{request_id(DEVICE, 1)}")).status == 404
    await running.takes(message)
    await until(lambda: csp.counters == [1, 1])  # it is forgotten: another one


@in_a_loop
async def test_memory_follows_the_window_and_not_the_backlog(world: World) -> None:
    senders = {f"User {n}": f"90-B3-D5-1F-31-{n:02X}-00-00" for n in range(20)}
    world.users = {name: {"ids": [eui64], "allocation": 10} for name, eui64 in senders.items()}
    csp = await world.csp(table={"concurrency": 16})
    running = await world.dispatcher(window=50)
    await running.did("north/pause")
    depot, peak = running.dispatcher.depot, [0]

    def sampled(_heard: object) -> None:
        held = sum(len(courier.queue) + courier.in_flight for courier in depot.couriers.values())
        peak[0] = max(peak[0], held, depot.window.count)

    csp.script = sampled
    await running.take_all(
        [sr(device(100 * n + lane), counter, eui64) for counter in range(1, 6) for lane in range(20)]
        for n, eui64 in enumerate(senders.values())
    )
    sampled(None)
    assert peak[0] <= 50
    assert (await running.csp())["backlog"] == 2000
    await running.did("north/resume")
    await until(lambda: csp.executed == 2000)
    assert csp.in_order()
    assert peak[0] <= 50 + len(senders)  # a queue with nothing in memory always gets a place

    async def empty() -> bool:
        return (await running.csp())["backlog"] == 0 and depot.window.count == 0

    await until(empty)
    await until(lambda: len(depot.window) == 0)  # what it knew of the queues goes with the next look


@in_a_loop
async def test_a_store_that_loses_its_connection_loses_nothing(shared: World) -> None:
    csp, endpoint = await shared.csp(sync=True, latency=0.02), await shared.endpoint()
    running = await shared.dispatcher()
    server = shared.postgres
    assert server is not None
    taken = []

    async def send(number: int) -> None:
        while True:
            answer = await running.send(sr(device(number), number))
            if code_of(answer) == (200, "I99"):
                taken.append(number)
                return
            assert code_of(answer) == (503, "store")
            await asyncio.sleep(0.05)

    for burst in range(4):
        sending = [asyncio.create_task(send(burst * 25 + n)) for n in range(25)]
        await asyncio.to_thread(
            server.execute,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluicegate-dispatch'",
        )
        await asyncio.gather(*sending)
    await until(lambda: csp.executed == 100)
    assert csp.in_order()
    await until(lambda: len({one.request_id for one in endpoint.heard}) == 100)

    async def empty() -> bool:
        told = await running.status()
        return sum(one["backlog"] for one in [*told["csps"].values(), *told["users"].values()]) == 0

    await until(empty)
    assert shared.logged("the store works again")


SECRET = "s3cr@t/Word"
WRITTEN = "s3cr%40t%2FWord"


@in_a_loop
async def test_a_password_in_the_stores_url_appears_nowhere(shared: World) -> None:
    shared.store = shared.store.replace("tester@", f"tester:{WRITTEN}@")
    await shared.csp()
    running = await shared.dispatcher()
    server = shared.postgres
    assert server is not None
    said: list[object] = [repr(running.settings), str(running.settings.dispatch)]

    def end_sessions() -> None:
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'sluicegate-dispatch'"
        )

    while not shared.log or not any(line["event"].startswith("the store fails") for line in shared.log):
        await asyncio.to_thread(end_sessions)
        answer = await running.send(sr(DEVICE, 1))
        said += [answer, await running.got("/api/v1/status"), (await running.cli("status")).output]
    said += [await running.got("/metrics"), await running.got("/api/v1/destinations/north/parked"), shared.log]
    for url in (
        f"postgresql://tester:{WRITTEN}@127.0.0.1:1/none",
        shared.store.replace("host=", "host=/nowhere"),
        f"postgresql://tester:{WRITTEN}@[broken/none",
    ):
        said.append(await refusal(shared, url))
    for one in said:
        assert SECRET not in str(one)
        assert WRITTEN not in str(one)
    assert any("store" in str(one) for one in said)


async def refusal(world: World, url: str) -> str:
    """What a dispatcher says that cannot start with a store."""
    world.store = url
    try:
        running: Running = await world.dispatcher(users={"retry": EAGER})
    except (StoreError, ValueError) as error:
        return f"{error} {error!r}"
    raise AssertionError(running)
