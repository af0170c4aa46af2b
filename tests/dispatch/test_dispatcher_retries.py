"""The retry strategy: when again, whether at all, and how fast after an outage."""

from collections.abc import Mapping
from itertools import pairwise
from time import monotonic

from dispatch_rig import (
    LARGE,
    PATIENCE,
    Heard,
    Script,
    World,
    device,
    in_a_loop,
    made_response,
    request_id,
    sr,
    turns,
    until,
)

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.parcel import Parcel
from sluicegate.http.call import Answer


def first_ones(most: int, answer: tuple[int, bytes, str]) -> Script:
    """The first messages are answered so, the others as ever."""
    left = [most]

    def script(_heard: Heard) -> tuple[int, bytes, str] | None:
        left[0] -= 1
        return answer if left[0] >= 0 else None

    return script


@in_a_loop
async def test_delays_grow_by_the_factor_to_the_ceiling(world: World) -> None:
    strategy = {"first": 0.1, "factor": 2, "jitter": 0, "ceiling": 0.3, "attempts": 6}
    csp = await world.csp(table={"retry": strategy})
    csp.script = first_ones(4, (500, b"broken", ""))
    running = await world.dispatcher()
    await running.takes(sr(device(1), 1))
    await until(lambda: csp.executed == 1)
    pauses = [after.at - before.at for before, after in pairwise(csp.heard)]
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.3, 0.3), strict=True)), pauses
    assert [one.fields["attempt"] for one in csp.heard] == ["1", "2", "3", "4", "5"]
    assert [one.marked for one in csp.heard] == [False, True, True, True, True]
    assert len({one.fields["accepted"] for one in csp.heard}) == 1
    told = await running.csp()
    assert (told["attempts"], told["failed"], told["delivered"]) == (5, 4, 1)


@in_a_loop
async def test_retry_after_is_honoured_for_the_whole_csp_and_no_attempt_is_counted(world: World) -> None:
    csp, south = await world.csp(table={"concurrency": 1, "retry": {"attempts": 1}}), await world.csp("south")
    csp.script = first_ones(1, (503, b"busy", "retry-after: 1\r\n"))
    running = await world.dispatcher()
    await running.takes(sr(device(1), 1))
    await until(lambda: csp.heard)
    await running.take_all([sr(device(number), number)] for number in range(2, 6))
    await running.takes(sr(device(1, "south"), 1))
    await until(lambda: south.executed == 1)
    told = await running.csp()
    assert (told["breaker"], told["busy"], told["backlog"]) == ("busy", 1, 5)
    await until(lambda: csp.executed == 5)
    assert csp.heard[1].at - csp.heard[0].at >= 1
    assert {one.fields["attempt"] for one in csp.heard} == {"1"}
    assert [one.counter for one in csp.heard if one.marked] == [1]  # it may have been taken: it says so
    told = await running.csp()
    assert (told["failed"], told["returned"], told["delivered"]) == (0, 0, 5)


@in_a_loop
async def test_a_csp_that_fails_is_left_alone_and_one_that_recovers_is_delivered_to(world: World) -> None:
    csp = await world.csp(table={"circuit": {"failures": 3, "pause": 0.5, "longest_pause": 0.5}}, fail=1)
    running = await world.dispatcher()
    await running.take_all([sr(device(number), number)] for number in range(40))

    async def state() -> str:
        return str((await running.csp())["breaker"])

    async def opened() -> bool:
        return await state() == "open"

    await until(opened)
    assert len(csp.heard) <= 3 + 8  # and what was under way beside them
    told = await running.csp()
    assert 0 < told["next_probe_seconds"] <= 0.5
    assert told["last_failure"] == "answered 500"
    csp.control({"fail": 0})
    await until(lambda: csp.executed == 40)
    assert csp.in_order()
    assert await state() == "closed"
    [line] = world.logged("a destination fails, and is left alone")
    assert (line["destination"], line["why"]) == ("csp:north", "answered 500")
    assert [line["destination"] for line in world.logged("a destination has recovered")] == ["csp:north"]


@in_a_loop
async def test_devices_that_do_not_answer_do_not_open_the_circuit(world: World) -> None:
    csp = await world.csp(table={"concurrency": 2, "circuit": {"failures": 3, "pause": 60, "longest_pause": 60}})
    silent = {device(number) for number in range(0, 40, 2)}
    csp.script = lambda heard: (200, made_response("E21", heard.request_id), "") if heard.device in silent else None
    running = await world.dispatcher()
    await running.take_all([sr(device(number), number)] for number in range(40))
    await until(lambda: csp.executed == 20)
    await until(lambda: len(csp.heard) > 60)  # the others are asked again
    told = await running.csp()
    assert (told["breaker"], told["failed"]) == ("closed", 0)
    csp.script = None
    await until(lambda: csp.executed == 40)


@in_a_loop
async def test_while_half_open_one_probe_is_made_at_a_time(world: World) -> None:
    circuit = {"failures": 4, "pause": 0.02, "longest_pause": 0.02}
    csp = await world.csp(table={"circuit": circuit}, fail=1)
    csp.script = lambda _heard: None if csp.behaviour.fail else (200, b"", "")
    running = await world.dispatcher()
    await running.take_all([sr(device(number), number)] for number in range(30))
    await until(lambda: len(csp.heard) >= 4)
    csp.control({"fail": 0, "latency": 0.05, "drop": 1})  # taken, and lost: each probe takes a while, and fails
    csp.script = None

    async def idle() -> bool:
        return bool(csp.in_progress == 0 and (await running.csp())["in_flight"] == 0)

    await until(idle)
    before = len(csp.heard)
    await until(lambda: len(csp.heard) >= before + 6)
    assert {one.beside for one in csp.heard[before:]} == {0}
    csp.control({"drop": 0, "latency": 0})
    await until(lambda: csp.executed == 30 and csp.in_progress == 0)
    assert csp.in_order()


@in_a_loop
async def test_a_csp_that_has_recovered_is_begun_with_slowly(world: World) -> None:
    csp = await world.csp(
        table={
            "concurrency": 20,
            "slow_start_seconds": 1.0,
            "circuit": {"failures": 1, "pause": 0.1, "longest_pause": 0.1},
        }
    )
    running = await world.dispatcher()
    csp.control({"fail": 1})
    await running.takes(sr(device(0), 0))

    async def opened() -> bool:
        return (await running.csp())["breaker"] != "closed"

    await until(opened)
    await running.take_all([sr(device(number), number)] for number in range(1, 160))
    csp.control({"fail": 0, "latency": 0.1})
    before = len(csp.heard)
    await until(lambda: csp.executed == 160)
    recovered = csp.heard[before].at  # the probe's arrival; the slow start begins when it is answered, 0.1 s later
    for one in csp.heard[before + 1 :]:
        assert one.beside + 1 <= max(2, 20 * (one.at - recovered)), one.at - recovered
    assert max(one.beside for one in csp.heard[before:]) > 10


@in_a_loop
async def test_what_comes_while_all_places_are_taken_goes_as_soon_as_one_is_free(world: World) -> None:
    csp = await world.csp(table={"concurrency": 1})
    running = await world.dispatcher()
    began = monotonic()
    await running.take_all([sr(device(number), number)] for number in range(200))
    await until(lambda: csp.executed == 200)
    assert {one.beside for one in csp.heard} == {0}
    # Each would wait for half a second if the end of an attempt began nothing: 100 s, where a fifth of one is enough.
    # `until` has ended before: no busy machine comes near to this.
    assert monotonic() - began < 60


@in_a_loop
async def test_a_store_that_fails_is_not_the_csps_fault(world: World) -> None:
    csp = await world.csp(table={"circuit": {"failures": 1, "pause": 60, "longest_pause": 60}})
    running = await world.dispatcher()
    await running.did("north/pause")
    await running.takes(sr(device(1), 1, size=100_000))  # large: read when it is sent
    asked, read = [], running.dispatcher.depot.body

    async def body(parcel: Parcel) -> bytes | None:
        asked.append(parcel.seq)
        if len(asked) == 1:
            raise StoreError("it could not be read")
        return await read(parcel)

    running.dispatcher.depot.body = body  # type: ignore[method-assign]
    await running.did("north/resume")
    await until(lambda: csp.executed == 1)
    told = await running.csp()
    assert (told["breaker"], told["attempts"], told["failed"]) == ("closed", 1, 0)
    assert (csp.heard[0].fields["attempt"], csp.heard[0].marked) == ("1", False)


@in_a_loop
async def test_a_fault_of_our_own_parks_what_it_concerns_and_nothing_else(world: World) -> None:
    csp = await world.csp(table={"circuit": {"failures": 1, "pause": 60, "longest_pause": 60}})
    running = await world.dispatcher()
    courier = running.dispatcher.depot.couriers["csp:north"]
    posts = courier._way.post

    async def post(path: str, body: bytes, fields: Mapping[str, str], timeout: float) -> Answer:
        if request_id(device(1), 1).encode() in body:
            raise RuntimeError("a mistake")
        return await posts(path, body, fields, timeout)

    courier._way.post = post  # type: ignore[method-assign]
    await running.takes(sr(device(1), 1))
    await running.takes(sr(device(2), 2))
    await until(lambda: csp.executed == 1)
    found = (await running.ask("/api/v1/destinations/north/parked"))["parked"]
    assert [(one["request"], one["why"]) for one in found] == [(request_id(device(1), 1), "RuntimeError('a mistake')")]
    assert (await running.csp())["breaker"] == "closed"
    assert world.logged("an attempt failed by our own fault")


@in_a_loop
async def test_a_rate_is_kept_to(world: World) -> None:
    csp = await world.csp(table={"rate": 50})
    running = await world.dispatcher()
    await running.take_all([sr(device(number), number)] for number in range(40))
    await until(lambda: csp.executed == 40)
    # 5: what the bank holds. Half of it: the first one may have been long on its way.
    assert csp.heard[-1].at - csp.heard[0].at >= (40 - 1 - 5) / 50 / 2


@in_a_loop
async def test_one_csp_that_hangs_holds_up_no_other(world: World) -> None:
    north, south = await world.csp(table={"timeout": PATIENCE}), await world.csp("south")
    north.control({"state": "hang"})
    running = await world.dispatcher()
    await running.take_all([sr(device(number), number)] for number in range(50))
    await running.take_all([sr(device(number, "south"), number)] for number in range(50))
    await until(lambda: south.executed == 50)
    told = await running.csp()
    assert (told["in_flight"], told["backlog"]) == (8, 50)
    await turns()
    assert await running.state_of(request_id(device(0), 0, LARGE)) == "claimed"
