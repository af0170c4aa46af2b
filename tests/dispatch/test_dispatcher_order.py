"""The SRs to one device, and those of a chain, reach their CSP in the order in which they were accepted."""

from collections.abc import Callable

from dispatch_rig import (
    BULK,
    LARGE,
    SMALL,
    TOP_UP,
    TOP_UPS_FIRST,
    Csp,
    Running,
    World,
    device,
    in_a_loop,
    request_id,
    sr,
    turns,
    until,
)

TROUBLE = {"fail": 0.3, "drop": 0.1, "cut": 0.05, "no_answer": 0.05}


async def one_after_the_other(
    csp: Csp, dispatchers: list[Running], devices: int, each: int, srv: Callable[[int], str] = lambda counter: TOP_UP
) -> None:
    """To each device so many SRs, the devices side by side, by turns to each dispatcher; until all are executed."""
    senders = len(dispatchers)
    for counter in range(1, each + 1):
        for n, running in enumerate(dispatchers):
            await running.take_all(
                [sr(device(number), counter, srv=srv(counter))]
                for number in range(devices)
                if (number + counter) % senders == n
            )
    await until(lambda: csp.executed == devices * each)
    assert csp.in_order()


@in_a_loop
async def test_no_retry_overtakes_on_one_device(world: World) -> None:
    csp = await world.csp(**TROUBLE)
    running = await world.dispatcher()
    await one_after_the_other(csp, [running], devices=15, each=10)
    assert {len({one.fields["attempt"] for one in csp.heard}) > 1, any(one.marked for one in csp.heard)} == {True}
    told = await running.csp()
    assert told["returned"] == told["refused"] == 0


@in_a_loop
async def test_no_priority_overtakes_on_one_device(world: World) -> None:
    world.users[LARGE]["class"] = [{"name": "top-ups", "srvs": [TOP_UP]}, {"name": "reads", "srvs": ["4.*"]}]
    csp = await world.csp(**TROUBLE)
    running = await world.dispatcher()
    await running.did("north/pause")
    resumed = False
    for counter in range(1, 11):
        srv = ("6.11", BULK, TOP_UP)[counter % 3]
        await running.take_all([sr(device(number), counter, srv=srv)] for number in range(15))
        if counter == 5 and not resumed:
            await running.did("north/resume")
    await until(lambda: csp.executed == 150)
    assert csp.in_order()


@in_a_loop
async def test_no_second_dispatcher_overtakes_on_one_device(shared: World) -> None:
    csp = await shared.csp(**TROUBLE)
    dispatchers = [await shared.dispatcher(), await shared.dispatcher()]
    await one_after_the_other(csp, dispatchers, devices=15, each=8)
    worked = [(await running.csp())["attempts"] for running in dispatchers]
    assert min(worked) > 20  # they share the work
    assert sum(worked) >= 120


@in_a_loop
async def test_a_chain_by_preceding_service_request_id_keeps_its_order_over_devices_and_csps(world: World) -> None:
    north, south = await world.csp(), await world.csp("south")
    running = await world.dispatcher()
    await running.did("north/pause")
    other = device(2, "south")
    await running.takes(sr(device(1), 1))
    await running.takes(sr(other, 2, preceding=request_id(device(1), 1)))
    await running.takes(sr(device(3), 3, preceding=request_id(other, 2)))
    await running.takes(sr(device(4, "south"), 4))  # of no chain
    await until(lambda: south.counters == [4])
    await turns()
    assert (north.counters, south.counters) == ([], [4])
    assert await running.state_of(request_id(other, 2)) == "blocked"
    await running.did("north/resume")
    await until(lambda: len(north.heard) == 2)
    assert (north.counters, south.counters) == ([1, 3], [4, 2])
    assert north.heard[0].at < south.heard[1].at < north.heard[1].at


@in_a_loop
async def test_a_predecessor_that_was_never_seen_is_not_waited_for(world: World) -> None:
    csp = await world.csp()
    running = await world.dispatcher()
    await running.takes(sr(device(1), 2, preceding=request_id(device(1), 1)))
    await until(lambda: csp.counters == [2])


async def behind_bulk(world: World, window: int) -> list[int]:
    """30 SRs of bulk to other devices, one to a device, and then a top-up to the same: in which order they arrive."""
    world.users[LARGE]["class"] = TOP_UPS_FIRST
    csp = await world.csp(table={"concurrency": 1}, latency=0.02)
    running = await world.dispatcher(window=window)
    await running.did("north/pause")
    for counter in range(1, 31):
        await running.takes(sr(device(counter), counter, srv=BULK))
    await running.takes(sr(device(99), 31, srv=BULK))
    await running.takes(sr(device(99), 32))
    await turns()
    await running.did("north/resume")
    await until(lambda: len(csp.heard) == 32)
    return csp.counters


@in_a_loop
async def test_an_urgent_sr_lends_its_rank_to_what_stands_before_it(world: World) -> None:
    arrived = await behind_bulk(world, 1000)
    assert arrived[0] == 31
    assert arrived.index(32) < 8  # the next ones may be under way while it is freed


@in_a_loop
async def test_a_rank_is_lent_to_what_lies_in_the_store_too(world: World) -> None:
    arrived = await behind_bulk(world, 8)
    assert arrived.index(31) < 6  # what was in memory when it came may go first
    assert arrived.index(32) < 12


@in_a_loop
async def test_one_users_order_does_not_hold_up_anothers_device(world: World) -> None:
    csp = await world.csp(no_answer_devices=0.0)
    csp.script = lambda heard: (500, b"", "") if heard.device == device(1) else None
    running = await world.dispatcher()
    await running.take_all([[sr(device(1), counter) for counter in range(1, 6)]])
    await running.take_all([[sr(device(2), counter, SMALL) for counter in range(1, 6)]])
    await until(lambda: csp.executed == 5)
    assert {one.counter for one in csp.heard if one.device == device(1)} == {1}
    csp.script = None
    await until(lambda: csp.executed == 10)
    assert csp.in_order()
