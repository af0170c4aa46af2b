"""What settings only name: TLS contexts, revoked certificates, routes. Read beside the event loop."""

from __future__ import annotations

import ssl
from typing import NamedTuple

from sluicegate.front.tls import Revoked, revoked_certificates, server_context
from sluicegate.gateway.backpressure import Region
from sluicegate.http.tls import client_context
from sluicegate.settings import Settings, Upstream


class Prepared(NamedTuple):
    """All of it, for one set of settings; None where there is none of it.

    Attributes:
        tls: of the gateway's own listener.
        upstream_tls, backpressure_tls: towards the upstream, and towards the dispatcher's admin listener.
        ask_tls: where proxies ask.
        revoked: what the list of revoked certificates names.
        region: from a device to its CSP.
    """

    tls: ssl.SSLContext | None
    upstream_tls: ssl.SSLContext | None
    backpressure_tls: ssl.SSLContext | None
    ask_tls: ssl.SSLContext | None
    revoked: Revoked
    region: Region | None


def prepare(settings: Settings) -> Prepared:
    """Read what the settings name.

    Raises:
        OSError: a TLS file cannot be used.
        RoutesError: the table of devices cannot be used.
    """
    gateway = settings.gateway
    pressure = gateway.backpressure
    return Prepared(
        _server_tls(settings),
        _client_tls(settings, gateway.upstream),
        _client_tls(settings, pressure.url) if pressure is not None else None,
        _ask_tls(settings),
        _revoked(settings),
        _region(settings),
    )


def _server_tls(settings: Settings) -> ssl.SSLContext | None:
    tls = settings.gateway.tls
    if tls is None:
        return None
    ca, crl = tls.client_ca, tls.client_crl
    return server_context(str(tls.certificate), str(tls.key), str(ca) if ca else None, str(crl) if crl else None)


def _ask_tls(settings: Settings) -> ssl.SSLContext | None:
    tls = settings.ask.tls if settings.ask is not None else None
    return server_context(str(tls.certificate), str(tls.key), str(tls.client_ca), None) if tls is not None else None


def _revoked(settings: Settings) -> Revoked:
    tls = settings.gateway.tls
    return revoked_certificates(str(tls.client_crl)) if tls is not None and tls.client_crl else frozenset()


def _region(settings: Settings) -> Region | None:
    """From a device to its CSP, where that matters. Raises RoutesError."""
    if settings.gateway.backpressure is None:
        return None
    from sluicegate.routing import Routes  # noqa: PLC0415 - most gateways do without

    return Routes.from_settings(settings).region


def _client_tls(settings: Settings, address: Upstream) -> ssl.SSLContext | None:
    if address.scheme != "https":
        return None
    tls = settings.gateway.upstream_tls
    return client_context(tls.ca, tls.certificate, tls.key) if tls else client_context(None, None, None)
