"""Callback mode: 202 once it is safe, and the answer as a parcel."""

from __future__ import annotations

import json

from relay_rig import Bench, break_store, device, in_a_loop, request_id, sr, throttled, turns, until

from sluicegate.dispatch.parcel import Kind, Parcel, State, Want
from sluicegate.relay.outbox import CALLBACK, OURS

DEVICE = device(1)
CALLBACK_MODE = 'mode = "callback"\ncallback = {url = "http://127.0.0.1:9/answers"}'


async def letters(hands) -> list[Parcel]:
    """What lies in the store for the callback."""
    return await hands.writer.claim([Want(CALLBACK, OURS, 0, 100)])


@in_a_loop
async def test_202_leaves_when_it_is_safe_and_the_answer_is_a_parcel(bench: Bench) -> None:
    hands = await bench.desk(CALLBACK_MODE)
    hands.stop_pace()
    sender = await hands.waits(sr(DEVICE, 1))
    await until(lambda: sender.answers)
    told = json.loads(sender.answer.body)
    assert (sender.answer.status, told["request_id"]) == (202, request_id(DEVICE, 1))
    assert b"Response" not in sender.answer.body
    hands.go()
    await until(lambda: hands.way.posts)
    hands.way.posts[0].acknowledge()
    await until(lambda: not hands.desk.pending.count)
    (letter,) = await letters(hands)
    assert letter.body == hands.way.posts[0].answer.result().body
    assert dict(letter.fields) == {
        "Content-Type": "application/xml",
        "Sluicegate-Request-ID": request_id(DEVICE, 1),
        "Sluicegate-Status": "200",
    }
    assert await hands.stored(request_id(DEVICE, 1)) == [
        (Kind.REQUEST, State.DELIVERED, "acknowledged I99"),
        (Kind.RESPONSE, State.CLAIMED, ""),
    ]


@in_a_loop
async def test_the_callback_is_told_of_what_has_expired(bench: Bench) -> None:
    hands = await bench.desk(CALLBACK_MODE)
    hands.stop_pace()
    await hands.waits(sr(DEVICE, 1))
    hands.passes(61.0)
    await until(lambda: not hands.desk.pending.count)
    (letter,) = await letters(hands)
    assert letter.body is not None
    told = json.loads(letter.body)
    assert (told["type"], told["status"]) == ("urn:sluicegate:problem:expired", 504)
    assert told["request_id"] == request_id(DEVICE, 1)
    assert (letter.fields["Content-Type"], letter.fields["Sluicegate-Status"]) == ("application/problem+json", "504")
    assert await hands.end_of(request_id(DEVICE, 1)) == "expired deadline"


@in_a_loop
async def test_without_a_safe_place_there_is_no_202(bench: Bench) -> None:
    hands = await bench.desk(CALLBACK_MODE)
    mend = break_store(hands)
    sender = hands.send(sr(DEVICE, 1))
    await until(lambda: sender.answers)
    assert sender.kind == (503, "store")
    mend()
    await turns()
    assert hands.way.posts == []
    assert await hands.stored(request_id(DEVICE, 1)) == []


@in_a_loop
async def test_the_same_message_again_gets_202_again_and_is_sent_once(bench: Bench) -> None:
    hands = await bench.desk(CALLBACK_MODE)
    hands.stop_pace()
    first, second = hands.send(sr(DEVICE, 1)), hands.send(sr(DEVICE, 1))
    await until(lambda: first.answers and second.answers)
    third = hands.send(sr(DEVICE, 1))
    assert {sender.answer.status for sender in (first, second, third)} == {202}
    hands.go()
    await until(lambda: hands.way.posts)
    hands.way.posts[0].acknowledge()
    await until(lambda: not hands.desk.pending.count)
    assert len(await letters(hands)) == len(hands.way.posts) == 1


@in_a_loop
async def test_a_hang_up_changes_nothing_in_callback_mode(bench: Bench) -> None:
    hands = await bench.desk(CALLBACK_MODE + '\non_hang_up = "drop"')
    sender = hands.send(sr(DEVICE, 1))
    hands.leaves(sender)
    await until(lambda: hands.way.posts)
    hands.way.posts[0].give(throttled(1))
    await until(lambda: hands.tally.classes[0].throttled)
    hands.passes(1.1)
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.posts[1].acknowledge()
    await until(lambda: not hands.desk.pending.count)
    assert sender.answers == []
    assert len(await letters(hands)) == 1


@in_a_loop
async def test_after_a_crash_each_end_is_told_once(bench: Bench) -> None:
    hands = await bench.desk(CALLBACK_MODE)
    hands.stop_pace()
    for counter in (1, 2):
        await hands.waits(sr(device(counter), counter))
    hands.go()
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.last(1).acknowledge()
    await until(lambda: hands.desk.pending.count == 1)
    later = await bench.desk(CALLBACK_MODE)
    await until(lambda: later.way.posts)
    assert later.way.counters == [2]
    later.way.posts[0].acknowledge("E19")
    await until(lambda: not later.desk.pending.count)
    assert sorted(letter.fields["Sluicegate-Request-ID"] for letter in await letters(later)) == [
        request_id(device(n), n) for n in (1, 2)
    ]
    assert await later.end_of(request_id(device(2), 2)) == "refused E19"
