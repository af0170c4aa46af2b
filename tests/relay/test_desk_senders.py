"""Senders that hang up, that come again, and that are all gone after a crash."""

from __future__ import annotations

import pytest
from relay_rig import Bench, device, in_a_loop, request_id, response, sr, throttled, turns, until

from sluicegate.relay.errand import Stage

DEVICE = device(1)


@in_a_loop
async def test_kept_what_a_sender_leaves_goes_on_and_the_same_message_again_gets_its_answer(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    first = await hands.waits(sr(DEVICE, 1))
    hands.leaves(first)
    again = hands.send(sr(DEVICE, 1))
    assert again.errand is first.errand
    assert hands.tally.classes[0].joined == 1
    hands.go()
    await until(lambda: hands.way.posts)
    hands.way.posts[0].acknowledge()
    await until(lambda: again.answers)
    assert again.kind == (200, "")
    assert first.answers == []
    assert len(hands.way.posts) == 1


@in_a_loop
async def test_an_answer_that_nobody_waited_for_is_kept_for_a_while(bench: Bench) -> None:
    hands = await bench.desk()
    first = hands.send(sr(DEVICE, 1))
    await until(lambda: hands.way.posts)
    hands.leaves(first)
    answer = response(first.body)
    hands.way.posts[0].give(answer)
    await until(lambda: not hands.desk.pending.count)
    other = hands.send(sr(DEVICE, 1, size=2000))  # another message under its RequestID
    again = hands.send(sr(DEVICE, 1))
    assert again.answer is answer
    assert other.answers == []
    hands.passes(1000)
    assert hands.send(sr(DEVICE, 1)).answers == []


@in_a_loop
async def test_several_senders_of_one_message_get_the_same_answer(bench: Bench) -> None:
    hands = await bench.desk()
    senders = [hands.send(sr(DEVICE, 1)) for _ in range(3)]
    await until(lambda: hands.way.posts)
    hands.way.posts[0].acknowledge()
    await until(lambda: all(sender.answers for sender in senders))
    assert len(hands.way.posts) == 1
    assert len({sender.answer.body for sender in senders}) == 1


@in_a_loop
async def test_another_message_with_the_same_request_id_is_another_one(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    one, other = await hands.waits(sr(DEVICE, 1)), await hands.waits(sr(DEVICE, 1, size=2500))
    hands.go()
    await until(lambda: len(hands.way.posts) == 1)
    hands.way.posts[0].acknowledge()
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.posts[1].acknowledge("E12")
    await until(lambda: one.answers and other.answers)
    assert [post.body for post in hands.way.posts] == [one.body, other.body]
    assert len(await hands.stored(request_id(DEVICE, 1))) == 2


@in_a_loop
async def test_dropped_what_was_not_sent_ends_as_expired(bench: Bench) -> None:
    hands = await bench.desk('on_hang_up = "drop"')
    hands.stop_pace()
    first, second = await hands.waits(sr(DEVICE, 1)), await hands.waits(sr(DEVICE, 2))
    hands.leaves(first)
    await until(lambda: hands.tally.classes[0].dropped)
    assert await hands.end_of(request_id(DEVICE, 1)) == "expired dropped"
    hands.go()
    await until(lambda: hands.way.posts)
    hands.way.posts[0].acknowledge()
    await until(lambda: second.answers)
    assert hands.way.counters == [2]


@in_a_loop
async def test_dropped_what_its_sender_leaves_while_it_is_being_stored(bench: Bench) -> None:
    hands = await bench.desk('on_hang_up = "drop"')
    hands.stop_pace()
    sender = hands.send(sr(DEVICE, 1))
    hands.leaves(sender)
    await until(lambda: hands.tally.classes[0].dropped)
    assert await hands.end_of(request_id(DEVICE, 1)) == "expired dropped"
    assert sender.answers == []


@in_a_loop
async def test_dropped_or_not_what_may_have_been_sent_goes_on(bench: Bench) -> None:
    hands = await bench.desk('on_hang_up = "drop"')
    sent, failed = hands.send(sr(DEVICE, 1)), hands.send(sr(device(2), 2))
    await until(lambda: len(hands.way.posts) == 2)
    hands.way.posts[1].fail()
    await until(lambda: hands.tally.classes[0].stored)
    for sender in (sent, failed):
        hands.leaves(sender)
    hands.way.posts[0].acknowledge()
    hands.passes(2.0)
    await until(lambda: len(hands.way.posts) == 3)
    hands.way.posts[2].acknowledge()
    await until(lambda: hands.tally.classes[0].acknowledged == 2)
    assert hands.tally.classes[0].dropped == 0


@in_a_loop
async def test_dropped_what_was_only_throttled(bench: Bench) -> None:
    hands = await bench.desk('on_hang_up = "drop"')
    sender = hands.send(sr(DEVICE, 1))
    await until(lambda: hands.way.posts)
    hands.leaves(sender)
    hands.way.posts[0].give(throttled(1))
    await until(lambda: hands.tally.classes[0].dropped)
    assert await hands.end_of(request_id(DEVICE, 1)) == "expired dropped"


@in_a_loop
async def test_after_a_crash_what_waited_goes_on_in_its_order_and_its_sender_meets_it(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    for counter in (1, 2):
        await hands.waits(sr(DEVICE, counter))
    await hands.waits(sr(device(2), 3, "6.15.1", preceding=request_id(DEVICE, 1)))
    await hands.waits(sr(device(3), 4), deadline="30")
    bench.elapsed = 10.0
    later = await bench.desk()
    assert (later.desk.pending.count, later.tally.recovered_count) == (4, 4)
    again = later.send(sr(DEVICE, 1))
    await until(lambda: len(later.way.posts) == 2)
    assert later.way.counters == [4, 1]
    assert all(post.marked for post in later.way.posts)
    assert dict(later.way.posts[0].fields) == {"Content-Type": "application/xml", "Sluicegate-Repeat": "yes"}
    later.way.last(1).acknowledge()
    await until(lambda: again.answers and len(later.way.posts) == 4)
    assert later.way.counters[2:] == [2, 3]


@in_a_loop
async def test_an_end_that_was_not_written_is_reached_again(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    sender = await hands.waits(sr(DEVICE, 1))
    hands.go()
    await until(lambda: hands.way.posts)
    await hands.close()
    assert sender.answers == []
    later = await bench.desk()
    await until(lambda: later.way.posts)
    later.way.posts[0].acknowledge()
    await until(lambda: later.tally.classes[0].acknowledged)
    assert await later.end_of(request_id(DEVICE, 1)) == "acknowledged I99"
    last = await bench.desk()
    assert last.desk.pending.count == 0


@in_a_loop
async def test_a_deadline_that_passed_while_nobody_ran_is_kept_to(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    await hands.waits(sr(DEVICE, 1))
    bench.elapsed = 61.0
    later = await bench.desk()
    await until(lambda: later.tally.classes[0].expired)
    assert later.way.posts == []
    assert await later.end_of(request_id(DEVICE, 1)) == "expired deadline"


@in_a_loop
async def test_a_clock_that_was_set_back_takes_no_number_twice(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    await hands.waits(sr(DEVICE, 1))
    bench.elapsed = -1e6
    later = await bench.desk()
    await until(lambda: later.way.posts)
    later.way.posts[0].acknowledge()
    await until(lambda: not later.desk.pending.count)
    later.stop_pace()
    sender = await later.waits(sr(DEVICE, 1, size=2500))
    assert sender.errand is not None
    assert sender.errand.parcel > 1


@in_a_loop
async def test_classes_that_were_changed_meanwhile_count_for_what_waited(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    await hands.waits(sr(DEVICE, 1, "4.1.1"))
    await hands.waits(sr(device(2), 2, "6.15.1"))
    later = await bench.desk(classes='[[relay.class]]\nname = "bulk reads"\nsrvs = ["4.*"]\n')
    await until(lambda: len(later.way.posts) == 2)
    assert later.way.counters == [1, 2]


@in_a_loop
async def test_memory_holds_no_more_bodies_than_it_may(bench: Bench) -> None:
    hands = await bench.desk("waiting_octets = 65536")
    hands.stop_pace()
    small = [await hands.waits(sr(device(n), n)) for n in range(60)]
    large = await hands.waits(sr(device(99), 99, size=200_000))
    assert hands.desk.pending.octets <= 65_536
    assert large.errand is not None
    assert large.errand.body is None
    hands.go()
    await until(lambda: len(hands.way.posts) == 61)
    for post in hands.way.posts:
        post.acknowledge()
    await until(lambda: all(sender.answers for sender in [*small, large]))
    assert {post.counter: len(post.body) for post in hands.way.posts}[99] == len(large.body)
    assert hands.desk.pending.octets == 0


@in_a_loop
async def test_who_waits_at_a_stop_is_told_and_what_waits_is_kept(bench: Bench) -> None:
    hands = await bench.desk()
    hands.stop_pace()
    sender = await hands.waits(sr(DEVICE, 1))
    hands.desk.draining = True
    assert hands.send(sr(device(2), 2)).kind == (503, "draining")
    await hands.sending.end(hands.clock.now())
    hands.desk.send_away()
    assert sender.kind == (503, "draining")
    assert await hands.end_of(request_id(DEVICE, 1)) == ""
    later = await bench.desk()
    assert later.desk.pending.count == 1


@in_a_loop
async def test_dropped_is_what_nobody_waits_for_at_a_stop(bench: Bench) -> None:
    hands = await bench.desk('on_hang_up = "drop"')
    hands.stop_pace()
    sender = await hands.waits(sr(DEVICE, 1))
    await hands.sending.end(hands.clock.now())
    hands.desk.send_away()
    await hands.desk.course.quiet()
    assert sender.kind == (503, "draining")
    assert await hands.end_of(request_id(DEVICE, 1)) == "expired dropped"


@pytest.mark.parametrize("mode", ["keep", "drop"])
@in_a_loop
async def test_after_a_crash_nobody_knows_what_was_sent_so_all_of_it_goes_on(bench: Bench, mode: str) -> None:
    hands = await bench.desk(f'on_hang_up = "{mode}"')
    hands.stop_pace()
    await hands.waits(sr(DEVICE, 1))
    later = await bench.desk(f'on_hang_up = "{mode}"')
    await until(lambda: later.way.posts)
    later.way.posts[0].acknowledge()
    await until(lambda: later.tally.classes[0].acknowledged)
    await turns(2)
    assert later.tally.classes[0].stored == 0
    assert Stage.ENDED > Stage.WAITING
