"""Spans, and the families that `/metrics` shows, as messages of OTLP. The one place that knows protobuf.

A counter becomes a cumulative, monotonic sum under the name without `_total`, a gauge a gauge, a histogram one with
explicit bounds: a Prometheus behind the collector has them under the names that `/metrics` has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as traces
from prometheus_client.core import Metric

from sluicegate import __version__
from sluicegate.operations.telemetry.span import Span, Value

MOST_POINTS: Final = 10_000  # in one message: below 2 MB
_UNITS: Final = {"seconds": "s", "bytes": "By"}
_KINDS: Final = {"server": traces.Span.SPAN_KIND_SERVER, "client": traces.Span.SPAN_KIND_CLIENT}
_SAMPLED: Final = 1


def spans_message(resource: Mapping[str, str], spans: Iterable[Span]) -> bytes:
    """One `ExportTraceServiceRequest`."""
    scope = traces.ScopeSpans(scope=_scope(), spans=map(_span, spans))
    message = ExportTraceServiceRequest(
        resource_spans=[traces.ResourceSpans(resource=_resource(resource), scope_spans=[scope])]
    )
    return bytes(message.SerializeToString())


def metrics_messages(resource: Mapping[str, str], families: Iterable[Metric], since: int, now: int) -> Iterator[bytes]:
    """As many `ExportMetricsServiceRequest` as are needed, each with at most about MOST_POINTS.

    Args:
        resource: attributes of what is told of.
        families: as a Prometheus registry collects them.
        since, now: when the counters began, and when they were read; nanoseconds since 1970 UTC.
    """
    told: list[metrics.Metric] = []
    points = 0
    for family in families:
        made, count = _metric(family, since, now)
        if made is not None:
            told.append(made)
            points += count
        if points >= MOST_POINTS:
            yield _metrics_message(resource, told)
            told, points = [], 0
    if told:
        yield _metrics_message(resource, told)


def rejected(path: str, answer: bytes) -> tuple[int, str]:
    """How many spans or points a collector says that it has not taken, and why; what cannot be read says none."""
    made = ExportTraceServiceResponse() if path.endswith("traces") else ExportMetricsServiceResponse()
    try:
        made.ParseFromString(answer)
    except Exception:  # protobuf's own, which depends on how it was built; whatever came, it was a 2xx
        return 0, ""
    partly = made.partial_success
    count = partly.rejected_spans if path.endswith("traces") else partly.rejected_data_points
    return max(0, int(count)), str(partly.error_message)[:200]


def _scope() -> InstrumentationScope:
    return InstrumentationScope(name="sluicegate", version=__version__)


def _resource(attributes: Mapping[str, str]) -> Resource:
    return Resource(attributes=_attributes(attributes.items()))


def _attributes(pairs: Iterable[tuple[str, Value]]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for key, value in pairs
    ]


def _span(span: Span) -> traces.Span:
    return traces.Span(
        trace_id=span.trace,
        span_id=span.span,
        parent_span_id=span.parent,
        flags=_SAMPLED,
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        attributes=_attributes(span.attributes),
        status=traces.Status(code=traces.Status.STATUS_CODE_ERROR, message=span.error) if span.error else None,
    )


def _metrics_message(resource: Mapping[str, str], told: list[metrics.Metric]) -> bytes:
    scope = metrics.ScopeMetrics(scope=_scope(), metrics=told)
    message = ExportMetricsServiceRequest(
        resource_metrics=[metrics.ResourceMetrics(resource=_resource(resource), scope_metrics=[scope])]
    )
    return bytes(message.SerializeToString())


def _metric(family: Metric, since: int, now: int) -> tuple[metrics.Metric | None, int]:
    """One family, and how many points it has; None for a family without any."""
    made = metrics.Metric(
        name=family.name, description=family.documentation, unit=_UNITS.get(family.name.rpartition("_")[2], "")
    )
    if family.type == "histogram":
        points: list[metrics.NumberDataPoint] | list[metrics.HistogramDataPoint] = _histogram(family, since, now)
        made.histogram.CopyFrom(
            metrics.Histogram(data_points=points, aggregation_temporality=metrics.AGGREGATION_TEMPORALITY_CUMULATIVE)
        )
    elif family.type == "counter":
        points = _numbers(family, now, since)
        made.sum.CopyFrom(
            metrics.Sum(
                data_points=points,
                aggregation_temporality=metrics.AGGREGATION_TEMPORALITY_CUMULATIVE,
                is_monotonic=True,
            )
        )
    else:
        points = _numbers(family, now)
        made.gauge.CopyFrom(metrics.Gauge(data_points=points))
    return (made if points else None), len(points)


def _numbers(family: Metric, now: int, since: int = 0) -> list[metrics.NumberDataPoint]:
    return [
        metrics.NumberDataPoint(
            attributes=_attributes(sample.labels.items()),
            start_time_unix_nano=since,
            time_unix_nano=now,
            as_double=float(sample.value),
        )
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


def _histogram(family: Metric, since: int, now: int) -> list[metrics.HistogramDataPoint]:
    """Prometheus counts what is at most a bound, OTLP what is between two."""
    made: dict[tuple[tuple[str, str], ...], metrics.HistogramDataPoint] = {}
    running: dict[tuple[tuple[str, str], ...], int] = {}
    for sample in family.samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        point = made.setdefault(
            labels,
            metrics.HistogramDataPoint(attributes=_attributes(labels), start_time_unix_nano=since, time_unix_nano=now),
        )
        if sample.name.endswith("_bucket"):
            point.bucket_counts.append(int(sample.value) - running.get(labels, 0))
            running[labels] = int(sample.value)
            if sample.labels["le"] != "+Inf":
                point.explicit_bounds.append(float(sample.labels["le"]))
        elif sample.name.endswith("_count"):
            point.count = int(sample.value)
        elif sample.name.endswith("_sum"):
            point.sum = float(sample.value)
    return list(made.values())
