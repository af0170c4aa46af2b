"""Hold mode: what goes straight on, what waits, and what its sender is told."""

from __future__ import annotations

import asyncio
import json

from relay_rig import (
    OTHER,
    READ,
    TOP_UP,
    Bench,
    break_store,
    device,
    failing,
    in_a_loop,
    kind_of,
    request_id,
    response,
    sr,
    throttled,
    turns,
    until,
)

from sluicegate.relay.errand import Stage

DEVICE = device(1)


@in_a_loop
async def test_what_nothing_stands_before_goes_straight_on_and_is_not_stored(bench: Bench) -> None:
    hands = await bench.desk()
    sender = hands.send(sr(DEVICE, 1))
    await until(lambda: hands.way.posts)
    (post,) = hands.way.posts
    assert (post.path, post.body, dict(post.fields)) == (
        "/api/v1/serviceS", sender.body, {"Content-Type": "application/xml"},
    )  # fmt: skip
    answer = response(sender.body)
    post.give(answer)
    await until(lambda: sender.answers)
    assert sender.answer is answer
    assert await hands.stored(request_id(DEVICE, 1)) == []
    assert hands.desk.pending.count == 0
    assert (hands.tally.classes[0].acknowledged, hands.tally.classes[0].stored) == (1, 0)


@in_a_loop
async def test_a_throttled_one_waits_and_its_sender_never_sees_it(bench: Bench) -> None:
    hands = await bench.desk()
    sender = hands.send(sr(DEVICE, 1))
    await until(lambda: hands.way.posts)
    hands.pace.allowed = 0
    hands.way.posts[0].give(throttled(3))
    errand = sender.errand
    assert errand is not None
    await until(lambda: errand.stage is Stage.ASIDE)
    assert errand.stored
    assert sender.answers == []
    hands.go()
    hands.passes(2.9)  # Retry-After is honoured
    await turns(3)
    assert len(hands.way.posts) == 1
    hands.passes(0.2)
    await until(lambda: len(hands.way.posts) == 2)
    assert not hands.way.posts[1].marked  # it was not taken, so it is no repetition
    hands.way.posts[1].acknowledge()
    await until(lambda: sender.answers)
    assert sender.answer.status == 200
    assert await hands.end_of(request_id(DEVICE, 1)) == "acknowledged I99"


@in_a_loop
async def test_one_that_is_told_to_come_after_its_deadline_is_tried_once_more_before(bench: Bench) -> None:
    hands = await bench.desk()
    sender = hands.send(sr(DEVICE, 1), deadline="10")
    await until(lambda: hands.way.posts)
    hands.way.posts[0].give(throttled(30))
    await until(lambda: hands.tally.classes[0].stored)
    hands.passes(8.9)
    await turns(3)
    assert len(hands.way.posts) == 1
    hands.passes(0.2)
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.posts[1].acknowledge()
    await until(lambda: sender.answers)


@in_a_loop
async def test_what_the_gateway_or_the_dsp_refuses_goes_back_as_it_is(bench: Bench) -> None:
    hands = await bench.desk()
    for counter, answer in enumerate([throttled(None, 403, "foreign-originator"), response(sr(DEVICE, 1), "E13")]):
        sender = hands.send(sr(DEVICE, counter))
        await until(lambda: len(hands.way.posts) == counter + 1)  # noqa: B023
        hands.way.posts[-1].give(answer)
        await until(lambda: sender.answers)  # noqa: B023
        assert sender.answer is answer
    assert hands.tally.classes[0].refused == 2


@in_a_loop
async def test_a_failure_is_tried_again_later_and_marked(bench: Bench) -> None:
    hands = await bench.desk()
    sender, other = hands.send(sr(DEVICE, 1)), hands.send(sr(device(2), 2))
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.posts[0].fail()
    hands.way.posts[1].give(failing())
    for one in (sender, other):
        assert one.errand is not None
        await until(lambda: one.errand.stage is Stage.ASIDE)  # type: ignore[union-attr]  # noqa: B023
    hands.passes(0.5)
    await turns()
    assert len(hands.way.posts) == 2
    hands.passes(1.0)
    await until(lambda: len(hands.way.posts) == 4)
    assert [post.marked for post in hands.way.posts] == [False, False, True, True]
    assert [status for _rank, status in hands.pace.answers] == [0, 502]
    for post in hands.way.posts[2:]:
        post.acknowledge()
    await until(lambda: sender.answers and other.answers)
    assert sender.kind == other.kind == (200, "")


@in_a_loop
async def test_one_that_was_never_sent_is_not_marked(bench: Bench) -> None:
    hands = await bench.desk()
    hands.send(sr(DEVICE, 1))
    await until(lambda: hands.way.posts)
    hands.way.posts[0].fail(sent=False)
    await until(lambda: hands.tally.classes[0].stored)
    hands.passes(2.0)
    await until(lambda: len(hands.way.posts) == 2)
    assert not hands.way.posts[1].marked


@in_a_loop
async def test_the_most_urgent_goes_first_then_the_earliest_deadline_and_bulk_last(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    for counter, (srv, wish) in enumerate(
        [(READ, None), (OTHER, None), (TOP_UP, None), (TOP_UP, "20"), (OTHER, "10"), (TOP_UP, "20")]
    ):
        await hands.waits(sr(device(counter), counter, srv), deadline=wish)
    hands.go()
    await until(lambda: len(hands.way.posts) == 6)
    assert hands.way.counters == [3, 5, 2, 4, 1, 0]


@in_a_loop
async def test_nobody_goes_straight_on_past_one_that_is_more_urgent(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    await hands.waits(sr(DEVICE, 1))
    hands.pace.allowed = 1  # nobody has noticed yet
    late = hands.send(sr(device(2), 2, OTHER))
    await until(lambda: hands.way.posts)
    assert hands.way.counters == [1]
    assert late.errand is not None
    await until(lambda: late.errand.stored)  # type: ignore[union-attr]


@in_a_loop
async def test_the_order_of_a_device_is_kept_whatever_the_classes(bench: Bench) -> None:
    hands = await bench.desk()
    senders = [
        hands.send(sr(DEVICE, 1, READ)),
        *[await hands.waits(sr(DEVICE, n, srv)) for n, srv in ((2, READ), (3, TOP_UP))],
    ]
    await until(lambda: hands.way.posts)
    hands.way.posts[0].give(throttled(1))  # it goes back, and its place is still the first
    await until(lambda: senders[0].errand.stage is Stage.ASIDE)  # type: ignore[union-attr]
    hands.passes(1.1)
    await until(lambda: len(hands.way.posts) == 2)
    assert hands.way.counters == [1, 1]
    for counter in (1, 2, 3):
        await until(lambda: hands.way.counters[-1] == counter)  # noqa: B023
        await turns(3)
        assert hands.way.counters[-1] == counter
        hands.way.posts[-1].acknowledge()
    await until(lambda: all(sender.answers for sender in senders))
    assert hands.way.counters == [1, 1, 2, 3]


@in_a_loop
async def test_one_that_comes_while_the_one_before_it_is_being_stored_does_not_overtake(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    hands.send(sr(DEVICE, 1))
    hands.pace.allowed = 10**9
    hands.send(sr(DEVICE, 2))
    hands.send(sr(device(2), 3, preceding=request_id(DEVICE, 1)))
    for counter in (1, 2):
        await until(lambda: counter in hands.way.counters)  # noqa: B023
        await turns(3)
        hands.way.last(counter).acknowledge()
    await until(lambda: len(hands.way.posts) == 3)
    assert hands.way.counters[0] == 1


@in_a_loop
async def test_a_chain_waits_for_the_end_of_its_predecessor(bench: Bench) -> None:
    hands = await bench.desk()
    hands.send(sr(DEVICE, 1))
    after = await hands.waits(sr(device(2), 2, preceding=request_id(DEVICE, 1)))
    await turns()
    assert hands.way.counters == [1]
    hands.way.posts[0].acknowledge()
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.posts[1].acknowledge()
    await until(lambda: after.answers)


@in_a_loop
async def test_a_deadline_ends_what_waits_and_its_sender_is_told(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    sender = await hands.waits(sr(DEVICE, 1), deadline="5")
    hands.passes(4.9)
    await turns(3)
    assert sender.answers == []
    hands.passes(0.2)
    await until(lambda: sender.answers)
    assert sender.kind == (504, "expired")
    told = json.loads(sender.answer.body)
    assert (told["request_id"], told["attempts"], told["may_have_been_sent"]) == (request_id(DEVICE, 1), 0, False)
    assert await hands.end_of(request_id(DEVICE, 1)) == "expired deadline"
    hands.go()
    await turns()
    assert hands.way.posts == []


@in_a_loop
async def test_what_is_under_way_at_its_deadline_ends_as_its_attempt_does(bench: Bench) -> None:
    hands = await bench.desk()
    good, bad = hands.send(sr(DEVICE, 1), deadline="5"), hands.send(sr(device(2), 2), deadline="5")
    await until(lambda: len(hands.way.posts) == 2)
    hands.passes(6.0)
    await turns(3)
    assert good.answers == bad.answers == []
    hands.way.posts[0].acknowledge()
    hands.way.posts[1].fail()
    await until(lambda: good.answers and bad.answers)
    assert (good.kind, bad.kind) == ((200, ""), (504, "expired"))
    assert json.loads(bad.answer.body)["may_have_been_sent"] is True


@in_a_loop
async def test_a_network_that_is_behind_holds_up_its_own_device_alone(bench: Bench) -> None:
    hands = await bench.desk()
    hands.send(sr(DEVICE, 1))
    await hands.waits(sr(DEVICE, 2))
    await until(lambda: hands.way.posts)
    hands.way.posts[0].give(throttled(7, 503, "csp-backlog"))
    await until(lambda: hands.tally.classes[0].behind and hands.sending.set_aside())  # stored, its 7 s have begun
    assert hands.pace.answers == [(0, 200)]  # it says nothing of the allocation
    other = hands.send(sr(device(3), 3))
    await until(lambda: hands.way.counters == [1, 3])
    hands.way.posts[1].acknowledge()
    await until(lambda: other.answers)
    hands.passes(6.9)
    await turns(3)
    assert len(hands.way.posts) == 2
    hands.passes(0.2)
    await until(lambda: hands.way.counters == [1, 3, 1])
    hands.way.posts[2].acknowledge()
    await until(lambda: hands.way.counters == [1, 3, 1, 2])


@in_a_loop
async def test_more_than_may_wait_is_told_to_come_again(bench: Bench) -> None:
    hands = await bench.desk("waiting = 2")
    hands.stop_pace()
    for counter in (1, 2):
        await hands.waits(sr(device(counter), counter))
    sender = hands.send(sr(DEVICE, 3))
    assert sender.kind == (503, "relay-full")
    assert int(sender.answer.fields[b"retry-after"]) >= 1
    assert hands.tally.full == 1
    hands.go()
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.posts[0].acknowledge()
    await until(lambda: hands.desk.pending.count == 1)
    assert hands.send(sr(device(3), 3)).answers == []


@in_a_loop
async def test_a_full_disk_refuses_and_forges_nothing(bench: Bench) -> None:
    hands = await bench.desk()
    mend = break_store(hands)
    hands.pace.allowed = 1
    straight = hands.send(sr(DEVICE, 1))
    waiting = hands.send(sr(device(2), 2))
    await until(lambda: waiting.answers)
    assert waiting.kind == (503, "store")
    assert waiting.answer.fields[b"retry-after"]
    await until(lambda: hands.way.posts)
    answer = throttled(3, 429)
    hands.way.posts[0].give(answer)  # it cannot wait: as if nobody stood between
    await until(lambda: straight.answers)
    assert straight.answer is answer
    assert (hands.tally.unsafe, hands.tally.classes[0].given_back) == (1, 1)
    assert hands.desk.pending.count == 0
    hands.pace.allowed = 1
    lost = hands.send(sr(device(3), 3))
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.posts[1].fail()
    await until(lambda: lost.answers)
    assert lost.kind == (503, "store")
    mend()
    again = await hands.waits(sr(device(2), 2))
    hands.go()
    await until(lambda: hands.way.counters[-1] == 2)
    hands.way.posts[-1].acknowledge()
    await until(lambda: again.answers)
    assert again.kind == (200, "")


@in_a_loop
async def test_an_end_is_told_once_it_is_written(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    sender = await hands.waits(sr(DEVICE, 1))
    hands.go()
    await until(lambda: hands.way.posts)
    await hands.waits(sr(DEVICE, 2))
    mend = break_store(hands)
    hands.way.posts[0].acknowledge()
    await asyncio.sleep(0.1)
    assert sender.answers == []
    assert hands.way.counters == [1]  # nor does the next one of its device leave
    mend()
    await until(lambda: sender.answers)
    assert sender.kind == (200, "")
    assert await hands.end_of(request_id(DEVICE, 1)) == "acknowledged I99"
    await until(lambda: hands.way.counters == [1, 2])


@in_a_loop
async def test_a_sender_may_say_its_class_and_its_deadline_within_bounds(bench: Bench) -> None:
    hands = await bench.desk("longest_deadline = 3600")
    one = hands.send(sr(DEVICE, 1, READ), class_name="top-ups", deadline="1e9")
    assert one.errand is not None
    assert (one.errand.rank, one.errand.deadline) == (0, 1000.0 + 3600)
    for wish in ({"class_name": "nobody"}, {"deadline": "soon"}, {"deadline": "-1"}, {"deadline": "nan"}):
        assert hands.send(sr(DEVICE, 2), **wish).kind == (400, "wish")
    assert hands.tally.wishes == 4


@in_a_loop
async def test_a_page_with_200_is_no_acknowledgement(bench: Bench) -> None:
    from sluicegate.http.call import Answer

    hands = await bench.desk()
    sender = hands.send(sr(DEVICE, 1))
    await until(lambda: hands.way.posts)
    hands.way.posts[0].give(Answer(200, {b"content-type": b"text/html"}, b"<html>in maintenance</html>"))
    await until(lambda: hands.tally.classes[0].stored)
    await turns(2)
    assert sender.answers == []
    hands.passes(2)
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.posts[1].acknowledge()
    await until(lambda: sender.answers)
    assert kind_of(sender.answer) == (200, "")
