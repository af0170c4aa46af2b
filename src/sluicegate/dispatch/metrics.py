"""`GET /metrics` of a dispatcher. docs/metrics.md says what each answers."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sluicegate import __version__

if TYPE_CHECKING:
    from sluicegate.dispatch.service import Dispatcher
    from sluicegate.log import BoundedQueue

RESULTS = ("delivered", "no_answer", "busy", "failed", "refused", "returned")


class DispatchCollector(Collector):
    """Reads the counters of a dispatcher."""

    def __init__(self, dispatcher: Dispatcher, log: BoundedQueue | None) -> None:
        self._dispatcher = dispatcher
        self._log = log

    def collect(self) -> Iterator[Metric]:
        """All metrics, in the order of docs/metrics.md."""
        yield from self._intake()
        yield from self._destinations()
        yield from self._backlogs()
        yield from self._store()

    def _intake(self) -> Iterator[Metric]:
        taken = CounterMetricFamily("sluicegate_dispatch_intake", "Messages by what became of them.", labels=["result"])
        for name, count in self._dispatcher.server.counts.told().items():
            taken.add_metric([name], count)
        yield taken

    def _destinations(self) -> Iterator[Metric]:
        now = monotonic()
        attempts = CounterMetricFamily("sluicegate_dispatch_attempts", "Attempts that began.", labels=["destination"])
        results = CounterMetricFamily(
            "sluicegate_dispatch_results", "What became of attempts.", labels=["destination", "result"]
        )
        breaker = GaugeMetricFamily(
            "sluicegate_dispatch_breaker", "1 for the state that it is in.", labels=["destination", "state"]
        )
        flight = GaugeMetricFamily("sluicegate_dispatch_in_flight", "Being delivered.", labels=["destination"])
        paused = GaugeMetricFamily(
            "sluicegate_dispatch_paused", "1 while an operator holds it.", labels=["destination"]
        )
        for name, courier in self._dispatcher.depot.couriers.items():
            attempts.add_metric([name], courier.counts.attempts)
            for result in RESULTS:
                results.add_metric([name, result], getattr(courier.counts, result))
            state = courier.circuit.state(now)
            for one in ("closed", "open", "half-open", "busy"):
                breaker.add_metric([name, one], float(state == one))
            flight.add_metric([name], courier.in_flight)
            paused.add_metric([name], float(courier.paused))
        yield from (attempts, results, breaker, flight, paused)

    def _backlogs(self) -> Iterator[Metric]:
        now, at = monotonic(), time()
        count = GaugeMetricFamily("sluicegate_dispatch_backlog", "Open SRs.", labels=["destination"])
        ceiling = GaugeMetricFamily(
            "sluicegate_dispatch_backlog_ceiling", "Its ceiling, in SRs.", labels=["destination"]
        )
        age = GaugeMetricFamily("sluicegate_dispatch_oldest_seconds", "Age of the oldest.", labels=["destination"])
        full = GaugeMetricFamily("sluicegate_dispatch_full", "1 while somebody is refused.", labels=["destination"])
        for name, backlog in self._dispatcher.depot.backlogs.items():
            count.add_metric([name], backlog.taken)
            ceiling.add_metric([name], backlog.ceiling)
            age.add_metric([name], 0.0 if backlog.oldest_at is None else max(0.0, at - backlog.oldest_at))
            full.add_metric([name], float(bool(backlog.refused(now))))
        yield from (count, ceiling, age, full)

    def _store(self) -> Iterator[Metric]:
        dispatcher = self._dispatcher
        writer = dispatcher.writer
        yield GaugeMetricFamily(
            "sluicegate_dispatch_store_failing", "1 while nothing is accepted.", bool(writer.failing)
        )
        yield CounterMetricFamily("sluicegate_dispatch_commits", "Commits.", value=writer.commits)
        yield CounterMetricFamily("sluicegate_dispatch_parcels_written", "Parcels in them.", value=writer.written)
        yield GaugeMetricFamily("sluicegate_dispatch_in_memory", "Parcels in memory.", dispatcher.depot.window.count)
        yield GaugeMetricFamily("sluicegate_dispatch_dispatchers", "Dispatchers with a lease.", writer.dispatchers)
        if self._log is not None:
            yield CounterMetricFamily("sluicegate_log_lines_dropped", "Log lines nobody took.", value=self._log.dropped)
        info = GaugeMetricFamily("sluicegate_build_info", "1; the labels tell.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info


def registry(dispatcher: Dispatcher, log: BoundedQueue | None = None) -> CollectorRegistry:
    """A registry with the dispatcher's metrics, and nothing of the process's other libraries."""
    made = CollectorRegistry()
    made.register(DispatchCollector(dispatcher, log))
    return made
