"""What a reload cannot change: addresses that are listened on, and files that are written."""

from __future__ import annotations

from sluicegate.settings import Settings


def refuse_the_unchangeable(old: Settings, new: Settings) -> None:
    """Raises ValueError where the new settings need a restart."""
    for what, before, after in (
        ("gateway.listen", old.gateway.listen, new.gateway.listen),
        ("gateway.workers", old.gateway.workers, new.gateway.workers),
        ("ledger", old.ledger, new.ledger),
        ("gateway.tls being there", old.gateway.tls is None, new.gateway.tls is None),
        ("admin.listen", old.admin and old.admin.listen, new.admin and new.admin.listen),
        ("record", old.record, new.record),
        ("telemetry", old.telemetry, new.telemetry),
        ("operations", old.operations, new.operations),
        ("account.listen", old.account and old.account.listen, new.account and new.account.listen),
        ("sign_in", old.sign_in, new.sign_in),
        ("ask (its addresses and bounds, and ask.tls being there)", _asked(old), _asked(new)),
        ("account.tls being there", _has_tls(old), _has_tls(new)),
    ):
        if before != after:
            raise ValueError(f"{what} cannot change while the gateway runs: restart it")


def _asked(settings: Settings) -> tuple[object, ...]:
    ask = settings.ask
    return (ask.listen, ask.grpc, ask.max_body_bytes, ask.connections, ask.tls is None) if ask is not None else ()


def _has_tls(settings: Settings) -> bool:
    return settings.account is not None and settings.account.tls is not None
