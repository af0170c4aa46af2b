"""Status and metrics say what has happened, and every metric is explained."""

import re
from pathlib import Path

from dispatch_rig import (
    LARGE,
    NOWHERE,
    PATIENCE,
    SMALL,
    World,
    device,
    in_a_loop,
    outcome,
    sr,
    until,
)

DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


@in_a_loop
async def test_status_and_metrics_say_what_has_happened(world: World) -> None:
    csp, south = await world.csp(table={"retry": {"attempts": 3}}), await world.csp("south", {"backlog": 500})
    endpoint = await world.endpoint()
    failing = [1]

    def script(heard):  # type: ignore[no-untyped-def]
        if heard.device == device(2) and failing[0]:
            failing[0] -= 1
            return 500, b"", ""
        if heard.device == device(3):
            return 500, b"", ""
        return (400, b"", "") if heard.device == device(4) else None

    csp.script = script
    running = await world.dispatcher()
    await running.did("south/pause")
    messages = [sr(device(n), n) for n in range(1, 5)]  # delivered; the second time; returned after three; parked
    for message in messages:
        await running.takes(message)
    await running.takes(messages[0])
    await running.send(sr(device(1), 1, srv="4.1.1"))
    await running.send(sr(NOWHERE, 1))
    await running.send(sr(device(1), 9), "T")
    await running.send(b"<hello/>")
    await running.take_all([sr(device(n, "south"), n, SMALL)] for n in range(7))
    await until(lambda: len(endpoint.heard) == 1)
    await running.told(outcome(device(3), 3))  # late
    await until(lambda: len(endpoint.heard) == 2)

    async def settled() -> bool:
        told = await running.status()
        north, waits = told["csps"]["north"], told["csps"]["south"]
        looked = waits["oldest_seconds"] is not None and north["oldest_seconds"] is None  # what is parked has no age
        counted = (await running.metrics())[
            "sluicegate_dispatch_backlog", "csp:north"
        ]  # off by one until the next count
        return looked and (north["backlog"], counted, told["users"][LARGE]["backlog"]) == (1, 1, 0)

    await until(settled)
    told, metrics = await running.status(), await running.metrics()
    intake = {
        "accepted": 11,
        "repeated": 1,
        "conflicts": 1,
        "outcomes": 1,
        "late": 1,
        "hung-up": 0,
        "refused-E19": 1,
        "refused-E13": 1,
        "refused-malformed": 1,
    }
    assert told["intake"] == intake
    north = told["csps"]["north"]
    results = {"delivered": 2, "no_answer": 0, "busy": 0, "failed": 4, "refused": 1, "returned": 1}
    assert {name: north[name] for name in results} == results
    assert north["attempts"] == len(csp.heard) == 7 == sum(results.values()) - results["returned"]
    assert north["states"] == {"blocked": 0, "ready": 0, "claimed": 0, "delayed": 0, "parked": 1}
    assert (north["breaker"], north["in_flight"], north["full"], north["paused"]) == ("closed", 0, False, False)
    assert north["by_user"] == {LARGE: 1}
    assert north["octets"] == len(messages[3])
    waits = told["csps"]["south"]
    assert (waits["backlog"], waits["by_user"], waits["paused"], waits["ceiling"]) == (7, {SMALL: 7}, True, 500)
    assert (told["users"][LARGE]["delivered"], told["in_memory"]) == (2, 7)
    assert told["store"]["failing"] == ""
    assert told["store"]["dispatchers"] == 1
    assert south.heard == []

    for name, count in intake.items():
        assert metrics["sluicegate_dispatch_intake_total", name] == count
    for name, one in (("csp:north", north), ("csp:south", waits), (f"user:{LARGE}", told["users"][LARGE])):
        assert metrics["sluicegate_dispatch_attempts_total", name] == one["attempts"]
        for result in results:
            assert metrics["sluicegate_dispatch_results_total", name, result] == one[result]
        assert metrics["sluicegate_dispatch_in_flight", name] == one["in_flight"]
        assert metrics["sluicegate_dispatch_paused", name] == one["paused"]
        states = [metrics["sluicegate_dispatch_breaker", name, s] for s in ("closed", "open", "half-open", "busy")]
        assert states == [1, 0, 0, 0]
    for name, one in (("csp:north", north), ("csp:south", waits)):
        assert metrics["sluicegate_dispatch_backlog", name] == one["backlog"]
        assert metrics["sluicegate_dispatch_backlog_ceiling", name] == one["ceiling"]
        assert metrics["sluicegate_dispatch_full", name] == one["full"]
    assert metrics["sluicegate_dispatch_oldest_seconds", "csp:north"] == 0
    assert metrics["sluicegate_dispatch_oldest_seconds", "csp:south"] > 0
    assert metrics[("sluicegate_dispatch_in_memory",)] == 7
    assert metrics[("sluicegate_dispatch_dispatchers",)] == 1
    assert metrics[("sluicegate_dispatch_store_failing",)] == 0
    assert metrics[("sluicegate_dispatch_commits_total",)] > 0


@in_a_loop
async def test_every_metric_is_explained_and_none_that_is_not_there(world: World) -> None:
    await world.csp()
    running = await world.dispatcher()
    there = {name for name, *_labels in await running.metrics()}
    explained = set(re.findall(r"`(sluicegate_\w+)`", DOCS.read_text("utf-8")))
    assert there - explained == set()
    of_dispatch = {name for name in explained if name.startswith("sluicegate_dispatch_")}
    assert of_dispatch - there == set()


@in_a_loop
async def test_it_is_ready_until_it_stops(world: World) -> None:
    csp = await world.csp(table={"timeout": PATIENCE})
    csp.hold()
    running = await world.dispatcher()
    assert (await running.got("/readyz")).status == (await running.got("/healthz")).status == 200
    await running.takes(sr(device(1), 1))
    await until(lambda: csp.held)
    running.dispatcher.stop()
    await until(lambda: running.dispatcher.draining)
    answer = await running.got("/readyz")
    assert (answer.status, answer.body) == (503, b"draining\n")
    csp.let_go()
    await running.task
    assert csp.executed == 1
