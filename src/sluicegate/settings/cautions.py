"""What is legal in a configuration and may still surprise: `check` says it, nothing is stopped by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sluicegate.settings.crosschecks import sum_of_allocations
from sluicegate.settings.fields import Address
from sluicegate.settings.files import expiries, open_keys
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import figure, shown

_EXPIRES_SOON = timedelta(days=30)
_NAMED = 3


def cautions(settings: Settings, *, now: datetime | None = None, files: bool = True) -> tuple[str, ...]:
    """One sentence or two for each. `now` (with its zone) is the time that certificates are held against."""
    said = [*_capacity(settings), *_users(settings), *_gateway(settings), *_dispatch(settings), *_channels(settings)]
    said += [*_ledger(settings), *_telemetry(settings)]
    if files:
        said += _certificates(settings, now or datetime.now(UTC))
    return tuple(said)


def _capacity(settings: Settings) -> Iterator[str]:
    capacity = settings.capacity
    total = float(sum_of_allocations(settings))
    if capacity.operating_threshold < total <= capacity.maximum:
        yield (
            f"the allocations add up to {figure(total)} SR/s, above the operating threshold of "
            f"{figure(capacity.operating_threshold)}: while all Users use theirs, the system runs above its"
            " threshold and nobody is throttled"
        )
    if capacity.operating_threshold == capacity.maximum:
        yield (
            "the operating threshold is the maximum: nothing is left for the bursts that the banks let"
            " through, or for the load that fires inside the DSP"
        )
    if not capacity.enforce:
        yield "capacity.enforce is false: everything is let through; what would be throttled is only counted"


def _channels(settings: Settings) -> Iterator[str]:
    clear = [
        f"{channel.name} of {user.name}"
        for user in settings.users
        for channel in user.channels
        if channel.webhook is not None and channel.webhook.scheme == "http"
    ]
    if clear:
        yield f"{_named(clear)} a webhook over http: whoever is between reads the notices (they are signed, not hidden)"


def _telemetry(settings: Settings) -> Iterator[str]:
    telemetry = settings.telemetry
    if telemetry is None or telemetry.endpoint.scheme == "https":
        return
    if not Address(telemetry.endpoint.host, telemetry.endpoint.port).loopback:
        yield f"telemetry goes to {telemetry.endpoint} in the clear: whoever is between reads each User's traffic"


def _ledger(settings: Settings) -> Iterator[str]:
    parts, workers = settings.ledger.parts, settings.gateway.workers
    if parts == 1:
        return
    if workers < parts:
        yield (
            f"the ledger is in {parts} parts, and this gateway has {workers} worker{'s' if workers > 1 else ''}: a part"
            " that no worker of any gateway belongs to is capacity that nobody uses"
        )
    if not settings.ledger.cluster:
        yield f"the ledger is in {parts} parts in one Valkey: they share the work only over the primaries of a cluster"


def _users(settings: Settings) -> Iterator[str]:
    capacity = settings.capacity
    without = [user.name for user in settings.users if user.allocation == 0]
    if without:
        yield f"{_named(without)} no allocation: such a User lives on the spare, and has nothing without it"
    heaviest = capacity.heaviest
    small = [user.name for user in settings.users if 0 < user.allocation * capacity.burst_seconds < heaviest]
    if small:
        yield (
            f"{_named(small)} an allocation whose burst (allocation * burst_seconds) is smaller than the"
            f" heaviest weight, {figure(heaviest)}: the bank is made just deep enough for one such request"
        )
    free = [user.name for user in settings.users if not user.enforce]
    if free and capacity.enforce:
        yield f"{_named(free)} enforce = false: never throttled, only counted; no capacity bound holds"


def _gateway(settings: Settings) -> Iterator[str]:
    gateway = settings.gateway
    if settings.admin is None:
        yield "there is no [admin]: no status, no metrics and no readiness can be asked for"
    if gateway.identity == "originator":
        yield 'identity is "originator": whoever reaches the gateway can pass for any User'
    if gateway.identity != "forwarded-certificate" and gateway.trusted_proxies:
        yield f'trusted_proxies has no effect with identity = "{gateway.identity}"'
    times = gateway.timeouts
    if times.upstream_total < times.upstream_response:
        yield "gateway.timeouts: upstream_total is below upstream_response, which then never comes to its end"
    for what, path in open_keys(settings):
        yield f"{path}, {what}, is open to every account here: chmod 600"


def _dispatch(settings: Settings) -> Iterator[str]:
    dispatch = settings.dispatch
    if dispatch is None:
        return
    users, routes = settings.users, dispatch.routes
    silent = [user.name for user in users if user.endpoint is None]
    if silent:
        yield f"{_named(silent)} no endpoint: Responses, and what cannot be delivered, have nowhere to go to"
    if dispatch.users.tls and not any(user.endpoint and user.endpoint.scheme == "https" for user in users):
        yield "dispatch.users.tls has no effect: no User has an https endpoint"
    if routes.table is None and routes.database is None:
        for csp in settings.csps:
            if not csp.prefixes and csp.name != routes.non_device:
                yield f"the CSP {csp.name} has no prefixes, and there is no table of devices: nothing is sent to it"
    if dispatch.admin.port == 0:
        yield "dispatch.admin has port 0, any free one: a gateway cannot be told where to ask"
    target = settings.gateway.upstream
    if (target.host, target.port) == (dispatch.listen.host, dispatch.listen.port) and (
        settings.gateway.max_body_bytes > dispatch.max_body_bytes
    ):
        yield "gateway.max_body_bytes is above that of [dispatch], where such messages are then refused"
    for user in users:
        for entry, later in pairwise(user.classes):
            if not (entry.srvs or entry.command_variants or entry.targets):
                yield (
                    f"the class {shown(entry.name, 40)} of {shown(user.name, 40)} takes every request: nothing is left"
                    f" for {shown(later.name, 40)} and what is below it"
                )
                break


def _certificates(settings: Settings, now: datetime) -> Iterator[str]:
    for key, end in expiries(settings):
        day = f"{end:%Y-%m-%d %H:%M} UTC"
        if end <= now:
            yield f"{key} holds a certificate that has been out of date since {day}"
        elif end - now <= _EXPIRES_SOON:
            yield f"{key} holds a certificate that ends on {day}: put the next one there in time"


def _named(names: Sequence[str]) -> str:
    said = ", ".join(shown(name, 40) for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{said}{more} {'has' if len(names) == 1 else 'have'}"
