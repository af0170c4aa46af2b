"""Spans on their way: bounded, tried again where that may help, each counted once, as sent or as lost."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sluicegate.operations.telemetry.collector import NotTaken
from sluicegate.operations.telemetry.span import Span
from sluicegate.operations.telemetry.spans import BATCH, CEILING, FIRST, Spans


def span(number: int, name: str = "one") -> Span:
    return Span(b"t" * 16, number.to_bytes(8, "big"), b"", name, "server", 1, 2, (("n", number),))


class Scripted:
    """A collector that does what it is told, one thing an attempt, and then takes everything."""

    def __init__(self, *script):
        self.script = list(script)
        self.got = []

    async def take(self, path, message):
        told = ExportTraceServiceRequest()
        told.ParseFromString(message)
        next_one = self.script.pop(0) if self.script else 0
        if isinstance(next_one, NotTaken):
            raise next_one
        self.got.append([one.span_id for one in told.resource_spans[0].scope_spans[0].spans])
        return next_one, "because"


def line(most=10_000, slept=None):
    async def sleep(seconds):
        if slept is not None:
            slept.append(seconds)

    return Spans(most, {"service.name": "a"}, lambda *_: None, sleep)


def deliver(spans, collector):
    async def go():
        task = asyncio.create_task(spans.run(collector))
        for _ in range(2000):
            await asyncio.sleep(0)
            if not spans.waiting:
                break
            await asyncio.to_thread(int)
        task.cancel()

    asyncio.run(go())


def later(after=0.0):
    return NotTaken("not now", again=True, after=after)


def fill(spans, count):
    for number in range(count):
        spans.take(span(number))


def test_what_finds_no_room_is_lost_and_counted_at_once():
    spans = line(most=3)
    fill(spans, 5)
    assert (spans.waiting, spans.lost, spans.sent) == (3, 2, 0)


def test_batches_go_in_order_and_none_is_too_large():
    spans, collector = line(), Scripted()
    fill(spans, 2 * BATCH + 7)
    deliver(spans, collector)
    assert [len(batch) for batch in collector.got] == [BATCH, BATCH, 7]
    assert [one for batch in collector.got for one in batch] == [n.to_bytes(8, "big") for n in range(2 * BATCH + 7)]
    assert (spans.sent, spans.lost, spans.waiting) == (2 * BATCH + 7, 0, 0)


def test_a_collector_that_wants_time_is_given_more_each_time_up_to_a_ceiling():
    slept = []
    spans, collector = line(slept=slept), Scripted(*(later() for _ in range(8)))
    fill(spans, BATCH)
    deliver(spans, collector)
    assert len(slept) == 8
    wanted = [FIRST, 2, 4, 8, 16, CEILING, CEILING, CEILING]
    assert all(least <= seconds <= 1.2 * least for least, seconds in zip(wanted, slept, strict=True))
    assert spans.sent == BATCH


def test_what_a_collector_says_itself_is_waited_for():
    slept = []
    spans = line(slept=slept)
    fill(spans, BATCH)
    deliver(spans, Scripted(later(after=20.0)))
    assert 20.0 <= slept[0] <= 24.0


def test_what_is_refused_for_good_is_lost_and_the_next_goes_on():
    spans, collector = line(), Scripted(NotTaken("never", again=False))
    fill(spans, BATCH + 1)
    deliver(spans, collector)
    assert (spans.sent, spans.lost) == (1, BATCH)


@pytest.mark.parametrize("rejected", [3, 10**9])
def test_what_is_rejected_of_a_batch_is_lost_and_never_more_than_it_had(rejected):
    spans = line()
    fill(spans, BATCH)
    deliver(spans, Scripted(rejected))
    assert spans.lost == min(rejected, BATCH)
    assert spans.sent + spans.lost == BATCH


def test_a_span_that_cannot_be_written_stops_none_after_it():
    spans = line()
    spans.take(span(1, name=7))
    fill(spans, BATCH - 1)
    fill(spans, 3)
    deliver(spans, Scripted())
    assert (spans.sent, spans.lost) == (3, BATCH)


def test_at_the_end_each_batch_is_tried_once_and_the_rest_is_lost():
    spans, collector = line(), Scripted(0, later())
    fill(spans, 3 * BATCH)
    asyncio.run(spans.flush(collector))
    assert (spans.sent, spans.waiting) == (BATCH, 2 * BATCH)
    spans.give_up()
    assert (spans.sent, spans.lost, spans.waiting) == (BATCH, 2 * BATCH, 0)


step = st.one_of(
    st.integers(0, 600),
    st.just("later"),
    st.just("never"),
)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 1500), st.integers(1, 1500), st.lists(step, max_size=6))
def test_every_span_is_sent_or_lost_or_waits_and_is_counted_once(most, count, script):
    spans = line(most)
    fill(spans, count)
    made = [later() if one == "later" else NotTaken("no", again=False) if one == "never" else one for one in script]
    collector = Scripted(*made)

    async def go():
        for _ in range(len(script) + 5):
            await spans.flush(collector)

    asyncio.run(go())
    assert spans.sent + spans.lost + spans.waiting == count
    spans.give_up()
    assert (spans.sent + spans.lost, spans.waiting) == (count, 0)
