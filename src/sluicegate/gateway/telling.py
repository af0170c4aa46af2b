"""What of a gateway goes to a collector of OpenTelemetry."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from sluicegate.gateway.tracing import Sampler, Tracing
from sluicegate.operations.metrics import registry

if TYPE_CHECKING:
    from sluicegate.gateway.service import Gateway
    from sluicegate.log import Log
    from sluicegate.operations.telemetry.service import Telemetry
    from sluicegate.settings.telemetry import Telemetry as TelemetrySettings


def telling(gateway: Gateway, settings: TelemetrySettings, log: Log | None) -> tuple[Telemetry, Tracing | None]:
    """Who sends its metrics and spans, and who begins traces where any request is traced."""
    from sluicegate.operations.telemetry.service import Telemetry  # noqa: PLC0415 - it loads what only the extra has

    instance = f"{socket.gethostname()}:{gateway.port}"
    made = Telemetry(settings, registry(gateway, log.handler if log is not None else None), instance)
    if not settings.traces:
        return made, None
    sampler = Sampler(settings.sample, settings.asked_per_second)
    tracing = Tracing(
        sampler,
        made.spans.take,
        lambda: gateway.ledger.state().active,
        lambda: gateway.settings.gateway.upstream,
    )
    return made, tracing
