"""`GET /metrics`: Prometheus, made from the counters when it is asked for. docs/metrics.md says what each answers."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sluicegate import __version__
from sluicegate.operations.fleet import showing as fleet_showing
from sluicegate.operations.notices import showing
from sluicegate.operations.status import OUTCOMES
from sluicegate.operations.telemetry import showing as telemetry_showing

if TYPE_CHECKING:
    from sluicegate.log import BoundedQueue
    from sluicegate.operations.tally import Histogram
    from sluicegate.operations.watch import Watched


class GatewayCollector(Collector):
    """Reads the counters of a gateway."""

    def __init__(self, watched: Watched, log: BoundedQueue | None = None) -> None:
        self._watched = watched
        self._log = log

    def collect(self) -> Iterator[Metric]:
        """All metrics, in the order of docs/metrics.md."""
        yield from self._capacity()
        yield from self._users()
        yield from self._refusals()
        yield from self._upstream()
        yield from self._backpressure()
        yield from fleet_showing.metrics(self._watched)
        yield from self._self()

    def _capacity(self) -> Iterator[Metric]:
        watched = self._watched
        capacity = watched.settings.capacity
        yield _gauge("sluicegate_active", "1 while traffic management is active.", watched.ledger.state().active)
        yield _gauge(
            "sluicegate_enforcing", "1 where throttled requests are refused, 0 in observe mode.", capacity.enforce
        )
        yield _gauge("sluicegate_maximum_capacity", "Maximum capacity, in SR per second.", capacity.maximum)
        yield _gauge(
            "sluicegate_operating_threshold", "Operating threshold, in SR per second.", capacity.operating_threshold
        )
        yield _gauge(
            "sluicegate_max_in_flight", "Requests that may be at the upstream.", fleet_showing.max_in_flight(watched)
        )
        yield _gauge("sluicegate_allocation_factor", "By what all allocations are scaled.", watched.ledger.factor)

    def _users(self) -> Iterator[Metric]:
        watched = self._watched
        allocation = GaugeMetricFamily(
            "sluicegate_allocation", "Allocation, in SR per second.", labels=["user", "role"]
        )
        bank = GaugeMetricFamily("sluicegate_bank_level", "What the allocation bank holds, in SR.", labels=["user"])
        flight = GaugeMetricFamily("sluicegate_in_flight", "Requests at the upstream.", labels=["user"])
        decisions = CounterMetricFamily(
            "sluicegate_decisions", "Decided requests by outcome.", labels=["user", "outcome"]
        )
        passed = CounterMetricFamily(
            "sluicegate_passed_unenforced", "Throttled by the rule, passed in observe mode.", labels=["user"]
        )
        answered = CounterMetricFamily(
            "sluicegate_throttled_answers", "Throttled answers by status.", labels=["user", "status"]
        )
        refused = CounterMetricFamily(
            "sluicegate_refused_by_csp", "Refused because the CSP of the device is full.", labels=["user", "csp"]
        )
        versions = CounterMetricFamily(
            "sluicegate_messages", "Messages by the DUIS version they are in.", labels=["user", "duis_version"]
        )
        classes = CounterMetricFamily(
            "sluicegate_class_decisions",
            "Decided requests of a User's own classes by outcome.",
            labels=["user", "class", "outcome"],
        )
        now = watched.ledger.throttle.now
        tallies, in_flight = watched.tallies, watched.in_flight
        for holder in watched.book.holders:
            name = holder.name
            account, tally = watched.ledger.shown(name), tallies[name]
            allocation.add_metric([name, holder.role], account.allocation)
            bank.add_metric([name], account.level_at(now))
            flight.add_metric([name], in_flight[name].taken)
            for outcome, count in zip(OUTCOMES, tally.outcomes(), strict=True):
                decisions.add_metric([name, outcome], count)
            passed.add_metric([name], tally.passed)
            answered.add_metric([name, "429"], tally.answered_429)
            answered.add_metric([name, "503"], tally.answered_503)
            for one, counts in tally.classes:
                for outcome, count in zip(OUTCOMES, counts, strict=False):
                    classes.add_metric([name, one, outcome], count)
            for csp, count in list(tally.refused_by_csp.items()):
                refused.add_metric([name, csp], count)
            for version, count in list(tally.versions.items()):
                versions.add_metric([name, str(version)], count)
        yield from (allocation, bank, flight, decisions, passed, answered, refused, versions, classes)

    def _refusals(self) -> Iterator[Metric]:
        refused = CounterMetricFamily(
            "sluicegate_refusals", "The gateway's own refusals by problem type.", labels=["problem"]
        )
        for problem, count in list(self._watched.totals.refused.items()):
            refused.add_metric([problem], count)
        yield refused

    def _upstream(self) -> Iterator[Metric]:
        watched, totals = self._watched, self._watched.totals
        answers = CounterMetricFamily(
            "sluicegate_upstream_answers", "The upstream's answers by status.", labels=["status"]
        )
        for status, count in list(totals.upstream.items()):
            answers.add_metric([str(status)], count)
        yield answers
        yield _histogram(
            "sluicegate_upstream_response_seconds", "From forwarding to the head of the answer.", totals.response
        )
        breaker = GaugeMetricFamily("sluicegate_upstream_breaker", "1 for the state that it is in.", labels=["state"])
        for state in ("closed", "open", "half-open"):
            breaker.add_metric([state], float(watched.breaker_state == state))
        yield breaker
        yield _gauge("sluicegate_upstream_connections", "Connections to the upstream.", watched.upstream_connections)

    def _backpressure(self) -> Iterator[Metric]:
        told = self._watched.backpressure
        if told is not None:
            full = GaugeMetricFamily("sluicegate_csp_full", "1 for a CSP that takes no more from some.", labels=["csp"])
            for csp in sorted(told.csps):
                full.add_metric([csp], 1)
            yield full
            waiting = GaugeMetricFamily(
                "sluicegate_csp_waiting", "SRs that the dispatcher has for a CSP.", labels=["csp"]
            )
            for csp, count in sorted(told.waiting.items()):
                waiting.add_metric([csp], count)
            yield waiting
            heard_at = told.heard_at
            yield _gauge(
                "sluicegate_backpressure_age_seconds",
                "Since the dispatcher last told which CSPs are full.",
                float("inf") if heard_at is None else monotonic() - heard_at,
            )

    def _self(self) -> Iterator[Metric]:
        watched, totals = self._watched, self._watched.totals
        yield _histogram(
            "sluicegate_decision_seconds", "From a whole header to the decision, reading included.", totals.decision
        )
        yield _gauge("sluicegate_connections", "Senders' connections.", totals.connections)
        asked = CounterMetricFamily("sluicegate_asked", "Questions of proxies.", labels=["by"])
        asked.add_metric(["http"], totals.asked_http)
        asked.add_metric(["grpc"], totals.asked_grpc)
        yield asked
        yield _gauge("sluicegate_buffered_bytes", "Messages that are held.", watched.buffered)
        yield CounterMetricFamily(
            "sluicegate_handshake_failures", "TLS handshakes that failed.", value=totals.handshake_failures
        )
        yield CounterMetricFamily(
            "sluicegate_abandoned_requests", "Requests whose sender left before the answer.", value=totals.abandoned
        )
        yield from self._record()
        yield from self._operations()
        yield from self._history()
        if self._watched.notices is not None:
            yield from showing.metrics(self._watched.notices)
        if self._watched.telemetry is not None:
            yield from telemetry_showing.metrics(self._watched.telemetry)
        if self._log is not None:
            yield CounterMetricFamily(
                "sluicegate_log_lines_dropped", "Log lines that nobody took in time.", value=self._log.dropped
            )
        info = GaugeMetricFamily("sluicegate_build_info", "1; the labels tell.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info

    def _record(self) -> Iterator[Metric]:
        recorder = self._watched.recorder
        if recorder is not None:
            yield _gauge(
                "sluicegate_record_stopped", "1 while no traffic record can be written.", recorder.stopped != ""
            )
            yield CounterMetricFamily(
                "sluicegate_record_rows", "Rows of the traffic record on the disk.", value=recorder.written
            )
            yield CounterMetricFamily(
                "sluicegate_record_rows_lost", "Rows that were not recorded.", value=recorder.lost
            )

    def _operations(self) -> Iterator[Metric]:
        accounts = self._watched.accounts
        if accounts is not None:
            yield _gauge(
                "sluicegate_operations_failing",
                "1 while the operations database cannot be used.",
                accounts.failing != "",
            )
            yield _gauge("sluicegate_own_profiles", "Users whose own profile is in force.", accounts.own_profiles)
        site = self._watched.site
        if site is not None:
            answers = CounterMetricFamily(
                "sluicegate_site_answers", "Answers of the site by status.", labels=["status"]
            )
            for status, count in sorted(site.answers.items()):
                answers.add_metric([str(status)], count)
            yield answers
            yield CounterMetricFamily(
                "sluicegate_site_refused_tokens",
                "Requests to the site without a token that counts.",
                value=site.refused_tokens,
            )

    def _history(self) -> Iterator[Metric]:
        history = self._watched.history
        if history is not None:
            yield CounterMetricFamily(
                "sluicegate_history_minutes", "Minutes of usage in the database.", value=history.written
            )
            yield _gauge(
                "sluicegate_history_minutes_waiting", "Minutes of usage that wait for the database.", history.waiting
            )
            yield CounterMetricFamily(
                "sluicegate_history_minutes_lost", "Minutes of usage that were given up.", value=history.lost_minutes
            )
            yield CounterMetricFamily(
                "sluicegate_history_requests_lost",
                "Requests that the minutes given up told of.",
                value=history.lost_requests,
            )
            yield _gauge("sluicegate_history_seconds_held", "Seconds of the last hour in memory.", history.seconds_held)
            yield _gauge("sluicegate_history_bytes", "Memory of seconds and waiting minutes.", history.octets)


def registry(watched: Watched, log: BoundedQueue | None = None) -> CollectorRegistry:
    """A registry with the gateway's metrics, and nothing of the process's other libraries."""
    made = CollectorRegistry()
    made.register(GatewayCollector(watched, log))
    return made


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    running, buckets = 0, []
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        running += count
        buckets.append((bound, float(running)))
    family = HistogramMetricFamily(name, text)
    family.add_metric([], buckets, histogram.total)
    return family
