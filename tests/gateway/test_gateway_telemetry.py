"""Telemetry of a running gateway: the metrics that a collector gets, and collectors that refuse, hang or are gone."""

from __future__ import annotations

import json
import ssl

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from prometheus_client.parser import text_string_to_metric_families
from rig import Client, Process, ask, configuration, fetch, request, wait_for
from rig_collector import METRICS, TRACES, Collector, attributes, metrics_in

ADMIN = {"listen": "127.0.0.1:0"}
CUMULATIVE = 2


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def telling(gateway, collector):
    """A gateway that tells this collector, traces everything, and reads its metrics at its stop."""

    def start(**more):
        mine = {"endpoint": collector.url, "interval": 3600, "sample": 1.0, "timeout": 3600, **more}
        return gateway(telemetry=mine, admin=ADMIN)

    return start


def status(running):
    return json.loads(fetch(running.admin_port, "/api/v1/status").body)["telemetry"]


def test_the_collector_gets_what_metrics_show(gateway, collector):
    running = gateway(telemetry={"endpoint": collector.url, "interval": 1}, admin=ADMIN)
    for _ in range(3):
        assert ask(running.port).status == 200

    def told():
        found = [metrics_in(message) for message in collector.messages(METRICS)]
        return found[-1] if found and decisions(found[-1]).get(("Large", "within")) == 3 else None

    def decisions(message):
        points = message["sluicegate_decisions"].sum.data_points
        return {tuple(attributes(point).values()): point.as_double for point in points}

    metrics = wait_for(told)
    shown = fetch(running.admin_port, "/metrics").body.decode()
    families = {family.name: family for family in text_string_to_metric_families(shown)}
    assert set(metrics) == {name for name, family in families.items() if family.samples}
    counter = metrics["sluicegate_decisions"].sum
    assert counter.is_monotonic
    assert counter.aggregation_temporality == CUMULATIVE
    assert 0 < counter.data_points[0].start_time_unix_nano < counter.data_points[0].time_unix_nano
    (capacity,) = metrics["sluicegate_maximum_capacity"].gauge.data_points
    assert capacity.as_double == 1000
    seconds = metrics["sluicegate_decision_seconds"]
    (point,) = seconds.histogram.data_points
    assert seconds.unit == "s"
    assert point.count == sum(point.bucket_counts) == 3
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1


def test_a_gateway_that_stops_tells_its_last(telling, collector):
    running = telling()
    ask(running.port)
    running.stop()
    last = metrics_in(collector.messages(METRICS)[-1])
    assert sum(point.as_double for point in last["sluicegate_decisions"].sum.data_points) == 1
    assert len(collector.spans) == 2


def test_headers_are_sent_and_shown_nowhere(process, collector, tmp_path):
    (tmp_path / "token").write_text("Bearer hunter2\n")
    headers = {"Authorization": "file:token"}
    mine = {"endpoint": collector.url, "interval": 1, "headers": headers, "sample": 1.0}
    collector.answers[TRACES] = lambda: (401, {}, b"who are you")
    running: Process = process(telemetry=mine)
    ask(running.port)
    wait_for(lambda: running.status()["telemetry"]["spans"]["lost"] == 2)
    wait_for(lambda: collector.messages(METRICS))
    assert {fields["Authorization"] for _, fields, _ in collector.heard} == {"Bearer hunter2"}
    told = fetch(running.admin_port, "/api/v1/status").body + fetch(running.admin_port, "/metrics").body
    assert running.stop() == 0
    assert b"hunter2" not in told + "".join(running.log).encode()
    assert running.events("telemetry: the collector does not take it")


def test_a_collector_that_refuses_for_good_costs_the_spans_and_nothing_else(telling, collector):
    collector.answers[TRACES] = lambda: (400, {}, b"")
    running = telling()
    assert ask(running.port).status == 200
    wait_for(lambda: status(running)["spans"]["lost"] == 2)
    assert "it answered 400" in status(running)["why"]
    assert status(running)["failures"] == {"metrics": 0, "traces": 1}
    shown = fetch(running.admin_port, "/metrics").body.decode()
    assert "sluicegate_telemetry_spans_lost_total 2.0" in shown
    assert 'sluicegate_telemetry_failures_total{signal="traces"} 1.0' in shown
    collector.answers[TRACES] = lambda: (200, {}, b"")
    assert ask(running.port).status == 200
    wait_for(lambda: status(running)["collector"] == "working")
    assert status(running)["spans"] == {"sent": 2, "waiting": 0, "lost": 2}


def test_what_a_collector_takes_in_part_is_counted_in_part(telling, collector):
    said = ExportTraceServiceResponse()
    said.partial_success.rejected_spans = 1
    said.partial_success.error_message = "too long"
    collector.answers[TRACES] = lambda: (200, {}, said.SerializeToString())
    running = telling()
    ask(running.port)
    wait_for(lambda: status(running)["spans"] == {"sent": 1, "waiting": 0, "lost": 1})
    assert "too long" in status(running)["why"]


def test_a_redirect_is_not_followed(telling, collector):
    other = Collector()
    collector.answers[TRACES] = lambda: (307, {"Location": f"{other.url}/v1/traces"}, b"")
    running = telling()
    ask(running.port)
    wait_for(lambda: status(running)["spans"]["lost"] == 2)
    assert "a redirect, which is not followed" in status(running)["why"]
    assert other.heard == []
    other.close()


def test_a_collector_that_hangs_holds_up_nobody_and_what_waits_is_bounded(telling, collector):
    collector.answers[TRACES] = None
    running = telling(waiting=5)
    with Client(running.port) as client:
        assert client.send(request()).answer().status == 200
        wait_for(lambda: collector.messages(TRACES))
        for _ in range(20):
            assert client.send(request()).answer().status == 200
    told = status(running)["spans"]
    assert told == {"sent": 0, "waiting": 2 + 5, "lost": 35}


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "is gone"])
def test_a_stop_waits_two_seconds_for_a_collector_and_no_longer(telling, collector, hangs):
    if hangs:
        collector.answers = {TRACES: None, METRICS: None}
    else:
        collector.close()
    running = telling()
    assert ask(running.port).status == 200
    running.stop()  # fails where it has not ended after some seconds; the collector would be given an hour
    assert running.gateway.telemetry.spans.waiting == 0
    assert running.gateway.telemetry.spans.lost == 2


def test_a_collector_that_comes_back_gets_what_has_waited(telling, collector):
    collector.answers[TRACES] = lambda: (503, {}, b"")
    running = telling()
    assert ask(running.port).status == 200
    wait_for(lambda: status(running)["failures"]["traces"] >= 1)
    assert status(running)["spans"]["waiting"] == 2
    collector.answers[TRACES] = lambda: (200, {}, b"")
    wait_for(lambda: status(running)["spans"] == {"sent": 2, "waiting": 0, "lost": 0})


@pytest.mark.parametrize("known", [True, False], ids=["its authority is known", "nobody knows its authority"])
def test_an_https_collector_is_told_where_its_authority_is_known(gateway, tmp_path, known):
    trustme = pytest.importorskip("trustme")
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    (authority if known else other).cert_pem.write_to_path(tmp_path / "ca.pem")
    collector = Collector(context)
    mine = {"endpoint": f"https://127.0.0.1:{collector.port}", "interval": 3600, "sample": 1.0}
    running = gateway(telemetry=mine, telemetry__tls={"ca": "ca.pem"}, admin=ADMIN)
    assert ask(running.port).status == 200
    if known:
        collector.wait_for_spans(2)
    else:
        wait_for(lambda: "certificate verify failed" in (status(running)["why"] or ""))
        assert collector.heard == []
    running.stop()
    collector.close()


def test_a_secret_that_is_missing_costs_the_telemetry_and_not_the_gateway(telling, monkeypatch):
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    running = telling(headers={"Authorization": "env:NOT_SET_ANYWHERE"})
    assert ask(running.port).status == 200
    assert "NOT_SET_ANYWHERE" in status(running)["why"]


def test_telemetry_does_not_change_without_a_restart(telling, gateway, upstream):
    running = telling()
    running.reload(configuration(upstream.url, admin=ADMIN))
    assert "telemetry cannot change while the gateway runs" in running.gateway.last_reload_error
