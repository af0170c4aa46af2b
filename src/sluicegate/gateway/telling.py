"""What a gateway tells: a collector of OpenTelemetry, and the other workers of its fleet."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from sluicegate.gateway.tracing import Sampler, Tracing
from sluicegate.operations.fleet.colleagues import Colleagues
from sluicegate.operations.metrics import registry

if TYPE_CHECKING:
    from sluicegate.gateway.service import Gateway
    from sluicegate.log import Log
    from sluicegate.operations.telemetry.service import Telemetry
    from sluicegate.settings import Settings
    from sluicegate.settings.telemetry import Telemetry as TelemetrySettings


def colleagues_of(gateway: Gateway, settings: Settings, *, first: bool) -> Colleagues | None:
    """Who tells the other workers what this one counts, and, at the `first` of a machine, shows them all."""
    joined = gateway.desk.joined
    if joined is None:
        return None
    tables = (settings.admin, settings.account, settings.operations, settings.telemetry)
    return Colleagues(
        joined.shard,
        joined.ledger.worker.name,
        gateway,
        str(settings.gateway.listen),
        looks=first and any(table is not None for table in tables),
        writes=first and settings.operations is not None,
    )


def telling(
    gateway: Gateway, settings: TelemetrySettings, log: Log | None, *, metrics: bool
) -> tuple[Telemetry, Tracing | None]:
    """Who sends its metrics (if wanted) and spans, and who begins traces where any request is traced."""
    from sluicegate.operations.telemetry.service import Telemetry  # noqa: PLC0415 - it loads what only the extra has

    instance = f"{socket.gethostname()}:{gateway.port}"
    lines = log.handler if log is not None else None
    made = Telemetry(settings, registry(gateway, lines) if metrics else None, instance)
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
