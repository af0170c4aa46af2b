"""What must hold between the keys of a relay's file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sluicegate.settings.dispatching import DeliveryTls
from sluicegate.settings.fields import Address, Upstream
from sluicegate.settings.problems import Finding, Path, figure, shown
from sluicegate.settings.relaying import GatewayTls, Relay


def _class_names(relay: Relay, _: bool) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, one in enumerate(relay.classes):
        first = seen.setdefault(one.name, index)
        if first != index:
            here, there = (("relay", "class", nth, "name") for nth in (index, first))
            yield Finding(
                here,
                f"{shown(one.name)} is already the name of class[{first}]: give each class its own",
                about=(there,),
                see=there,
            )


def _deadlines(relay: Relay, _: bool) -> Iterator[Finding]:
    longest: Path = ("relay", "longest_deadline")
    told: list[tuple[Path, float | None]] = [(("relay", "deadline"), relay.deadline)]
    told += [(("relay", "class", index, "deadline"), one.deadline) for index, one in enumerate(relay.classes)]
    for path, seconds in told:
        if seconds is not None and seconds > relay.longest_deadline:
            yield Finding(
                path,
                f"{figure(seconds)} s is beyond longest_deadline, {figure(relay.longest_deadline)} s: raise that, or "
                "lower this",
                about=(longest,),
            )


def _addresses(relay: Relay, _: bool) -> Iterator[Finding]:
    target = Address(relay.gateway.host, relay.gateway.port)
    if _same(relay.listen, target):
        yield Finding(
            ("relay", "gateway"),
            f"is the relay's own address, {relay.listen}: it would send to itself. Write that of the gateway",
            about=(("relay", "listen"),),
        )
    if relay.admin.port == relay.listen.port != 0 and (
        relay.admin.host == relay.listen.host or relay.admin.everywhere or relay.listen.everywhere
    ):
        yield Finding(
            ("relay", "admin"),
            f"{relay.admin} is taken by the relay's own `listen`, {relay.listen}: choose another port",
            about=(("relay", "listen"),),
        )


def _same(listen: Address, target: Address) -> bool:
    return target.port == listen.port and (target.host == listen.host or (listen.everywhere and target.loopback))


def _open_to_others(relay: Relay, insecure: bool) -> Iterator[Finding]:
    if not relay.admin.loopback and not insecure:
        yield Finding(
            ("relay", "admin"),
            f"{relay.admin} is open to others, and this listener asks nobody who he is: listen on 127.0.0.1 or [::1], "
            "or start with --insecure if all who reach it are trusted",
        )
    if not relay.listen.loopback and not (relay.tls and relay.tls.client_ca) and not insecure:
        yield Finding(
            ("relay", "listen"),
            f"{relay.listen} is open to others, and whoever reaches the relay sends with the User's certificate: add "
            "[relay.tls] with client_ca, listen on 127.0.0.1, or start with --insecure if all who reach it are trusted",
            about=(("relay", "tls"),),
        )


def _tls(relay: Relay, _: bool) -> Iterator[Finding]:
    of_callback = (relay.callback.tls, relay.callback.url) if relay.callback else (None, None)
    outward: tuple[tuple[Path, Path, GatewayTls | DeliveryTls | None, Upstream | None], ...] = (
        (("relay", "gateway_tls"), ("relay", "gateway"), relay.gateway_tls, relay.gateway),
        (("relay", "callback", "tls"), ("relay", "callback", "url"), *of_callback),
    )
    for path, address, tls, url in outward:
        if tls is None or url is None:
            continue
        if url.scheme != "https":
            yield Finding(
                path,
                f"is for https, and `{address[-1]}` is {url}: take this table out, or write https://",
                about=(address,),
            )
        if (tls.certificate is None) is not (tls.key is None):
            yield Finding(
                path,
                "has only one of `certificate` and `key`: give both, or neither",
                about=((*path, "certificate"), (*path, "key")),
            )
    if relay.tls and relay.tls.client_crl and not relay.tls.client_ca:
        yield Finding(
            ("relay", "tls", "client_crl"),
            "has no meaning without `client_ca`: add that",
            about=(("relay", "tls", "client_ca"),),
        )


def _mode(relay: Relay, _: bool) -> Iterator[Finding]:
    if relay.mode == "callback" and relay.callback is None:
        yield Finding(
            ("relay", "mode"),
            '"callback" needs the table [relay.callback] with the `url` that acknowledgements go to',
            about=(("relay", "callback"),),
        )


def _store(relay: Relay, _: bool) -> Iterator[Finding]:
    if relay.store.remote:
        yield Finding(
            ("relay", "store"),
            "must be the path of a file: a relay keeps the order of its SRs itself, so that two cannot share a store. "
            "Give each its own file",
        )


Check = Callable[[Relay, bool], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (_class_names, _deadlines, _addresses, _open_to_others, _tls, _mode, _store)


def crosscheck(relay: Relay, *, insecure: bool) -> list[Finding]:
    """All that does not fit together."""
    return [finding for check in CHECKS for finding in check(relay, insecure)]
