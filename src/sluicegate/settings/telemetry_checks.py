"""What must hold between the keys of `[telemetry]`, and what else they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sluicegate.settings import fields
from sluicegate.settings.installed import installed
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import Finding, Path

_HERE: Path = ("telemetry",)


def _library(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.telemetry is not None and not installed("opentelemetry.proto"):
        yield Finding(
            _HERE,
            "needs opentelemetry-proto, which is not installed: install 'sluicegate[otel]', or take this table out",
        )


def _headers(settings: Settings, insecure: bool) -> Iterator[Finding]:
    telemetry = settings.telemetry
    if telemetry is None or not telemetry.headers:
        return
    endpoint, here = telemetry.endpoint, (*_HERE, "headers")
    names = [name.lower() for name in telemetry.headers]
    if len(set(names)) < len(names):
        yield Finding(here, "has a header twice, in capitals and not: take one of them out")
    if endpoint.scheme == "http" and not fields.Address(endpoint.host, endpoint.port).loopback and not insecure:
        yield Finding(
            (*_HERE, "endpoint"),
            f"{endpoint} would get the headers over the network in the clear: write https://",
            about=(here,),
        )


def _tls(settings: Settings, _: bool) -> Iterator[Finding]:
    tls = settings.telemetry.tls if settings.telemetry is not None else None
    here = (*_HERE, "tls")
    if settings.telemetry is None or tls is None:
        return
    if settings.telemetry.endpoint.scheme != "https":
        yield Finding(
            here,
            f"is for https, and the endpoint is {settings.telemetry.endpoint}: take this table out, or write https://",
            about=((*_HERE, "endpoint"),),
        )
    if (tls.certificate is None) is not (tls.key is None):
        yield Finding(
            here,
            "has only one of `certificate` and `key`: give both, or neither",
            about=((*here, "certificate"), (*here, "key")),
        )


CHECKS: tuple[Callable[[Settings, bool], Iterator[Finding]], ...] = (_library, _headers, _tls)
