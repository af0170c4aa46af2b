"""What a Prometheus registry holds is told to a collector without a figure lost: names, labels, values, bounds."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from sluicegate.operations.telemetry.encoding import MOST_POINTS, metrics_messages, rejected

NAME = {"service.name": "gate"}


def read(families, since=5, now=9):
    messages = []
    for octets in metrics_messages(NAME, families, since, now):
        message = ExportMetricsServiceRequest()
        message.ParseFromString(octets)
        messages.append(message)
    return messages


def metrics(messages):
    return [one for told in messages for one in told.resource_metrics[0].scope_metrics[0].metrics]


def labels(point):
    return {one.key: one.value.string_value for one in point.attributes}


@given(st.dictionaries(st.text(max_size=20), st.floats(0, 1e15), max_size=20))
def test_a_counter_is_a_monotonic_sum_since_the_start(values):
    family = CounterMetricFamily("a_b", "What it counts.", labels=["user"])
    for name, value in values.items():
        family.add_metric([name], value)
    told = metrics(read([family]))
    if not values:
        assert told == []
        return
    (metric,) = told
    assert (metric.name, metric.description) == ("a_b", "What it counts.")
    assert metric.sum.is_monotonic
    assert {labels(point)["user"]: point.as_double for point in metric.sum.data_points} == values
    assert {(point.start_time_unix_nano, point.time_unix_nano) for point in metric.sum.data_points} == {(5, 9)}


def test_a_gauge_is_a_gauge_infinity_included():
    (metric,) = metrics(read([GaugeMetricFamily("age_seconds", "How old.", value=float("inf"))]))
    (point,) = metric.gauge.data_points
    assert (point.as_double, point.start_time_unix_nano, metric.unit) == (float("inf"), 0, "s")


@given(st.lists(st.integers(0, 10**9), min_size=3, max_size=3), st.floats(0, 1e12))
def test_a_histogram_has_what_lies_between_its_bounds(counts, total):
    running = [sum(counts[: n + 1]) for n in range(3)]
    family = HistogramMetricFamily("x", "y", labels=["k"])
    family.add_metric(["v"], list(zip(["0.1", "2.5", "+Inf"], map(float, running), strict=True)), total)
    (metric,) = metrics(read([family]))
    (point,) = metric.histogram.data_points
    assert list(point.bucket_counts) == counts
    assert list(point.explicit_bounds) == [0.1, 2.5]
    assert (point.count, point.sum, labels(point)) == (running[-1], total, {"k": "v"})


def test_many_points_go_in_several_messages_each_with_its_resource():
    families = []
    for number in range(3):
        family = GaugeMetricFamily(f"g{number}", "", labels=["user"])
        for user in range(MOST_POINTS):
            family.add_metric([str(user)], user)
        families.append(family)
    messages = read(families)
    assert len(messages) == 3
    assert {told.resource_metrics[0].resource.attributes[0].value.string_value for told in messages} == {"gate"}
    assert max(told.ByteSize() for told in messages) < 2_000_000


@given(st.binary(max_size=50), st.sampled_from(["/v1/traces", "/v1/metrics"]))
def test_whatever_a_collector_answers_it_rejects_a_number(octets, path):
    count, why = rejected(path, octets)
    assert count >= 0
    assert len(why) <= 200
