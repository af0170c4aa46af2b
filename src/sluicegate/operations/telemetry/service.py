"""Telemetry of one gateway, from its start to its stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine, Iterable
from time import time_ns
from typing import TYPE_CHECKING, Final

from sluicegate import __version__
from sluicegate.log import logger
from sluicegate.operations.beside import beside
from sluicegate.operations.telemetry.collector import Collector, NotTaken, open_collector
from sluicegate.operations.telemetry.encoding import metrics_messages
from sluicegate.operations.telemetry.spans import PATH as TRACES
from sluicegate.operations.telemetry.spans import Spans
from sluicegate.settings.secrets import SecretMissing
from sluicegate.settings.telemetry import Telemetry as TelemetrySettings

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

METRICS: Final = "/v1/metrics"
AT_STOP: Final = 2.0  # seconds that a stop waits for the collector


class Telemetry:
    """Reads the metrics each interval, takes spans, and sends both. For the event loop of the gateway.

    The collector may refuse, hang or be gone: nobody waits for it but the tasks in here.

    Args:
        settings: `[telemetry]`.
        registry: what `/metrics` shows; None: another worker of this gateway sends it.
        instance: which of several gateways this is, for instance its host and port.

    Attributes:
        spans: those that wait.
        failures: attempts that failed, by signal: `metrics` or `traces`.
    """

    def __init__(self, settings: TelemetrySettings, registry: CollectorRegistry | None, instance: str) -> None:
        self._settings = settings
        self._registry = registry
        self._since = time_ns()
        self._resource = {
            "service.name": settings.service_name,
            "service.version": __version__,
            "service.instance.id": instance,
        }
        self.spans = Spans(settings.waiting, self._resource, self._told)
        self.failures: Counter[str] = Counter({"metrics": 0, "traces": 0})
        self._failing: dict[str, str] = {}
        self._collector: Collector | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def failing(self) -> str:
        """Why the collector does not take what is sent; empty where it does."""
        return "; ".join(dict.fromkeys(self._failing.values()))

    async def start(self) -> None:
        """Begin. Where a secret or a certificate cannot be read, nothing is ever sent, and `failing` says why."""
        try:
            self._collector = await open_collector(self._settings)
        except (SecretMissing, OSError) as error:
            self._told(METRICS, str(error))
            return
        if self._registry is not None:
            self._begin(self._tell_metrics(self._collector))
        if self._settings.traces:
            self._begin(self.spans.run(self._collector))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def stop(self) -> None:
        """Send what is left, for AT_STOP seconds at the most."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        collector = self._collector
        if collector is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AT_STOP):
                    last = self.spans.flush(collector), self._send_metrics(collector)
                    await asyncio.gather(*last, return_exceptions=True)
            collector.cut()
        before = self.spans.lost
        self.spans.give_up()
        if self.spans.lost > before:
            logger().warning("telemetry: spans were not sent before the stop", lost=self.spans.lost - before)

    async def _tell_metrics(self, collector: Collector) -> None:
        while True:
            await asyncio.sleep(self._settings.interval)
            try:
                await self._send_metrics(collector)
            except Exception:  # the next interval is another try
                logger().exception("telemetry: the metrics could not be read")

    async def _send_metrics(self, collector: Collector) -> None:
        """What the counters say now. It is not sent again: the next reading says the same and more."""
        for message in await beside(self._read):
            try:
                count, why = await collector.take(METRICS, message)
            except NotTaken as error:
                self._told(METRICS, str(error))
                return
            self._told(METRICS, f"it rejected {count} points: {why}" if count else "")

    def _read(self) -> list[bytes]:
        families: Iterable[Metric] = self._registry.collect() if self._registry is not None else ()
        return list(metrics_messages(self._resource, families, self._since, time_ns()))

    def _told(self, path: str, why: str) -> None:
        """Count what failed; the log is told when it begins and when it is over."""
        signal = "traces" if path == TRACES else "metrics"
        before = self._failing.get(signal, "")
        if why:
            self.failures[signal] += 1
            self._failing[signal] = why
            if not before:
                logger().warning(
                    "telemetry: the collector does not take it",
                    collector=str(self._settings.endpoint), signal=signal, why=why,
                )  # fmt: skip
        elif before:
            del self._failing[signal]
            logger().info("telemetry: the collector takes it again", signal=signal)
