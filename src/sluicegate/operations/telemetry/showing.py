"""What status and metrics say of telemetry itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from sluicegate.operations.telemetry.service import Telemetry


def status(telemetry: Telemetry) -> dict[str, object]:
    """Ready for JSON."""
    spans = telemetry.spans
    return {
        "collector": "failing" if telemetry.failing else "working",
        "why": telemetry.failing or None,
        "failures": dict(sorted(telemetry.failures.items())),
        "spans": {"sent": spans.sent, "waiting": spans.waiting, "lost": spans.lost},
    }


def metrics(telemetry: Telemetry) -> Iterator[Metric]:
    """For `/metrics`."""
    spans = telemetry.spans
    yield CounterMetricFamily("sluicegate_telemetry_spans_sent", "Spans that the collector took.", value=spans.sent)
    yield CounterMetricFamily("sluicegate_telemetry_spans_lost", "Spans that it never got.", value=spans.lost)
    yield GaugeMetricFamily("sluicegate_telemetry_spans_waiting", "Spans that wait for it.", value=spans.waiting)
    failures = CounterMetricFamily(
        "sluicegate_telemetry_failures", "Exports that failed, by signal.", labels=["signal"]
    )
    for signal, count in sorted(telemetry.failures.items()):
        failures.add_metric([signal], count)
    yield failures
