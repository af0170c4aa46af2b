"""Traces of a running gateway: a sampled request has its spans at a real collector, and its upstream knows of them."""

from __future__ import annotations

import pytest
from rig import STRANGER, Client, ask, configuration, message, request, wait_for
from rig_collector import Collector, attributes
from rig_throttled import NARROW, ONE_EACH, throttled

from sluicegate.operations.telemetry.span import read_traceparent

THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = THEIRS[:-1] + "0"
SERVER, CLIENT, ERROR = 2, 3, 2


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def traced(gateway, collector):
    """A gateway that traces every request, unless told otherwise."""

    def start(sample=1.0, **tables):
        mine = {"endpoint": collector.url, "interval": 3600, "sample": sample, **tables.pop("telemetry", {})}
        return gateway(telemetry=mine, **tables)

    return start


def test_a_traced_request_has_one_span_and_one_below_it_for_its_upstream(traced, collector, upstream):
    running = traced()
    assert ask(running.port).status == 200
    told = collector.wait_for_spans(2)
    own, below = told["service request"], told["upstream"]
    assert (own.kind, below.kind) == (SERVER, CLIENT)
    assert (own.parent_span_id, below.parent_span_id) == (b"", own.span_id)
    assert own.trace_id == below.trace_id
    assert (len(own.trace_id), len(own.span_id), len(below.span_id)) == (16, 8, 8)
    assert attributes(own) == {
        "http.request.method": "POST",
        "sluicegate.user": "Large",
        "sluicegate.srv": "2.2",
        "sluicegate.duis_version": "5.4",
        "sluicegate.state": "normal",
        "sluicegate.outcome": "within",
        "http.request.body.size": len(message()),
        "http.response.status_code": 200,
    }
    assert attributes(below) == {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": upstream.port,
        "http.response.status_code": 200,
    }
    assert own.start_time_unix_nano <= below.start_time_unix_nano <= below.end_time_unix_nano
    assert below.end_time_unix_nano <= own.end_time_unix_nano
    (asked,) = upstream.requests[0].all("traceparent")
    assert asked == f"00-{own.trace_id.hex()}-{below.span_id.hex()}-01"


def test_a_resource_names_the_service_and_the_instance(traced, collector):
    running = traced(telemetry={"service_name": "gate of the north"})
    ask(running.port)
    collector.wait_for_spans(2)
    ((resource,),) = ([one.resource for one in told.resource_spans] for _, _, told in collector.heard[:1])
    named = attributes(resource)
    assert named["service.name"] == "gate of the north"
    assert named["service.instance.id"].endswith(f":{running.port}")


def test_a_senders_trace_goes_on_with_its_state(traced, collector, upstream):
    running = traced()
    ask(running.port, request(None, f"traceparent: {THEIRS}", "tracestate: a=1", "X-Other: stays"))
    told = collector.wait_for_spans(2)
    own, below = told["service request"], told["upstream"]
    assert own.trace_id.hex() == THEIRS[3:35]
    assert own.parent_span_id.hex() == THEIRS[36:52]
    heard = upstream.requests[0]
    assert heard.all("traceparent") == [f"00-{THEIRS[3:35]}-{below.span_id.hex()}-01"]
    assert heard.all("tracestate") == ["a=1"]
    assert heard.all("X-Other") == ["stays"]


@pytest.mark.parametrize(
    "fields",
    [
        ("traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01",),
        ("traceparent: " + THEIRS.upper(),),
        ("traceparent: " + THEIRS + "-more",),
        ("traceparent: ff" + THEIRS[2:],),
        ("traceparent: " + "0" * 9000,),
        (f"traceparent: {THEIRS}", f"traceparent: {THEIRS}"),
    ],
)
def test_a_traceparent_that_is_none_begins_a_trace_of_its_own_and_goes_no_further(traced, collector, upstream, fields):
    running = traced()
    assert ask(running.port, request(None, *fields, "tracestate: a=1")).status == 200
    own = collector.wait_for_spans(2)["service request"]
    assert own.parent_span_id == b""
    assert own.trace_id.hex() != THEIRS[3:35]
    heard = upstream.requests[0]
    (asked,) = heard.all("traceparent")
    assert read_traceparent(asked.encode()).trace == own.trace_id
    assert heard.all("tracestate") == []


@pytest.mark.parametrize("field", [THEIRS, UNSAMPLED, "rubbish"])
def test_of_a_request_that_is_not_traced_the_upstream_gets_what_the_sender_wrote(traced, collector, upstream, field):
    running = traced(sample=0.0, telemetry={"asked_per_second": 1e-9})
    running.desk.noting._tracing._sampler._level = 0.0  # the one of this second has been had
    assert ask(running.port, request(None, f"traceparent: {field}", "tracestate: a=1")).status == 200
    heard = upstream.requests[0]
    assert heard.all("traceparent") == [field]
    assert heard.all("tracestate") == ["a=1"]
    running.stop()
    assert collector.spans == []


def test_a_sender_that_records_is_heard_up_to_the_rate_that_the_operator_gives(traced, collector, upstream):
    running = traced(sample=0.0, telemetry={"asked_per_second": 1e-9})  # one, and then none for thirty years
    with Client(running.port) as client:
        for _ in range(5):
            client.send(request(None, f"traceparent: {THEIRS}")).answer()
    running.stop()
    assert len(collector.spans) == 2
    assert [heard.all("traceparent") == [THEIRS] for heard in upstream.requests] == [False, True, True, True, True]


def test_a_throttled_request_is_no_error_and_has_no_span_below(traced, collector):
    running = traced(capacity=NARROW, users=ONE_EACH)
    _, admitted = throttled(running.port)
    wait_for(lambda: len(collector.spans) >= 2 * admitted + 1)
    (refused,) = (span for span in collector.spans if attributes(span).get("sluicegate.outcome") == "throttled")
    assert attributes(refused)["http.response.status_code"] == 503
    assert refused.status.code == 0
    assert not [span for span in collector.spans if span.parent_span_id == refused.span_id]


def test_an_upstream_that_breaks_off_is_an_error_in_both_spans(traced, collector, upstream):
    def breaks(line):
        if line.request() is not None:
            line.reset()

    upstream.script = breaks
    running = traced()
    assert ask(running.port).status == 502
    told = collector.wait_for_spans(2)
    assert told["service request"].status.code == told["upstream"].status.code == ERROR
    assert attributes(told["service request"])["http.response.status_code"] == 502
    assert "http.response.status_code" not in attributes(told["upstream"])


def test_an_upstream_that_never_saw_the_request_has_no_span(traced, collector, upstream):
    upstream.stop()
    running = traced()
    assert ask(running.port).kind == "upstream-unreachable"
    own = collector.wait_for_spans(1)["service request"]
    assert own.status.code == ERROR


def test_a_sender_that_leaves_is_an_error_without_a_status(traced, collector, upstream):
    def waits(line):
        line.request()
        upstream.released.wait()
        line.answer()

    upstream.script = waits
    running = traced()
    client = Client(running.port).send(request())
    wait_for(lambda: upstream.requests)
    client.reset()
    wait_for(lambda: running.gateway.totals.abandoned == 1)
    upstream.released.set()
    own = collector.wait_for_spans(2)["service request"]
    assert own.status.code == ERROR
    assert "http.response.status_code" not in attributes(own)


def test_what_belongs_to_no_user_is_not_traced(traced, collector):
    running = traced()
    assert ask(running.port, request(message(STRANGER))).status == 403
    assert ask(running.port, request(b"<no/>")).status == 400
    running.stop()
    assert collector.spans == []


def test_a_head_that_was_read_before_is_traced_like_the_first(traced, collector, upstream):
    running = traced()
    with Client(running.port) as client:
        for _ in range(3):
            assert client.send(request()).answer().status == 200
    wait_for(lambda: len(collector.spans) == 6)
    ids = {heard.all("traceparent")[0] for heard in upstream.requests}
    assert len(ids) == 3
    assert {heard.body for heard in upstream.requests} == {message()}


def test_heads_that_differ_with_every_trace_push_out_none_that_are_repeated(gateway, upstream):
    running = gateway()
    with Client(running.port) as client:
        for number in range(3):
            client.send(request(None, f"traceparent: 00-{number + 1:032x}-00f067aa0ba902b7-00")).answer()
        assert len(running.gateway._reception.known) == 0
        client.send(request()).answer()
        wait_for(lambda: len(running.gateway._reception.known) == 1)


def test_a_body_in_chunks_is_passed_on_whole_under_its_trace(traced, collector, upstream):
    running = traced()
    body = message()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\ntraceparent: " + THEIRS.encode() + b"\r\n\r\n"
    assert ask(running.port, head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)).status == 200
    own = collector.wait_for_spans(2)["service request"]
    assert own.trace_id.hex() == THEIRS[3:35]
    assert upstream.requests[0].body == body


def test_the_record_and_the_traces_are_kept_side_by_side(traced, collector, tmp_path):
    pytest.importorskip("pyarrow")
    running = traced(sample=1e-12, record={"folder": str(tmp_path / "record"), "flush_seconds": 0.2})
    assert ask(running.port).status == 200
    wait_for(lambda: running.gateway.recorder.written == 1)
    running.stop()
    assert collector.spans == []


def test_without_telemetry_nothing_makes_notes_and_nothing_of_it_is_loaded(gateway, upstream):
    running = gateway(configuration(upstream.url))
    assert running.desk.noting is None
    assert running.gateway.telemetry is None


def test_with_metrics_only_nothing_makes_notes(traced):
    running = traced(sample=0.0)
    assert running.desk.noting is None
