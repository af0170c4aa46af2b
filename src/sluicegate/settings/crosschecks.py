"""What must hold between keys: each key is right in itself, and the whole would still not work."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from sluicegate.settings import (
    account_checks,
    ask_checks,
    dispatch_checks,
    ledger_checks,
    notice_checks,
    sign_in_checks,
    telemetry_checks,
)
from sluicegate.settings.fields import Address
from sluicegate.settings.installed import installed
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import Finding, Path, figure, shown

_LARGEST_NAMED = 3

Check = Callable[[Settings, bool], Iterator[Finding]]


def crosscheck(settings: Settings, *, insecure: bool) -> list[Finding]:
    """All that does not fit together. `insecure` permits what would let a stranger pass for a User."""
    return [finding for check in _CHECKS for finding in check(settings, insecure)]


def sum_of_allocations(settings: Settings) -> Decimal:
    """The sum in SR/s, as the figures are written: ten times 0.1 are 1, which binary fractions miss."""
    return sum((Decimal(repr(user.allocation)) for user in settings.users), Decimal(0))


def _threshold(settings: Settings, _: bool) -> Iterator[Finding]:
    capacity = settings.capacity
    if capacity.operating_threshold > capacity.maximum:
        yield Finding(
            ("capacity", "operating_threshold"),
            f"must be at most the maximum of {figure(capacity.maximum)} SR/s, and is "
            f"{figure(capacity.operating_threshold)}: it is where traffic management begins",
            about=(("capacity", "maximum"),),
        )


def _allocations(settings: Settings, _: bool) -> Iterator[Finding]:
    total, maximum = sum_of_allocations(settings), Decimal(repr(settings.capacity.maximum))
    if total <= maximum:
        return
    largest = sorted(settings.users, key=lambda user: -user.allocation)[:_LARGEST_NAMED]
    named = ", ".join(f"{shown(user.name, 40)} {figure(user.allocation)}" for user in largest)
    users = "User add" if len(settings.users) == 1 else "Users add"
    yield Finding(
        ("capacity", "maximum"),
        f"the allocations of {len(settings.users):,} {users} up to {figure(float(total))} SR/s and the "
        f"maximum is {figure(float(maximum))}: {figure(float(total - maximum))} SR/s too many. Largest: "
        f"{named}. Lower allocations, or raise `maximum` if the system bears it",
    )


def _names(settings: Settings, _: bool) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, user in enumerate(settings.users):
        first = seen.setdefault(unicodedata.normalize("NFKC", user.name).casefold(), index)
        if first != index:
            other = settings.users[first].name
            same = "" if other == user.name else f", which differs from {shown(other)} by its look only,"
            yield Finding(
                ("user", index, "name"),
                f"{shown(user.name)}{same} is already the name of user[{first}]: give each User its own",
                about=(("user", first, "name"),),
            )


def _ids(settings: Settings, _: bool) -> Iterator[Finding]:
    seen: dict[str, tuple[int, int]] = {}
    for index, user in enumerate(settings.users):
        for nth, entry in enumerate(user.ids):
            owner, first = seen.setdefault(entry.id, (index, nth))
            if (owner, first) == (index, nth):
                continue
            yield Finding(
                ("user", index, "ids", nth),
                f"{entry.id} is here twice: take one out"
                if owner == index
                else f"{entry.id} already belongs to user[{owner}] {shown(settings.users[owner].name, 40)}: "
                "an ID has one User",
                about=(("user", owner, "ids", first),),
            )


def _told(settings: Settings, _: bool) -> Iterator[Finding]:
    known = {user.name for user in settings.users}
    for nth, name in enumerate(settings.responses.too_many_requests_users):
        if name not in known:
            yield Finding(
                ("responses", "too_many_requests_users", nth),
                f"there is no User {shown(name)}: write the `name` of a [[user]] exactly",
            )


def _addresses(settings: Settings, _: bool) -> Iterator[Finding]:
    listen, upstream = settings.gateway.listen, settings.gateway.upstream
    target = Address(upstream.host, upstream.port)
    if target.port == listen.port and (target.host == listen.host or (listen.everywhere and target.loopback)):
        yield Finding(
            ("gateway", "upstream"),
            f"is the gateway's own address, {listen}: it would forward to itself. Write that of the DSP",
            about=(("gateway", "listen"),),
        )
    admin = settings.admin.listen if settings.admin else None
    if (
        admin
        and admin.port == listen.port != 0
        and (admin.host == listen.host or admin.everywhere or listen.everywhere)
    ):
        yield Finding(
            ("admin", "listen"),
            f"{admin} is taken by the gateway's own `listen`, {listen}: choose another port",
            about=(("gateway", "listen"),),
        )


def _identity(settings: Settings, insecure: bool) -> Iterator[Finding]:
    gateway, key = settings.gateway, ("gateway", "identity")
    if gateway.identity == "originator":
        if not gateway.listen.loopback and not insecure:
            yield Finding(
                key,
                f'"originator" believes what a message says of itself, and {gateway.listen} is open to '
                'others: listen on 127.0.0.1, or use identity = "certificate", or start with --insecure if '
                "all who reach it are trusted",
                about=(("gateway", "listen"),),
            )
        return
    if gateway.identity == "certificate":
        yield from _own_tls(settings)
    else:
        yield from _proxies(settings, insecure)
    for index, user in enumerate(settings.users):
        if not user.certificates:
            yield Finding(
                ("user", index, "certificates"),
                f'must not be empty, as identity is "{gateway.identity}": add '
                '`certificates = ["CN=...,O=..."]`, or "sha256:<fingerprint>" in it',
                about=(key,),
            )


def _own_tls(settings: Settings) -> Iterator[Finding]:
    key, tls = ("gateway", "identity"), ("gateway", "tls")
    if settings.gateway.tls is None:
        yield Finding(
            key,
            '"certificate" needs the table [gateway.tls] with certificate, key and client_ca; for a first '
            'try on this machine alone use identity = "originator"',
            about=(tls,),
        )
    elif settings.gateway.tls.client_ca is None:
        yield Finding(
            (*tls, "client_ca"),
            'is missing, and identity is "certificate": add the file of the authorities of the Users\' certificates',
            about=(key,),
        )


def _proxies(settings: Settings, insecure: bool) -> Iterator[Finding]:
    key, proxies = ("gateway", "identity"), ("gateway", "trusted_proxies")
    if not settings.gateway.trusted_proxies:
        yield Finding(
            key,
            '"forwarded-certificate" needs `trusted_proxies`, the addresses whose Client-Cert is believed',
            about=(proxies,),
        )
    for nth, network in enumerate(settings.gateway.trusted_proxies):
        if network.prefixlen == 0 and not insecure:
            yield Finding(
                (*proxies, nth),
                f'"{network}" is everybody: whoever reaches the gateway could pass for any User',
                about=(key,),
            )


def _tls(settings: Settings, _: bool) -> Iterator[Finding]:
    gateway, path = settings.gateway, ("gateway", "upstream_tls")
    if gateway.tls and gateway.tls.client_crl and not gateway.tls.client_ca:
        yield Finding(
            ("gateway", "tls", "client_crl"),
            "has no meaning without `client_ca`: add that",
            about=(("gateway", "tls", "client_ca"),),
        )
    if gateway.upstream_tls is None:
        return
    if gateway.upstream.scheme != "https":
        yield Finding(
            path,
            f"is for an https upstream, and the upstream is {gateway.upstream}: take this table out, or write https://",
            about=(("gateway", "upstream"),),
        )
    if (gateway.upstream_tls.certificate is None) is not (gateway.upstream_tls.key is None):
        yield Finding(
            path,
            "has only one of `certificate` and `key`: give both, or neither",
            about=((*path, "certificate"), (*path, "key")),
        )


def _admin(settings: Settings, insecure: bool) -> Iterator[Finding]:
    if settings.admin and not settings.admin.listen.loopback and not insecure:
        yield Finding(
            ("admin", "listen"),
            f"{settings.admin.listen} is open to others, and this listener asks nobody who he is: listen on "
            "127.0.0.1 or [::1] (the site of [account] tells the same to who signs in), or start with --insecure if "
            "all who reach it are trusted",
        )


def _record(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.record and not installed("pyarrow"):
        yield Finding(
            ("record",),
            "the traffic record needs pyarrow, which is not installed: install 'sluicegate[evidence]', "
            "or take this table out",
        )


_CHECKS: tuple[Check, ...] = (
    _threshold,
    _allocations,
    _names,
    _ids,
    _told,
    _addresses,
    _identity,
    _tls,
    _admin,
    _record,
    *ledger_checks.CHECKS,
    *account_checks.CHECKS,
    *ask_checks.CHECKS,
    *sign_in_checks.CHECKS,
    *notice_checks.CHECKS,
    *telemetry_checks.CHECKS,
    *dispatch_checks.CHECKS,
)


def still_standing(findings: Iterable[Finding], wrong: Iterable[Path]) -> list[Finding]:
    """Those findings that do not rest on what is `wrong` already: at its place, or inside it."""
    places = set(wrong)

    def rests_on_it(path: Path) -> bool:
        return any(path[:length] in places for length in range(1, len(path) + 1))

    return [f for f in findings if not any(map(rests_on_it, (f.path, *f.about)))]
