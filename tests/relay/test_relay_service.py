"""A whole relay: what its senders, its gateway, its callback and its operator see of it over real sockets."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from relay_rig import PATIENCE, TOP_UP, device, in_a_loop, kind_of, request_id, sr, until
from relay_service_rig import Came, House

from sluicegate.database.errors import StoreError
from sluicegate.relay import service as services
from sluicegate.settings import parse_relay

DEVICE = device(1)
BUSY = (
    503,
    {"Content-Type": "application/problem+json", "Retry-After": "1"},
    b'{"type": "urn:sluicegate:problem:throttled"}',
)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """Nothing runs yet. What a relay does again and again it does more often here."""
    for name, seconds in (("TICK", 0.02), ("SWEEP", 0.02), ("LOOK", 0.05)):
        monkeypatch.setattr(services, name, seconds)
    return House(tmp_path)


async def hangs_up(sending: asyncio.Task[object]) -> None:
    """A sender goes, and its connection with it."""
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


@in_a_loop
async def test_messages_and_answers_pass_octet_for_octet(house: House) -> None:
    gateway = await house.server()
    await house.relay(gateway.port)
    body = sr(DEVICE, 1, size=3000)
    answer = await house.send(body, "/any/path?with=query", X_System="billing", Sluicegate_Deadline="20")
    (came,) = gateway.came
    assert came.line == "POST /base/any/path?with=query HTTP/1.1"
    assert came.body == body
    assert came.answer is not None
    assert (came.fields["x-system"], came.fields["content-type"]) == ("billing", "application/xml")
    assert came.fields["host"] == f"127.0.0.1:{gateway.port}"
    assert not any(name.startswith("sluicegate") for name in came.fields)
    assert (answer.status, answer.body, answer.fields[b"x-dsp"]) == (200, came.answer[2], b"Seen")


@in_a_loop
async def test_a_throttled_sender_waits_and_is_acknowledged(house: House) -> None:
    gateway = await house.server(lambda _: BUSY if len(gateway.came) == 1 else None)
    await house.relay(gateway.port)
    answer = await house.send(sr(DEVICE, 1))
    assert answer.status == 200
    assert len(gateway.came) == 2
    found = (await house.ask(f"/api/v1/requests/{request_id(DEVICE, 1)}"))["found"]
    assert [(one["state"], one["code"], one["class"]) for one in found] == [("acknowledged", "I99", "top-ups")]
    told = await house.ask("/api/v1/report")
    assert told["ends"] == [{"class": "top-ups", "end": "acknowledged", "count": 1}]
    assert told["not_acknowledged"] == []
    metrics = await house.metrics()
    assert metrics["sluicegate_relay_ends_total", "top-ups", "acknowledged"] == 1
    assert metrics["sluicegate_relay_results_total", "top-ups", "throttled"] == 1
    assert metrics["sluicegate_relay_seconds_count", "top-ups"] == 1


@in_a_loop
async def test_what_no_message_is_is_refused_at_the_door(house: House) -> None:
    gateway = await house.server()
    await house.relay(gateway.port)
    assert kind_of(await house.send(b"<nothing/>")) == (400, "malformed")
    assert kind_of(await house.send(sr(DEVICE, 1), Sluicegate_Class="nobody")) == (400, "wish")
    assert gateway.came == []


@in_a_loop
async def test_a_sender_that_hangs_up_meets_its_answer_when_it_comes_again(house: House) -> None:
    held = asyncio.Event()

    async def script(_: Came) -> None:
        await held.wait()

    gateway = await house.server(script)
    service = await house.relay(gateway.port)
    sending = asyncio.create_task(house._caller(service.port).post("/x", sr(DEVICE, 1), {}, PATIENCE))
    await until(lambda: gateway.came)
    await hangs_up(sending)
    await until(lambda: service.tally.classes[0].left)
    again = asyncio.create_task(house.send(sr(DEVICE, 1)))
    await until(lambda: service.tally.classes[0].joined)
    held.set()
    assert (await again).status == 200
    assert len(gateway.came) == 1


@in_a_loop
async def test_dropped_is_what_a_sender_leaves_before_it_was_sent(house: House) -> None:
    gateway = await house.server(lambda _: BUSY)
    service = await house.relay(gateway.port, 'on_hang_up = "drop"')
    sending = asyncio.create_task(house._caller(service.port).post("/x", sr(DEVICE, 1), {}, PATIENCE))
    await until(lambda: service.tally.classes[0].stored)
    await hangs_up(sending)
    await until(lambda: service.tally.classes[0].dropped)
    told = await house.cli("report")
    assert told.exit_code == 0
    assert f"{request_id(DEVICE, 1)}  2.2     top-ups: expired dropped" in told.output


@in_a_loop
async def test_answers_reach_the_callback_until_it_takes_them(house: House) -> None:
    gateway = await house.server()
    callback = await house.server(lambda _: (500 if len(callback.came) == 1 else 204, {}, b""))
    await house.relay(
        gateway.port,
        f'mode = "callback"\ncallback = {{url = "http://127.0.0.1:{callback.port}/answers", retry = {{first = 0.05}}}}',
    )
    body = sr(DEVICE, 1)
    answer = await house.send(body)
    assert (answer.status, json.loads(answer.body)["request_id"]) == (202, request_id(DEVICE, 1))
    await until(lambda: len(callback.came) == 2)
    first, second = callback.came
    assert gateway.came[0].answer is not None
    assert first.body == second.body == gateway.came[0].answer[2]
    assert first.line == "POST /answers HTTP/1.1"
    assert (first.fields["sluicegate-request-id"], first.fields["sluicegate-status"]) == (request_id(DEVICE, 1), "200")
    assert "sluicegate-repeat" not in first.fields
    assert second.fields["sluicegate-repeat"] == "yes"

    async def delivered() -> bool:
        return (await house.ask("/api/v1/status"))["callback"]["waiting"] == 0

    await until(delivered)
    found = (await house.ask(f"/api/v1/requests/{request_id(DEVICE, 1)}"))["found"]
    assert [(one["what"], one["state"]) for one in found] == [
        ("SR", "acknowledged"),
        ("answer to the callback", "delivered"),
    ]
    assert (await house.metrics())["sluicegate_relay_callback_total", "delivered"] == 1


@in_a_loop
async def test_a_gateway_that_is_not_there_is_waited_for_until_the_deadline(house: House) -> None:
    gateway = await house.server()
    await gateway.stop()
    await house.relay(gateway.port)
    answer = await house.send(sr(DEVICE, 1), Sluicegate_Deadline="1")
    assert kind_of(answer) == (504, "expired")
    assert json.loads(answer.body)["attempts"] >= 1
    status = await house.ask("/api/v1/status")
    assert "no connection" in status["gateway"]["last_failure"]


@in_a_loop
async def test_sigterm_ends_what_is_under_way_and_keeps_what_waits(house: House) -> None:
    held = asyncio.Event()

    async def script(_: Came) -> None:
        await held.wait()

    gateway = await house.server(script)
    service = await house.relay(gateway.port, "connections = 1")
    under_way = asyncio.create_task(house.send(sr(DEVICE, 1)))
    await until(lambda: gateway.came)
    waits = asyncio.create_task(house._caller(service.port).post("/x", sr(device(2), 2), {}, PATIENCE))
    await until(lambda: service.tally.classes[0].stored)
    (_, task), = house.services  # fmt: skip
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: service.draining)
    held.set()
    assert (await under_way).status == 200
    assert kind_of(await waits) == (503, "draining")
    await asyncio.wait_for(task, PATIENCE)
    house.services.clear()
    later = await house.relay(gateway.port)
    await until(lambda: len(gateway.came) == 2)
    await until(lambda: later.tally.classes[0].acknowledged)
    assert gateway.came[1].fields["sluicegate-repeat"] == "yes"


@in_a_loop
async def test_two_relays_cannot_have_one_store(house: House) -> None:
    gateway = await house.server()
    await house.relay(gateway.port)
    with pytest.raises(StoreError, match="another"):
        await house.relay(gateway.port)


@in_a_loop
async def test_what_its_operator_sees(house: House) -> None:
    gateway = await house.server(lambda _: BUSY)
    service = await house.relay(gateway.port, "waiting = 3")
    senders = [
        asyncio.create_task(house._caller(service.port).post("/x", sr(device(n), n, srv), {}, PATIENCE))
        for n, srv in enumerate([TOP_UP, TOP_UP, "4.1.1"])
    ]
    await until(lambda: sum(of.stored for of in service.tally.classes) == 3)
    assert kind_of(await house.send(sr(device(9), 9))) == (503, "relay-full")
    top_ups = await house.of_class("top-ups")
    assert (top_ups["waiting"] + top_ups["in_flight"], top_ups["deadline"]) == (2, 60)
    shown = await house.cli("status")
    assert shown.exit_code == 0, shown.output
    for word in ("Large Supplier A", "top-ups", "everything else", "bulk reads, bulk", "not taken: full 1"):
        assert word in shown.output
    assert json.loads((await house.cli("status", "--json")).output)["open"] == 3
    assert (await house.got("/healthz")).body == b"ok\n"
    assert (await house.got("/readyz")).body == b"ready\n"
    assert (await house.got("/api/v1/requests/nonsense")).status == 400
    missing = await house.cli("find", request_id(device(77), 1))
    assert (missing.exit_code, "nothing is known" in missing.output) == (1, True)
    found = await house.cli("find", request_id(device(0), 0))
    assert json.loads(found.output)["state"] == "waiting"
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)


@in_a_loop
async def test_held_back_demand_is_written_and_exported(house: House) -> None:
    gateway = await house.server(lambda _: BUSY if len(gateway.came) == 2 else None)
    await house.relay(gateway.port, 'demand = {folder = "held"}')
    await house.send(sr(device(2), 2, "6.15.1"))
    await house.send(sr(DEVICE, 1))
    await house.stop_relay()
    out = house.folder / "out.csv"
    done = await house.cli("demand", str(house.folder / "held"), "--out", str(out), admin=False)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(out.open()))
    sums: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:  # two of a kind, where a minute has ended meanwhile
        counted = {name: int(row[name]) for name in ("came", "held", "sent", "acknowledged")}
        sums.setdefault((row["class"], row["srv"]), Counter()).update(counted)
    assert sums == {
        ("", "6.15.1"): {"came": 1, "held": 0, "sent": 1, "acknowledged": 1},
        ("top-ups", "2.2"): {"came": 1, "held": 1, "sent": 2, "acknowledged": 1},
    }
    assert {row["user"] for row in rows} == {"Large Supplier A"}


@in_a_loop
async def test_each_metric_is_on_its_page(house: House) -> None:
    gateway = await house.server()
    await house.relay(gateway.port, 'mode = "callback"\ncallback = {url = "http://127.0.0.1:9/"}')
    page = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text("utf-8").partition("## The relay")[2]
    names = {name for name, *_ in await house.metrics() if name.startswith("sluicegate_relay_")}
    families = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in names}
    told = {
        word.strip("`")
        for word in page.replace("|", " ").replace(",", " ").split()
        if word.startswith("`sluicegate_relay_")
    }
    assert families <= told
    assert told - families <= {"sluicegate_relay_allocation"}  # once the gateway has told it


def test_the_example_is_right(tmp_path: Path) -> None:
    example = Path(__file__).resolve().parents[2] / "docs" / "examples" / "relay.toml"
    assert len(parse_relay(example.read_text("utf-8"), base=tmp_path).classes) == 4
