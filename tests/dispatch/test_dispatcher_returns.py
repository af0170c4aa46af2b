"""What cannot be delivered goes back to its User, and so do outcomes: durably, to that User's own endpoint."""

import pytest
from dispatch_rig import (
    EAGER,
    IDS,
    LARGE,
    NONE,
    PATIENCE,
    SMALL,
    Endpoint,
    Running,
    World,
    code_of,
    device,
    in_a_loop,
    made_response,
    outcome,
    request_id,
    sr,
    turns,
    until,
)

from duis.schema import complaint, needs_schema

DEVICE = device(1)
ID = request_id(DEVICE, 1)
LONG = {"first": 300, "factor": 1, "jitter": 0, "ceiling": 300, "attempts": 200}
"""A strategy whose second attempt no test sees."""


async def came_back(endpoint: Endpoint, count: int = 1) -> None:
    await until(lambda: len(endpoint.heard) >= count)


@needs_schema
@pytest.mark.parametrize(
    ("behaviour", "code"), [({"fail": 1.0}, "E20"), ({"drop": 1.0}, "E20"), ({"no_answer": 1.0}, "E21")]
)
def test_attempts_that_are_exhausted_return_an_sr(world: World, behaviour: dict[str, float], code: str) -> None:
    @in_a_loop
    async def run(world: World) -> None:
        csp = await world.csp(table={"retry": {"attempts": 3}}, **behaviour)
        endpoint = await world.endpoint()
        running = await world.dispatcher()
        await running.takes(sr(DEVICE, 1, version="5.1"))
        await came_back(endpoint)
        back = endpoint.heard[0]
        assert (back.code, back.request_id) == (code, ID)
        assert back.fields["attempts"] == str(len(csp.heard)) == "3"
        assert int(back.fields["try-again-after"]) >= 60
        assert b'schemaVersion="5.1"' in back.body
        assert complaint(back.body) is None
        await until(lambda: endpoint.status()["answered"] == {"taken": 1})
        assert await running.state_of(ID) == "returned"
        assert (await running.csp())["returned"] == 1
        assert not back.marked

    run(world=world)


@in_a_loop
async def test_a_deadline_returns_an_sr_wherever_it_waits(world: World) -> None:
    csp = await world.csp(table={"retry": LONG})
    csp.script = lambda heard: (500, b"", "") if heard.device == device(2) else (400, b"", "")
    south = await world.csp("south")
    endpoint = await world.endpoint()
    running = await world.dispatcher(deadlines={"2.2": 3, "*": 600}, window=8)
    await running.takes(sr(device(2), 1))  # is delayed
    await running.takes(sr(device(2), 2))  # waits for it
    await running.takes(sr(device(3), 1))  # is parked
    await running.did("south/pause")
    await running.take_all([sr(device(n, "south"), n)] for n in range(1, 11))  # in memory, and in the store
    await running.takes(sr(device(4, "south"), 99, srv="4.1.1"))  # has more time, by its SRV
    await came_back(endpoint, 13)
    assert {one.code for one in endpoint.heard} == {"E20"}
    assert len({one.request_id for one in endpoint.heard}) == 13
    attempts = {one.request_id: one.fields["attempts"] for one in endpoint.heard}
    assert attempts[request_id(device(2), 1)] == attempts[request_id(device(3), 1)] == "1"
    assert {attempts[request_id(device(n, "south"), n)] for n in range(1, 11)} == {"0"}
    assert await running.state_of(request_id(device(4, "south"), 99)) in {"claimed", "ready"}
    assert ((await running.csp())["returned"], (await running.csp("south"))["returned"]) == (3, 10)
    assert south.heard == []


@in_a_loop
async def test_what_is_returned_waits_for_an_endpoint_that_is_down_and_outlasts_a_restart(world: World) -> None:
    await world.csp(table={"retry": {"attempts": 1}}, fail=1)
    endpoint = await world.endpoint()
    endpoint.control({"state": "down"})
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1))

    async def tried() -> bool:
        return (await running.status())["users"][LARGE]["failed"] > 1

    await until(tried)
    await running.stop()
    running = await world.dispatcher()
    await until(tried)
    endpoint.control({"state": "up"})
    await came_back(endpoint)
    assert endpoint.codes(ID) == ["E20"]
    assert endpoint.heard[0].marked
    await until(lambda: endpoint.status()["answered"] == {"taken": 1})


@in_a_loop
async def test_an_endpoint_that_refuses_is_tried_again(world: World) -> None:
    await world.csp(table={"retry": {"attempts": 1}}, fail=1)
    endpoint = await world.endpoint(fail=0.6)
    running = await world.dispatcher()
    await running.take_all([sr(device(n), n)] for n in range(4))
    await until(lambda: len(endpoint.responses._taken) == 4)
    assert endpoint.status()["codes"] == {"E20": 4}


@in_a_loop
async def test_a_dead_endpoint_delays_nobody_else(world: World) -> None:
    csp = await world.csp(sync=True)
    dead, alive = await world.endpoint(LARGE), await world.endpoint(SMALL)
    dead.control({"state": "hang"})
    running = await world.dispatcher()
    await running.take_all([sr(device(n), n, LARGE)] for n in range(40))
    await running.take_all([sr(device(100 + n), n, SMALL)] for n in range(40))
    await until(lambda: len(alive.heard) == 40)
    await until(lambda: csp.executed == 80)  # those of the User with the dead endpoint, too

    async def settled() -> bool:
        told = (await running.status())["users"]
        return (told[SMALL]["backlog"], told[LARGE]["backlog"], told[LARGE]["delivered"]) == (0, 40, 0)

    await until(settled)
    assert len(dead.heard) == 8  # its places, and no more


@in_a_loop
async def test_a_user_without_an_endpoint_is_not_lost_sight_of(world: World) -> None:
    csp = await world.csp(sync=True)
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1))
    await until(lambda: csp.executed == 1)

    async def waits() -> bool:
        return (await running.status())["users"].get(LARGE, {}).get("breaker") == "none"

    await until(waits)
    assert (await running.status())["users"][LARGE]["backlog"] == 1
    assert "none" in (await running.cli("status")).output


@in_a_loop
async def test_an_outcome_in_the_answer_goes_to_the_user(world: World) -> None:
    await world.csp(sync=True)
    endpoint, other = await world.endpoint(), await world.endpoint(SMALL)
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1))
    await came_back(endpoint)
    assert endpoint.codes(ID) == ["I0"]
    assert "late" not in endpoint.heard[0].fields
    assert other.heard == []


@in_a_loop
async def test_an_outcome_in_the_answer_that_names_no_sr_goes_to_whose_sr_was_answered(world: World) -> None:
    csp = await world.csp()
    csp.script = lambda _heard: (200, made_response("E4", None), "")
    endpoint = await world.endpoint(SMALL)
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1, SMALL))
    await came_back(endpoint)
    assert [one.code for one in endpoint.heard] == ["E4"]


@in_a_loop
async def test_an_outcome_in_the_answer_that_names_anothers_sr_goes_to_that_one(world: World) -> None:
    csp = await world.csp()
    csp.script = lambda _heard: (200, made_response("I0", request_id(device(9), 7, SMALL)), "")
    endpoint, other = await world.endpoint(LARGE), await world.endpoint(SMALL)
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1, LARGE))
    await came_back(other)
    await turns()
    assert endpoint.heard == []


@in_a_loop
async def test_an_outcome_that_is_posted_later_goes_to_the_user(world: World) -> None:
    csp = await world.csp()
    endpoint = await world.endpoint()
    running = await world.dispatcher()
    csp.tell_outcomes(f"{running.url}/api/v1/responses")
    await running.take_all([sr(device(n), n)] for n in range(20))
    await came_back(endpoint, 20)
    assert {one.code for one in endpoint.heard} == {"I0"}
    assert len({one.request_id for one in endpoint.heard}) == 20
    assert endpoint.status()["late"] == 0
    assert (await running.status())["intake"]["outcomes"] == 20


@in_a_loop
async def test_the_same_outcome_again_is_delivered_once_and_nobodys_is_refused(world: World) -> None:
    await world.csp()
    endpoint = await world.endpoint()
    running = await world.dispatcher()
    told = outcome(DEVICE, 1)
    for _ in range(3):
        assert (await running.told(told)).status == 200
    await came_back(endpoint)
    await turns()
    assert endpoint.codes(ID) == ["I0"]
    assert code_of(await running.told(outcome(DEVICE, 1, "00-00-00-00-00-00-00-09"))) == (403, "unknown-user")
    assert code_of(await running.told(b"<Response/>")) == (400, "malformed")


@in_a_loop
async def test_a_success_after_a_return_is_delivered_and_says_that_it_is_late(world: World) -> None:
    await world.csp(table={"retry": {"attempts": 1}}, drop=1)
    endpoint = await world.endpoint()
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1))
    await came_back(endpoint)
    assert (await running.told(outcome(DEVICE, 1))).status == 200
    await came_back(endpoint, 2)
    assert [(one.code, one.fields.get("late", "")) for one in endpoint.heard] == [("E20", ""), ("I0", "yes")]
    assert (await running.status())["intake"]["late"] == 1
    assert await running.state_of(ID) == "returned"


async def concluded(world: World, running: Running, endpoint: Endpoint) -> None:
    """An outcome has concluded an SR: nothing of it is left."""
    assert (await running.told(outcome(DEVICE, 1))).status == 200
    await came_back(endpoint)

    async def delivered() -> bool:
        return await running.state_of(ID) == "delivered"

    await until(delivered)
    assert [(one.code, one.fields.get("late")) for one in endpoint.heard] == [("I0", None)]


@in_a_loop
async def test_an_outcome_concludes_an_sr_that_waits_for_its_next_attempt(world: World) -> None:
    csp = await world.csp(table={"retry": LONG}, drop=1)
    endpoint = await world.endpoint()
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1))
    await running.takes(sr(DEVICE, 2))

    async def delayed() -> bool:
        return await running.state_of(ID) == "delayed"

    await until(delayed)
    await running.counted()
    csp.control({"drop": 0})
    await concluded(world, running, endpoint)
    await until(lambda: csp.counters == [1, 2])  # what waited for it goes

    async def empty() -> bool:
        return (await running.metrics())["sluicegate_dispatch_backlog", "csp:north"] == 0

    await until(empty)


@in_a_loop
async def test_an_outcome_concludes_an_sr_that_a_dispatcher_holds(world: World) -> None:
    csp = await world.csp(drop=1)
    endpoint = await world.endpoint()
    running = await world.dispatcher(deadlines={"*": 3})
    csp.script = lambda _heard: (503, b"", "retry-after: 300\r\n")
    await running.takes(sr(DEVICE, 1))
    await until(lambda: csp.heard)
    await concluded(world, running, endpoint)
    assert (await running.csp())["backlog"] == 0
    await running.takes(sr(DEVICE, 2))
    await came_back(endpoint, 2)  # that one's deadline is over, and the first's was before it
    assert endpoint.codes(ID) == ["I0"]
    assert endpoint.codes(request_id(DEVICE, 2)) == ["E20"]


@in_a_loop
async def test_an_outcome_of_what_was_never_sent_concludes_nothing(world: World) -> None:
    csp = await world.csp()
    endpoint = await world.endpoint()
    running = await world.dispatcher(window=4)
    await running.did("north/pause")
    await running.take_all([sr(device(n), 1)] for n in range(1, 9))
    await running.counted()
    for number in range(1, 9):
        assert (await running.told(outcome(device(number), 1))).status == 200
    await came_back(endpoint, 8)
    assert (await running.csp())["backlog"] == 8
    assert running.dispatcher.depot.backlogs["csp:north"].taken == 8
    await running.did("north/resume")
    await until(lambda: csp.executed == 8)


@in_a_loop
async def test_an_outcome_counts_more_than_an_answer_that_is_broken_off(world: World) -> None:
    csp = await world.csp(table={"retry": {"attempts": 1}, "timeout": PATIENCE})
    csp.control({"state": "hang"})
    endpoint = await world.endpoint()
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1))
    await until(lambda: csp.heard)
    await concluded(world, running, endpoint)  # while the answer is not there, and will not come
    csp.control({"state": "down"})

    async def failed() -> bool:
        return (await running.csp())["failed"] == 1  # type: ignore[no-any-return]

    await until(failed)
    await turns()
    assert endpoint.codes(ID) == ["I0"]


@in_a_loop
async def test_each_users_responses_go_to_its_own_endpoint(world: World) -> None:
    await world.csp(sync=True)
    endpoints = {name: await world.endpoint(name) for name in IDS}
    running = await world.dispatcher(users={"retry": EAGER})
    await running.take_all([sr(device(n), n, name)] for name in (LARGE, SMALL, NONE) for n in range(10))
    for name, endpoint in endpoints.items():
        await came_back(endpoint, 10)
        assert {one.request_id[:23] for one in endpoint.heard} == {IDS[name]}
