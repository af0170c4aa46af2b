"""What must hold between the keys of `[ask]` and the rest: nobody asks in another's name, no port is had twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sluicegate.settings.fields import Address
from sluicegate.settings.installed import installed
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import Finding, Path

_WAYS = ("listen", "grpc")


def _ways(settings: Settings) -> Iterator[tuple[Path, Address]]:
    for key in _WAYS if settings.ask else ():
        address = getattr(settings.ask, key)
        if address is not None:
            yield ("ask", key), address


def _something(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.ask and not list(_ways(settings)):
        said = "listens nowhere: add `listen` for HTTP external authorisation, `grpc` for Envoy's Rate Limit Service"
        yield Finding(("ask",), f"{said}, or take this table out", about=(("ask", "listen"), ("ask", "grpc")))


def _open(settings: Settings, insecure: bool) -> Iterator[Finding]:
    if settings.ask is None or settings.ask.tls is not None or insecure:
        return
    for key, address in _ways(settings):
        if not address.loopback:
            yield Finding(
                key,
                f"{address} is open to others, and whoever asks speaks for any User: add [ask.tls], so that proxies"
                " show a certificate, listen on 127.0.0.1 or [::1], or start with --insecure if all who reach it are"
                " trusted",
                about=(("ask", "tls"),),
            )


def _authority(settings: Settings, insecure: bool) -> Iterator[Finding]:
    tls, users = settings.ask.tls if settings.ask else None, settings.gateway.tls
    if tls and users and tls.client_ca == users.client_ca and not insecure:
        yield Finding(
            ("ask", "tls", "client_ca"),
            "is also that of [gateway.tls]: every User's certificate could ask in another's name. Give the proxies an "
            "authority of their own",
            about=(("gateway", "tls", "client_ca"),),
        )


def _ports(settings: Settings, _: bool) -> Iterator[Finding]:
    others: dict[Path, Address] = {("gateway", "listen"): settings.gateway.listen}
    if settings.admin:
        others["admin", "listen"] = settings.admin.listen
    if settings.account:
        others["account", "listen"] = settings.account.listen
    if settings.dispatch:
        others["dispatch", "listen"] = settings.dispatch.listen
        others["dispatch", "admin"] = settings.dispatch.admin
    for key, address in _ways(settings):
        for other, known in others.items():
            here = address.host == known.host or address.everywhere or known.everywhere
            if address.port == known.port != 0 and here:
                said = f"{address} is taken by [{other[0]}] `{other[1]}`, {known}: choose another port"
                yield Finding(key, said, about=(other,))
        others[key] = address


def _grpc(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.ask and settings.ask.grpc and not installed("grpc"):
        said = "needs grpcio, which is not installed: install 'sluicegate[envoy]', or take this key out"
        yield Finding(("ask", "grpc"), said)


CHECKS: tuple[Callable[[Settings, bool], Iterator[Finding]], ...] = (_something, _open, _authority, _ports, _grpc)
