"""`GET /metrics` of a relay. docs/metrics.md says what each answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sluicegate import __version__
from sluicegate.relay.classes import shown
from sluicegate.relay.outbox import CALLBACK
from sluicegate.relay.status import waiting
from sluicegate.relay.tally import BOUNDS

if TYPE_CHECKING:
    from sluicegate.log import BoundedQueue
    from sluicegate.relay.service import RelayService

ENDS = ("acknowledged", "refused", "expired", "given_back")
RESULTS = ("throttled", "behind", "failed")


class RelayCollector(Collector):
    """Reads the counters of a relay."""

    def __init__(self, service: RelayService, log: BoundedQueue | None) -> None:
        self._service = service
        self._log = log

    def collect(self) -> Iterator[Metric]:
        """All metrics, in the order of docs/metrics.md."""
        yield from self._classes()
        yield from self._waits()
        yield from self._pace()
        yield from self._whole()

    def _classes(self) -> Iterator[Metric]:
        came = CounterMetricFamily("sluicegate_relay_came", "SRs that senders sent.", labels=["class"])
        held = CounterMetricFamily("sluicegate_relay_held", "SRs that had to wait.", labels=["class"])
        joined = CounterMetricFamily("sluicegate_relay_joined", "Repetitions of what waited.", labels=["class"])
        ends = CounterMetricFamily("sluicegate_relay_ends", "What SRs ended as.", labels=["class", "end"])
        attempts = CounterMetricFamily("sluicegate_relay_attempts", "Attempts at the gateway.", labels=["class"])
        results = CounterMetricFamily(
            "sluicegate_relay_results", "Attempts that led to no end.", labels=["class", "result"]
        )
        left = CounterMetricFamily("sluicegate_relay_left", "Senders that hung up.", labels=["class"])
        times = HistogramMetricFamily("sluicegate_relay_seconds", "From arrival to acknowledgement.", labels=["class"])
        for place in self._service.classes.places:
            of, name = self._service.tally.classes[place.rank], shown(place.name)
            came.add_metric([name], of.came)
            held.add_metric([name], of.stored)
            joined.add_metric([name], of.joined)
            for end in ENDS:
                ends.add_metric([name, end], getattr(of, end))
            attempts.add_metric([name], of.attempts)
            for result in RESULTS:
                results.add_metric([name, result], getattr(of, result))
            left.add_metric([name], of.left)
            total, buckets = 0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), of.times, strict=True):
                total += count
                buckets.append((bound, float(total)))
            times.add_metric([name], buckets, of.seconds)
        yield from (came, held, joined, ends, attempts, results, left, times)

    def _waits(self) -> Iterator[Metric]:
        service = self._service
        now, oldest, waits = service.clock.now(), service.desk.pending.oldest(), waiting(service)
        count = GaugeMetricFamily("sluicegate_relay_waiting", "SRs that wait.", labels=["class"])
        age = GaugeMetricFamily("sluicegate_relay_oldest_seconds", "Age of the oldest.", labels=["class"])
        for place in service.classes.places:
            count.add_metric([shown(place.name)], waits[place.rank])
            age.add_metric([shown(place.name)], now - oldest.get(place.rank, now))
        yield from (count, age)
        yield GaugeMetricFamily(
            "sluicegate_relay_open", "SRs that have not come to their end.", service.desk.pending.count
        )
        yield GaugeMetricFamily("sluicegate_relay_most", "So many there may be.", service.relay.waiting)

    def _pace(self) -> Iterator[Metric]:
        sending = self._service.sending
        learnt = sending.pace.learnt
        yield GaugeMetricFamily("sluicegate_relay_rate", "SR/s that are sent at most.", learnt.rate)
        if learnt.allocation is not None:
            yield GaugeMetricFamily("sluicegate_relay_allocation", "SR/s, as the gateway tells.", learnt.allocation)
        yield GaugeMetricFamily("sluicegate_relay_in_flight", "SRs that are being sent.", sending.in_flight)

    def _whole(self) -> Iterator[Metric]:
        service = self._service
        tally, writer = service.tally, service.writer
        refused = CounterMetricFamily("sluicegate_relay_not_taken", "SRs that were not taken.", labels=["reason"])
        for reason, number in (
            ("full", tally.full),
            ("store", tally.unsafe),
            ("wish", tally.wishes),
            ("draining", tally.draining),
            *service.door.foyer.totals.refused.items(),
        ):
            refused.add_metric([reason], number)
        yield refused
        connections = service.door.foyer.totals.connections
        yield GaugeMetricFamily("sluicegate_relay_connections", "Connections of senders.", connections)
        courier = service.letters.couriers.get(CALLBACK)
        if courier is not None:
            told = CounterMetricFamily("sluicegate_relay_callback", "Answers to the callback.", labels=["result"])
            for name in ("delivered", "failed", "busy", "returned"):
                told.add_metric([name], getattr(courier.counts, name))
            yield told
            window = service.letters.window
            left = window.spilled_total + window.count
            yield GaugeMetricFamily("sluicegate_relay_callback_waiting", "Answers that wait for it.", left)
        yield GaugeMetricFamily("sluicegate_relay_store_failing", "1 while nothing can wait.", bool(writer.failing))
        yield CounterMetricFamily("sluicegate_relay_commits", "Commits.", value=writer.commits)
        if self._log is not None:
            yield CounterMetricFamily("sluicegate_log_lines_dropped", "Log lines nobody took.", value=self._log.dropped)
        info = GaugeMetricFamily("sluicegate_build_info", "1; the labels tell.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info


def registry(service: RelayService, log: BoundedQueue | None = None) -> CollectorRegistry:
    """A registry with the relay's metrics, and nothing of the process's other libraries."""
    made = CollectorRegistry()
    made.register(RelayCollector(service, log))
    return made
