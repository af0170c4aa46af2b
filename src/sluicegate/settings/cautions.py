"""What is legal in a configuration and may still surprise: `check` says it, nothing is stopped by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from sluicegate.settings.crosschecks import sum_of_allocations
from sluicegate.settings.files import expiries
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import figure, shown

_EXPIRES_SOON = timedelta(days=30)
_NAMED = 3


def cautions(settings: Settings, *, now: datetime | None = None, files: bool = True) -> tuple[str, ...]:
    """One sentence or two for each. `now` (with its zone) is the time that certificates are held against."""
    said = [*_capacity(settings), *_users(settings), *_gateway(settings)]
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
    if gateway.tls and gateway.tls.key.is_file() and gateway.tls.key.stat().st_mode & 0o007:
        yield f"{gateway.tls.key}, the gateway's private key, is open to every account here: chmod 600"


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
