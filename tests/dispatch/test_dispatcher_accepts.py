"""What is POSTed to the dispatcher: made safe, acknowledged once it is, and refused by its own code."""

import asyncio

import pytest
from dispatch_rig import (
    DSP,
    IDS,
    LARGE,
    NOWHERE,
    World,
    code_of,
    device,
    digest,
    firmware,
    in_a_loop,
    sr,
    turns,
    until,
)

from duis.schema import complaint, needs_schema
from sluicegate.simulate import answering

DEVICE = device(1)


@in_a_loop
async def test_i99_leaves_only_after_the_commit(world: World) -> None:
    csp = await world.csp()
    running = await world.dispatcher()
    with running.commits_held() as gate:
        asked = asyncio.create_task(running.send(sr(DEVICE, 1)))
        await until(gate.reached.is_set)
        await turns()
        assert not asked.done()
        assert csp.heard == []
        gate.open()
        assert code_of(await asked) == (200, "I99")
    await until(lambda: csp.counters == [1])


@in_a_loop
async def test_a_full_disk_answers_503_and_nothing_is_delivered(world: World) -> None:
    csp = await world.csp()
    running = await world.dispatcher()

    async def pages(most: int) -> None:
        await running.dispatcher.writer.do(
            lambda store: store._work.connection.exec_driver_sql(f"PRAGMA max_page_count = {most}").all()  # type: ignore[attr-defined]
        )

    await pages(1)  # as many as there are
    message = sr(DEVICE, 1, size=60_000)
    answer = await running.send(message)
    assert code_of(answer) == (503, "store")
    assert answer.fields[b"retry-after"] == b"5"
    await turns()
    assert csp.heard == []
    assert (await running.csp())["backlog"] == 0
    assert world.logged("the store fails: nothing is accepted until it works")
    await pages(1_000_000)
    await running.takes(message)
    await until(lambda: csp.counters == [1])
    assert not csp.heard[0].marked
    assert (await running.status())["store"]["failing"] == ""


@in_a_loop
async def test_the_same_message_again_gets_the_same_octets_and_is_delivered_once(world: World) -> None:
    csp = await world.csp()
    running = await world.dispatcher()
    message = sr(DEVICE, 1)
    first = await running.takes(message)
    again = await asyncio.gather(*(running.takes(message) for _ in range(5)))
    await until(lambda: csp.executed == 1)
    after = await running.takes(message)
    await turns()
    assert {first, *again, after} == {first}
    assert csp.counters == [1]
    assert (await running.status())["intake"] | {"accepted": 1, "repeated": 6} == (await running.status())["intake"]


@in_a_loop
async def test_a_request_id_with_another_body_is_refused_and_the_first_is_untouched(world: World) -> None:
    csp = await world.csp()
    running = await world.dispatcher()
    await running.did("north/pause")
    first, other = sr(DEVICE, 1), sr(DEVICE, 1, srv="4.1.1")
    await running.takes(first)
    assert code_of(await running.send(other)) == (409, "E12")
    await running.did("north/resume")
    await until(lambda: csp.executed == 1)
    assert code_of(await running.send(other)) == (409, "E12")
    await turns()
    assert [one.digest for one in csp.heard] == [digest(first)]


@in_a_loop
async def test_firmware_for_devices_of_two_regions_reaches_both_csps_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "KEPT_BODY_OCTETS", 20_000_000)
    csps = [await world.csp(name) for name in ("north", "south", "east")]
    running = await world.dispatcher()
    message = firmware([device(1), device(1, "south"), NOWHERE], image=15_000_000)
    first = await running.takes(message, "D")
    await until(lambda: csps[0].executed == csps[1].executed == 1)
    assert await running.takes(message, "D") == first
    assert [[one.digest for one in csp.heard] for csp in csps] == [[digest(message)], [digest(message)], []]
    assert csps[0].heard[0].body == message


@in_a_loop
async def test_what_is_for_no_device_goes_to_the_local_handler(world: World) -> None:
    north, local = await world.csp(), await world.csp("local")
    running = await world.dispatcher(routes={"non_device": "local"})
    await running.takes(sr(DSP, 1, srv="5.1", command_variant=2), "D")
    await until(lambda: local.counters == [1])
    assert north.heard == []


@needs_schema
@pytest.mark.parametrize(
    ("message", "service", "expected"),
    [
        (sr(NOWHERE, 1), "S", (200, "E19")),
        (firmware([NOWHERE]), "D", (200, "E19")),
        (sr(DSP, 1, srv="5.1", command_variant=2), "D", (200, "E19")),  # no `routes.non_device`
        (sr(DEVICE, 1), "T", (200, "E13")),
        (sr(DEVICE, 1, command_variant=4), "S", (200, "E13")),
        (sr(DEVICE, 1)[:-20], "S", (400, "E12")),
        (sr(DEVICE, 1).replace(b"<sr:CommandVariant>1<", b"<sr:CommandVariant>9<"), "S", (400, "E12")),
    ],
    ids=["no region", "firmware, no region", "no local handler", "S at T", "T at S", "cut off", "no variant"],
)
def test_what_cannot_be_taken_is_answered_by_its_code_and_is_valid(
    world: World, message: bytes, service: str, expected: tuple[int, str]
) -> None:
    @in_a_loop
    async def run(world: World) -> None:
        csp = await world.csp()
        running = await world.dispatcher()
        answer = await running.send(message, service)
        assert code_of(answer) == expected
        assert complaint(answer.body) is None
        assert answer.fields[b"sluicegate-reason"]
        await turns(10)
        assert csp.heard == []

    run(world=world)


@in_a_loop
async def test_what_is_no_message_or_nobodys_is_a_problem(world: World) -> None:
    await world.csp()
    running = await world.dispatcher()
    assert code_of(await running.send(b"<hello/>")) == (400, "malformed")
    assert code_of(await running.send(sr(DEVICE, 1).replace(IDS[LARGE].encode(), b"00-00-00-00-00-00-00-09"))) == (
        403,
        "unknown-user",
    )
