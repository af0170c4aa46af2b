"""Where a gateway listens, and for whom, as the status tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sluicegate.settings import Settings

SERVES: Final = {
    "gateway.listen": "Service Requests",
    "ask.listen": "HTTP external authorisation",
    "ask.grpc": "Rate Limit Service (gRPC)",
    "admin.listen": "status, metrics and health",
    "account.listen": "the site",
}
"""By the key of the configuration."""
SCHEMA: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["key", "address", "serves", "tls", "client_certificates"],
        "properties": {
            "key": {"enum": list(SERVES)},
            "address": {"type": "string"},
            "serves": {"type": "string"},
            "tls": {"type": "boolean"},
            "client_certificates": {"type": "boolean"},
        },
    },
}


def listeners(settings: Settings) -> list[dict[str, Any]]:
    """Each listener: its key, its address, what it serves, whether it has TLS, and whether it asks for certificates."""
    return [
        {
            "key": key,
            "address": address,
            "serves": SERVES[key],
            "tls": tls is not None,
            "client_certificates": getattr(tls, "client_ca", None) is not None,
        }
        for key, address, tls in _all(settings)
        if address is not None
    ]


def _all(settings: Settings) -> Iterator[tuple[str, str | None, object]]:
    gateway, ask, admin, account = settings.gateway, settings.ask, settings.admin, settings.account
    yield "gateway.listen", str(gateway.listen), gateway.tls
    if ask is not None:
        yield "ask.listen", None if ask.listen is None else str(ask.listen), ask.tls
        yield "ask.grpc", None if ask.grpc is None else str(ask.grpc), ask.tls
    if admin is not None:
        yield "admin.listen", str(admin.listen), None
    if account is not None:
        yield "account.listen", str(account.listen), account.tls
