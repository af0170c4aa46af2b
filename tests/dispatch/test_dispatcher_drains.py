"""A CSP that has recovered: its backlog is shared by allocation, and inside a User by that User's own classes."""

from dispatch_rig import (
    BULK,
    IDS,
    LARGE,
    SMALL,
    TOP_UP,
    TOP_UPS_FIRST,
    Csp,
    Running,
    World,
    device,
    in_a_loop,
    sr,
    until,
)

OWNERS = {eui64: name for name, eui64 in IDS.items()}


async def down(world: World) -> tuple[Csp, Running]:
    """A CSP that is down, which the dispatcher has found out. One SR at a time will be delivered to it."""
    csp = await world.csp(table={"concurrency": 1, "circuit": {"failures": 1, "pause": 0.1, "longest_pause": 0.1}})
    csp.control({"state": "down"})
    running = await world.dispatcher()
    await running.takes(sr(device(9999), 1))

    async def opened() -> bool:
        return (await running.csp())["breaker"] != "closed"

    await until(opened)
    return csp, running


def arrivals(csp: Csp) -> list[tuple[str, int]]:
    """Users and counters of what was for the backlog's devices, in the order in which it came."""
    return [(OWNERS[one.request_id[:23]], one.counter) for one in csp.heard if one.device != device(9999)]


@in_a_loop
async def test_a_backlog_is_drained_by_allocation(world: World) -> None:
    csp, running = await down(world)
    await running.take_all([sr(device(n), n, LARGE)] for n in range(90))  # it was there first
    await running.take_all([sr(device(1000 + n), n, SMALL)] for n in range(90))
    csp.control({"state": "up"})
    await until(lambda: csp.executed == 181)
    first = [user for user, _counter in arrivals(csp)[:60]]
    assert 42 <= first.count(LARGE) <= 48  # 300 to 100
    assert csp.in_order()


@in_a_loop
async def test_top_ups_do_not_drain_last_behind_bulk(world: World) -> None:
    world.users[LARGE]["class"] = TOP_UPS_FIRST
    csp, running = await down(world)
    await running.take_all([sr(device(n), n, LARGE, BULK)] for n in range(90))
    await running.take_all([sr(device(1000 + n), n, SMALL)] for n in range(10))
    await running.take_all([sr(device(2000 + n), 1000 + n, LARGE, TOP_UP)] for n in range(10))
    csp.control({"state": "up"})
    await until(lambda: csp.executed == 111)
    came = arrivals(csp)
    assert {counter >= 1000 for user, counter in [one for one in came if one[0] == LARGE][1:10]} == {True}
    last = max(place for place, (user, counter) in enumerate(came) if user == SMALL or counter >= 1000)
    assert last < 45  # SMALL has a quarter: its 10 are among the first 40


@in_a_loop
async def test_an_outage_costs_nothing_that_was_accepted(world: World) -> None:
    csp, running = await down(world)
    for counter in range(1, 4):
        await running.take_all([sr(device(n), counter)] for n in range(30))
    csp.control({"state": "up"})
    await until(lambda: csp.executed == 91)
    assert csp.in_order()
    assert (await running.csp())["returned"] == 0
