"""A CSP that is full: its own SRs are refused, by allocation, and nothing else is touched."""

import asyncio
import json

from dispatch_rig import (
    LARGE,
    NONE,
    PATIENCE,
    SMALL,
    Running,
    World,
    code_of,
    device,
    in_a_loop,
    sr,
    until,
)

from sluicegate.dispatch.fitting import Waits
from sluicegate.gateway import Gateway
from sluicegate.http.call import Answer
from sluicegate.http.post import Caller
from sluicegate.settings import Upstream

CEILING = 40
"""SRs. Half of them are kept: 13 for the large User, 6 for the small one, besides one each."""


async def fill(running: Running, user: str = LARGE, start: int = 0) -> int:
    """Send until it is refused: how many were taken."""
    for number in range(start, start + CEILING + 1):
        answer = await running.send(sr(device(number), 1, user))
        if code_of(answer) != (200, "I99"):
            assert code_of(answer) == (503, "csp-backlog")
            return number - start
    raise AssertionError("nothing was refused")


@in_a_loop
async def test_a_backlog_has_a_ceiling_in_srs_that_is_shared_by_allocation(world: World) -> None:
    csp, south = await world.csp(table={"backlog": CEILING}), await world.csp("south", {"backlog": CEILING})
    running = await world.dispatcher()
    assert await running.ask("/api/v1/backpressure") == {"version": 1, "csps": {}, "waiting": {}}
    await running.counted()
    await running.did("north/pause")
    large = await fill(running)
    answer = await running.send(sr(device(500), 1))
    assert 1 <= int(answer.fields[b"retry-after"]) <= 300
    assert json.loads(answer.body)["type"] == "urn:sluicegate:problem:csp-backlog"
    assert "north" in json.loads(answer.body)["detail"]
    assert code_of(await running.send(sr(device(500), 1, NONE))) == (503, "csp-backlog")  # it lives on what is over
    told = await running.ask("/api/v1/backpressure")
    assert set(told["csps"]) == {"north"}
    assert set(told["csps"]["north"]["users"]) == {LARGE, NONE}
    small = await fill(running, SMALL, 1000)
    assert large + small == CEILING
    assert (await running.ask("/api/v1/backpressure"))["waiting"] == {"north": CEILING}
    assert small >= CEILING / 2 * 100 / 400  # what is kept for it was not touched
    assert set((await running.ask("/api/v1/backpressure"))["csps"]["north"]["users"]) == {LARGE, SMALL, NONE}
    await running.take_all([sr(device(n, "south"), n, user)] for n, user in enumerate((LARGE, SMALL, NONE)))
    await until(lambda: south.executed == 3)
    told = await running.csp()
    assert (told["full"], told["ceiling"], told["backlog"]) == (True, CEILING, large + small)
    assert told["by_user"] == {LARGE: large, SMALL: small}
    await running.did("north/resume")
    await until(lambda: csp.executed == large + small)

    async def passes() -> bool:
        return (await running.ask("/api/v1/backpressure"))["csps"] == {}

    await until(passes)
    await running.takes(sr(device(500), 1))


@in_a_loop
async def test_a_message_in_a_new_duis_version_gets_429(world: World) -> None:
    await world.csp(table={"backlog": 1})
    running = await world.start(world.settings(responses={"too_many_requests_from_duis": "4.1"}))
    await running.did("north/pause")
    await running.takes(sr(device(1), 1))
    for version, status in (("4.0", 503), ("4.10", 429), ("5.4", 429)):
        answer = await running.send(sr(device(2), 1, version=version))
        assert code_of(answer) == (status, "csp-backlog")
        assert answer.fields[b"retry-after"]


@in_a_loop
async def test_a_backlog_has_a_ceiling_in_age(world: World) -> None:
    csp = await world.csp(table={"backlog": 1000, "backlog_age": 1})
    running = await world.dispatcher()
    await running.did("north/pause")
    await running.takes(sr(device(1), 1))

    async def full() -> bool:
        return bool((await running.csp())["full"])

    await until(full)
    assert code_of(await running.send(sr(device(2), 1, NONE))) == (503, "csp-backlog")  # it has nothing kept
    await running.takes(sr(device(2), 1, LARGE))
    assert set((await running.ask("/api/v1/backpressure"))["csps"]["north"]["users"]) == {NONE}
    assert (await running.csp())["oldest_seconds"] >= 1
    await running.did("north/resume")
    await until(lambda: csp.executed == 2)

    async def over() -> bool:
        return not await full()

    await until(over)
    assert (await running.csp())["oldest_seconds"] is None
    await running.takes(sr(device(2), 1, NONE))


@in_a_loop
async def test_an_sr_that_is_refused_is_not_remembered(world: World) -> None:
    csp = await world.csp(table={"backlog": 1})
    running = await world.dispatcher()
    await running.did("north/pause")
    await running.takes(sr(device(1), 1))
    message = sr(device(2), 1)
    assert code_of(await running.send(message)) == (503, "csp-backlog")
    await running.did("north/resume")
    await until(lambda: csp.executed == 1)
    await until(lambda: running.dispatcher.depot.backlogs["csp:north"].taken == 0)
    await running.takes(message)
    await until(lambda: csp.counters == [1, 1])


@in_a_loop
async def test_the_gateway_in_front_refuses_for_that_csp_only(world: World) -> None:
    csp, south = await world.csp(table={"backlog": CEILING}), await world.csp("south")
    running = await world.dispatcher()
    settings = world.settings(
        gateway={"upstream": running.url, "backpressure": {"url": running.admin_url, "every": 0.05}},
    )
    gateway, ready = Gateway(settings, lambda: settings), asyncio.Event()
    task = asyncio.create_task(gateway.run(ready.set))
    await ready.wait()
    loop = asyncio.get_running_loop()
    caller = Caller(loop, Upstream("http", "127.0.0.1", gateway.port), Waits(2.0), None)

    async def through(target: str, counter: int, user: str = LARGE) -> Answer:
        return await caller.post("/api/v1/serviceS", sr(target, counter, user), {}, PATIENCE)

    try:
        assert code_of(await through(device(1), 1)) == (200, "I99")
        await until(lambda: csp.executed == 1)
        await running.did("north/pause")
        await fill(running, LARGE, 1000)
        refused = running.dispatcher.server.counts.refused

        async def by_the_gateway() -> Answer | None:
            before = dict(refused)
            answer = await through(device(2), 1)
            return answer if code_of(answer)[1] == "csp-backlog" and refused == before else None

        answer = await until(by_the_gateway)  # the dispatcher was not even asked
        assert answer.fields[b"retry-after"]
        before = dict(refused)
        for counter, user in ((1, LARGE), (2, SMALL), (3, NONE)):
            assert code_of(await through(device(counter, "south"), counter, user)) == (200, "I99")
        assert code_of(await through(device(3), 1, SMALL)) == (200, "I99")  # it has not used up its part
        assert refused == before
        await until(lambda: south.executed == 3)
        await running.did("north/resume")

        async def again() -> bool:
            return code_of(await through(device(2), 1)) == (200, "I99")

        await until(again)
    finally:
        caller.cut()
        gateway.stop()
        await task
