"""One channel's line: in order, again by the strategy, given up in time; whoever hangs holds up itself alone."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from notice_receivers import until

from sluicegate.http.strategy import RetryStrategy
from sluicegate.operations.notices.lane import AT_ONCE, Lane, Places
from sluicegate.operations.notices.notice import GIVEN_UP, SENT, WAITING, made
from sluicegate.operations.notices.ways import NotDelivered
from thorough import examples

START = 1_790_000_000.0


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)


class Scripted:
    """A channel that does what it is told: True delivers, False fails, None fails for good, "hang" never ends."""

    def __init__(self, clock, *script):
        self.clock, self.script, self.got = clock, list(script), []

    async def deliver(self, notice, at):
        does = self.script.pop(0) if self.script else True
        self.got.append((notice.kind, at - START))
        if does == "hang":
            await asyncio.sleep(3600)
        if does == "mistake":
            raise ZeroDivisionError
        if does is not True:
            raise NotDelivered("no", for_good=does is None)


class Office:
    def __init__(self):
        self.seen = {}

    def changed(self, notice):
        self.seen[notice.id] = notice

    def states(self):
        return {one.kind: one.state for one in self.seen.values()}


def a_place(clock, waiting=100, give_up=86_400.0, attempts=1000):
    return Places(RetryStrategy(5, 2, 0, 600, attempts), give_up, waiting, clock, clock.sleep)


def a_notice(kind, at=START):
    return made(kind, {"title": "t", "text": "t", "data": {}}, int(at * 1e6), "A", "duty")


def one_lane(run, *script, kinds=("1", "2"), **how):
    """Offers notices of these kinds at once to a channel that does so; the channel, its lane and the office."""

    async def work():
        clock, office = Clock(), Office()
        way = Scripted(clock, *script)
        lane = Lane(("A", "duty"), way, a_place(clock, **how), office)
        for kind in kinds:
            lane.offer(a_notice(kind))
        await until(lambda: len(lane) == 0 and lane._task is None)
        return way, lane, office

    return run(work)


def test_a_notice_is_tried_again_by_the_strategy_until_it_arrives_and_the_next_waits_behind_it(run):
    way, lane, office = one_lane(run, False, False, False, True)
    assert way.got == [("1", 0), ("1", 5), ("1", 15), ("1", 35), ("2", 35)]
    assert office.states() == {"1": SENT, "2": SENT}
    assert (lane.counts.sent, lane.counts.failed, lane.counts.given_up) == (2, 3, 0)
    assert (lane.failing, lane.failing_since) == ("", None)
    assert {one.attempts for one in office.seen.values()} == {4, 1}


def test_a_clock_that_is_set_back_does_not_hold_up_a_first_attempt(run):
    async def work():
        clock, office = Clock(), Office()
        way = Scripted(clock)
        lane = Lane(("A", "duty"), way, a_place(clock), office)
        lane.offer(a_notice("1", START + 3600))
        await until(lambda: lane.counts.sent == 1)
        assert way.got == [("1", 0)]

    run(work)


def test_what_is_refused_for_good_is_given_up_at_once_and_the_next_is_tried(run):
    way, lane, office = one_lane(run, None, True)
    assert [kind for kind, _ in way.got] == ["1", "2"]
    assert office.states() == {"1": GIVEN_UP, "2": SENT}
    assert lane.counts.given_up == 1


def test_a_dead_channel_is_given_up_in_time_and_says_so(run):
    way, lane, office = one_lane(run, *[False] * 10_000, give_up=3600.0, kinds="1")
    assert office.states() == {"1": GIVEN_UP}
    assert max(at for _, at in way.got) < 3600
    assert lane.failing == "no"
    assert lane.failing_since == START
    assert next(iter(office.seen.values())).why == "no"


def test_what_waited_behind_a_dead_notice_for_too_long_is_given_up_untried(run):
    way, _, office = one_lane(run, *[False] * 10_000, give_up=3600.0)
    assert office.states() == {"1": GIVEN_UP, "2": GIVEN_UP}
    assert {kind for kind, _ in way.got} <= {"1", "2"}


def test_a_mistake_of_ours_costs_one_notice_and_not_the_channel(run):
    _, _, office = one_lane(run, "mistake", True)
    assert office.states() == {"1": GIVEN_UP, "2": SENT}


@settings(deadline=None, max_examples=examples(40))
@given(st.lists(st.sampled_from([True, False, None, "mistake"]), max_size=60), st.integers(1, 12), st.integers(1, 5))
def test_whatever_a_channel_does_every_notice_ends_in_its_order_and_no_more_wait_than_may(script, number, waiting):
    async def work():
        clock, office = Clock(), Office()
        way = Scripted(clock, *script)
        lane = Lane(("A", "duty"), way, a_place(clock, waiting=waiting, attempts=6), office)
        for kind in range(number):
            lane.offer(a_notice(str(kind)))
            assert len(lane) <= waiting + 1
            await asyncio.sleep(0)
        for _ in range(10_000):  # turns of the loop: nothing here waits for anything else
            if lane._task is None:
                break
            await asyncio.sleep(0)
        ended = [one for one in office.seen.values() if one.state != WAITING]
        assert len(ended) == number
        assert lane.counts.sent + lane.counts.given_up == number
        order = [int(kind) for kind, _ in way.got]
        assert order == sorted(order)

    asyncio.run(work())


def test_where_too_much_waits_the_oldest_is_given_up_but_not_the_one_under_way(run):
    async def work():
        clock, office = Clock(), Office()
        way = Scripted(clock, "hang")
        lane = Lane(("A", "duty"), way, a_place(clock, waiting=2), office)
        lane.offer(a_notice("1"))
        await until(lambda: way.got)
        for kind in "2345":
            lane.offer(a_notice(kind))
        assert office.states() == {"2": GIVEN_UP, "3": GIVEN_UP}
        assert len(lane) == 3
        lane.stop()

    run(work)


def test_channels_that_hang_hold_up_no_other_however_many_they_are(run):
    async def work():
        clock, office = Clock(), Office()
        places = a_place(clock)
        hanging = [Lane(("A", str(n)), Scripted(clock, False, "hang"), places, office) for n in range(3 * AT_ONCE)]
        for lane in hanging:
            lane.offer(a_notice("x"))
        await until(lambda: sum(lane._trying for lane in hanging) == AT_ONCE)
        working = Lane(("B", "duty"), Scripted(clock), places, office)
        working.offer(a_notice("y"))
        await until(lambda: working.counts.sent == 1)
        for lane in hanging:
            lane.stop()

    run(work)


def test_a_channel_that_is_mended_is_tried_at_once_and_one_that_is_gone_is_given_up(run):
    async def work():
        clock, office = Clock(), Office()
        asleep = asyncio.Event()

        async def sleep(_seconds):
            asleep.set()
            await asyncio.sleep(3600)

        places = a_place(clock)
        places.sleep = sleep
        lane = Lane(("A", "duty"), Scripted(clock, False), places, office)
        lane.offer(a_notice("1"))
        await asleep.wait()
        lane.hurry()
        await until(lambda: lane.counts.sent == 1)
        lane.way = Scripted(clock, False)
        asleep.clear()
        lane.offer(a_notice("2"))
        await asleep.wait()
        lane.drop("the channel is no more")
        assert office.states() == {"1": SENT, "2": GIVEN_UP}

    run(work)
