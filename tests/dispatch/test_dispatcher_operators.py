"""An operator's hand: each thing that can be done is an admin endpoint and a command, and what is set stays set."""

import asyncio
import json

import pytest
from dispatch_rig import (
    EAGER,
    LARGE,
    SMALL,
    Csp,
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

DEVICE = device(1)
ID = request_id(DEVICE, 1)


class Hand:
    """The same by either way."""

    def __init__(self, way: str, running: Running) -> None:
        self._way = way
        self._running = running

    async def does(self, verb: str, name: str = "north") -> None:
        if self._way == "endpoint":
            await self._running.did(f"{name}/{verb}")
            return
        result = await self._running.cli(verb, name)
        assert result.exit_code == 0, result.output
        assert result.output.startswith(f"{name}: ")


both = pytest.mark.parametrize("way", ["endpoint", "command"])


@both
def test_pause_holds_attempts_and_resume_begins_them_again(world: World, way: str) -> None:
    @in_a_loop
    async def run(world: World) -> None:
        north, south = await world.csp(), await world.csp("south")
        running = await world.dispatcher()
        hand = Hand(way, running)
        await hand.does("pause")
        await running.takes(sr(DEVICE, 1))
        await running.takes(sr(device(1, "south"), 1))
        await until(lambda: south.executed == 1)
        await turns()
        assert north.heard == []
        assert (await running.csp())["paused"] is True
        await hand.does("resume")
        await until(lambda: north.executed == 1)
        assert (await running.csp())["paused"] is False

    run(world=world)


@both
def test_drain_takes_no_more_and_delivers_what_is_there(world: World, way: str) -> None:
    @in_a_loop
    async def run(world: World) -> None:
        north, south = await world.csp(), await world.csp("south")
        running = await world.dispatcher()
        hand = Hand(way, running)
        await running.did("north/pause")
        await running.takes(sr(DEVICE, 1))
        await hand.does("drain")
        answer = await running.send(sr(device(2), 1))
        assert code_of(answer) == (503, "csp-backlog")
        assert int(answer.fields[b"retry-after"]) >= 60
        assert set((await running.ask("/api/v1/backpressure"))["csps"]["north"]["users"]) == set(world.users)
        await running.takes(sr(device(1, "south"), 1))
        await running.did("north/resume")
        await until(lambda: north.executed == south.executed == 1)
        assert (await running.csp())["draining"] is True
        await hand.does("undrain")
        await running.takes(sr(device(2), 1))
        assert (await running.csp())["draining"] is False

    run(world=world)


@in_a_loop
async def test_what_is_paused_and_drained_stays_so_across_a_restart(world: World) -> None:
    csp, _south = await world.csp(), await world.csp("south")
    endpoint = await world.endpoint()
    running = await world.dispatcher()
    await running.did("north/pause")
    await running.did("south/drain")
    await running.did(f"user:{LARGE.replace(' ', '%20')}/pause")
    await running.takes(sr(DEVICE, 1))
    await running.stop()
    running = await world.dispatcher()
    await turns()
    assert csp.heard == []
    told = await running.status()
    assert [told["csps"]["north"]["paused"], told["csps"]["south"]["paused"]] == [True, False]
    assert [told["csps"]["north"]["draining"], told["csps"]["south"]["draining"]] == [False, True]
    assert told["users"][LARGE]["paused"] is True
    assert code_of(await running.send(sr(device(1, "south"), 1))) == (503, "csp-backlog")
    await running.did("north/resume")
    await until(lambda: csp.executed == 1)
    assert endpoint.heard == []


@in_a_loop
async def test_what_is_set_at_one_dispatcher_holds_for_the_others(shared: World) -> None:
    csp = await shared.csp()
    one, other = await shared.dispatcher(lease_seconds=2), await shared.dispatcher(lease_seconds=2)
    await until(lambda: one.dispatcher.writer.dispatchers == other.dispatcher.writer.dispatchers == 2)
    await one.did("north/pause")
    await one.did("north/drain")

    async def heard(hands: bool) -> bool:
        told = await other.csp()
        return bool(told["paused"] is told["draining"] is hands)

    await until(lambda: heard(True))
    assert code_of(await other.send(sr(DEVICE, 1))) == (503, "csp-backlog")
    await one.did("north/undrain")
    await one.takes(sr(DEVICE, 1))
    await other.did("north/resume")
    await until(lambda: csp.executed == 1)


async def parked(world: World, count: int = 1) -> tuple[Csp, Running]:
    """So many SRs that a CSP did not want."""
    csp = await world.csp()
    csp.script = lambda _heard: (400, b"no thanks", "")
    running = await world.dispatcher()
    await running.take_all([sr(device(n), n)] for n in range(1, count + 1))

    async def done() -> bool:
        return (await running.csp())["states"]["parked"] == count

    await until(done)
    return csp, running


@in_a_loop
async def test_what_a_csp_refuses_is_parked_and_can_be_tried_again(world: World) -> None:
    csp, running = await parked(world, 3)
    found = (await running.ask("/api/v1/destinations/north/parked"))["parked"]
    assert {one["request"] for one in found} == {request_id(device(n), n) for n in (1, 2, 3)}
    assert {(one["user"], one["srv"], one["attempts"], one["why"]) for one in found} == {
        (LARGE, "2.2", 1, "answered 400")
    }
    assert (await running.csp())["breaker"] == "closed"
    csp.script = None
    first = next(one for one in found if one["request"] == ID)
    assert await running.did("north/requeue", {"seqs": [first["seq"]]}) == {"requeued": 1}
    await until(lambda: csp.executed == 1)
    assert [(one.counter, one.marked) for one in csp.heard[3:]] == [(1, True)]  # it was there before
    assert await running.did("north/requeue") == {"requeued": 2}
    await until(lambda: csp.executed == 3)
    assert csp.in_order()


@in_a_loop
async def test_the_commands_list_requeue_and_return_what_is_parked(world: World) -> None:
    endpoint = await world.endpoint()
    csp, running = await parked(world, 3)
    listed = await running.cli("parked", "north")
    assert listed.output.count("answered 400") == 3
    assert ID in listed.output
    assert "3 parked" in listed.output
    rows = json.loads((await running.cli("parked", "north", "--json")).output)
    number = next(str(one["seq"]) for one in rows if one["request"] == ID)
    csp.script = None
    assert (await running.cli("requeue", "north", number)).output == "north: 1 requeued\n"
    await until(lambda: csp.executed == 1)
    assert (await running.cli("return", "north")).output == "north: 2 returned\n"
    await until(lambda: len(endpoint.heard) == 2)
    assert {one.code for one in endpoint.heard} == {"E20"}
    assert (await running.cli("parked", "north")).output == "0 parked\n"


@in_a_loop
async def test_what_is_returned_by_hand_goes_to_its_user_and_is_counted(world: World) -> None:
    endpoint = await world.endpoint()
    csp, running = await parked(world)
    await running.takes(sr(device(1), 2))  # waits behind it
    assert await running.did("north/return") == {"returned": 1}
    await until(lambda: endpoint.codes(ID) == ["E20"])
    assert endpoint.heard[0].fields["attempts"] == "1"
    await until(lambda: csp.counters == [1, 2])
    assert (await running.csp())["returned"] == 1
    assert await running.state_of(ID) == "returned"


@in_a_loop
async def test_requeue_tries_at_once_what_waits_for_its_next_attempt(world: World) -> None:
    csp = await world.csp(table={"retry": EAGER | {"first": 300, "ceiling": 300}}, fail=1)
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1))

    async def delayed() -> bool:
        return await running.state_of(ID) == "delayed"

    await until(delayed)
    csp.control({"fail": 0})
    assert await running.did("north/requeue") == {"requeued": 1}
    await until(lambda: csp.executed == 1)
    assert csp.heard[1].marked
    assert csp.heard[1].fields["attempt"] == "1"  # as if for the first time


@both
def test_all_that_waits_can_be_returned_wherever_it_waits(world: World, way: str) -> None:
    @in_a_loop
    async def run(world: World) -> None:
        await world.csp(table={"retry": EAGER | {"first": 300, "ceiling": 300}}, fail=1)
        endpoint = await world.endpoint()
        running = await world.dispatcher(window=16)
        await running.takes(sr(device(99), 99))  # is delayed

        async def delayed() -> bool:
            return (await running.csp())["states"]["delayed"] == 1

        await until(delayed)
        await running.did("north/pause")
        await running.take_all([sr(device(n), n)] for n in range(30))  # in memory, and beyond the window
        await running.takes(sr(device(0), 100))  # is blocked
        if way == "endpoint":
            told = await running.did("north/return", {"states": ["parked", "delayed", "ready", "blocked"]})
            assert told == {"returned": 32}
        else:
            assert (await running.cli("return", "north", "--delayed", "--waiting")).output == "north: 32 returned\n"
        await until(lambda: len(endpoint.heard) == 32)
        assert {one.code for one in endpoint.heard} == {"E20"}
        assert (await running.csp())["backlog"] == 0

    run(world=world)


@in_a_loop
async def test_returning_is_not_held_up_by_other_traffic(world: World) -> None:
    """What is settled meanwhile, of whatever destination, is not waited for."""
    _csp, running = await parked(world)
    depot = running.dispatcher.depot

    async def always_one() -> None:
        while True:
            depot._spawn(asyncio.sleep(0.02))
            await asyncio.sleep(0.01)

    busy = asyncio.create_task(always_one())
    try:
        assert await running.did("north/return") == {"returned": 1}
    finally:
        busy.cancel()


@in_a_loop
async def test_what_is_known_of_a_request_can_be_looked_up(world: World) -> None:
    csp = await world.csp(table={"retry": {"attempts": 1}}, fail=1)
    endpoint = await world.endpoint()
    running = await world.dispatcher()
    await running.takes(sr(DEVICE, 1))
    await until(lambda: endpoint.heard)
    await until(lambda: endpoint.status()["answered"] == {"taken": 1})

    async def ended() -> bool:
        found = (await running.ask(f"/api/v1/requests/{ID.lower()}"))["found"]
        return {one["state"] for one in found} == {"returned", "delivered"}

    await until(ended)
    shown = await running.cli("find", ID)
    assert '"destination": "csp:north"' in shown.output
    assert f'"destination": "user:{LARGE}"' in shown.output
    assert '"Sluicegate-Attempts": "1"' in shown.output
    unknown = await running.cli("find", request_id(DEVICE, 77))
    assert (unknown.exit_code, "nothing is known" in unknown.output) == (1, True)
    wrong = await running.cli("find", "nonsense")
    assert (wrong.exit_code, "not a RequestID" in wrong.output) == (1, True)
    assert csp.heard[0].request_id == ID


@in_a_loop
async def test_what_cannot_be_done_says_why(world: World) -> None:
    await world.csp()
    await world.endpoint(SMALL)
    running = await world.dispatcher()
    unknown = await running.do("nowhere/pause")
    assert unknown.status == 404
    assert json.loads(unknown.body)["error"] == f"there is no destination 'nowhere': there are north, user:{SMALL}"
    for path, asked, said in (
        ("north/requeue", {"seqs": "all"}, "`seqs` must be a list"),
        ("north/requeue", {"seqs": [True]}, "`seqs` must be a list"),
        ("north/requeue", [1], "must be an object"),
        ("north/return", {"states": ["delivered"]}, "`states` must be a list"),
        ("north/return", {"states": []}, "`states` must be a list"),
        ("north/requeue", {"seqs": [1] * 40_000}, "more than 65536 octets"),
        (f"user:{SMALL.replace(' ', '%20')}/drain", None, "only a CSP can be drained"),
    ):
        answer = await running.do(path, asked)
        assert answer.status == 400, path
        assert said in json.loads(answer.body)["error"]
    for words, said in (
        (("pause", "nowhere"), "there is no destination"),
        (("drain", f"user:{SMALL}"), "only a CSP can be drained"),
    ):
        result = await running.cli(*words)
        assert (result.exit_code, said in result.output) == (1, True), result.output
    port = running.admin_port
    await running.stop()
    gone = await running.cli("status")
    assert (gone.exit_code, f"no dispatcher answers at 127.0.0.1:{port}" in gone.output) == (1, True)


@in_a_loop
async def test_a_user_may_have_any_name(world: World) -> None:
    name = "Gas/Electric [bold] 100%? & Söhne"
    world.users[name] = {"ids": ["90-B3-D5-1F-30-05-00-00"], "allocation": 1}
    await world.csp()
    await world.endpoint(name)
    running = await world.dispatcher()
    result = await running.cli("pause", f"user:{name}")
    assert result.output == f"user:{name}: paused\n"
    assert (await running.status())["users"][name]["paused"] is True
    assert "[bold]" in (await running.cli("status")).output


@pytest.mark.parametrize("columns", [80, 120])
def test_the_status_is_readable_in_a_usual_terminal(
    world: World, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    @in_a_loop
    async def run(world: World) -> None:
        csp = await world.csp(table={"circuit": {"failures": 1, "pause": 60, "longest_pause": 60}}, fail=1)
        await world.csp("south")
        await world.endpoint()
        running = await world.dispatcher()
        await running.did("north/pause")
        await running.did("north/drain")
        await running.did("south/pause")
        await running.takes(sr(device(1, "south"), 1))
        await running.did("north/undrain")
        await running.takes(sr(DEVICE, 1))
        await running.did("north/resume")
        await until(lambda: csp.heard)
        await running.did("north/drain")
        await running.did("north/pause")
        shown = (await running.cli("status")).output
        assert "…" not in shown
        assert max(map(len, shown.splitlines())) <= columns
        for word in (
            *("name", "breaker", "backlog", "oldest", "delayed", "parked", "in flight", "attempts", "delivered"),
            *("no answer", "busy", "failed", "refused", "returned", "open", "paused", "draining", "closed"),
            *("north: answered 500", "intake: accepted 2"),
        ):
            assert word in shown, (word, shown)
        assert json.loads((await running.cli("status", "--json")).output)["csps"]["north"]["draining"] is True

    run(world=world)
