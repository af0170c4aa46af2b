"""What must hold between the keys of the dispatcher, its CSPs, and what the gateway knows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from math import ceil

from sluicegate.settings.dispatching import Retry, RouteSources
from sluicegate.settings.fields import Address, Upstream
from sluicegate.settings.installed import installed
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import Finding, Path, figure, shown

_DAY = 86_400


def _csps(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.dispatch and not settings.csps:
        yield Finding(("dispatch",), "there is no CSP to deliver to: add at least one [[csp]]", about=(("csp",),))


def _names(settings: Settings, _: bool) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, csp in enumerate(settings.csps):
        first = seen.setdefault(csp.name.casefold(), index)
        if first != index:
            yield Finding(
                ("csp", index, "name"),
                f"{shown(csp.name)} is already the name of csp[{first}], upper and lower case being the same here: "
                "give each CSP its own",
                about=(("csp", first, "name"),),
                see=("csp", first, "name"),
            )


def _prefixes(settings: Settings, _: bool) -> Iterator[Finding]:
    seen: dict[str, tuple[int, int]] = {}
    for index, csp in enumerate(settings.csps):
        for nth, prefix in enumerate(csp.prefixes):
            owner, first = seen.setdefault(prefix, (index, nth))
            if (owner, first) == (index, nth):
                continue
            there: Path = ("csp", owner, "prefixes", first)
            yield Finding(
                ("csp", index, "prefixes", nth),
                f"{prefix} is here twice: take one out"
                if owner == index
                else f"{prefix} already belongs to csp[{owner}] {shown(settings.csps[owner].name)}: devices are in "
                "one region; a longer prefix may take some of them out",
                about=(there,),
                see=there,
            )


def _routes(settings: Settings, _: bool) -> Iterator[Finding]:
    routes = settings.dispatch.routes if settings.dispatch else RouteSources()
    table: Path = ("dispatch", "routes")
    names = [csp.name for csp in settings.csps]
    if routes.non_device is not None and settings.csps and routes.non_device not in names:
        yield Finding(
            (*table, "non_device"),
            f"there is no CSP {shown(routes.non_device)}: write the `name` of a [[csp]] exactly",
            about=(("csp",), *(("csp", index, "name") for index in range(len(names)))),
        )
    if (routes.database is None) is not (routes.query is None):
        yield Finding(
            table,
            "has only one of `database` and `query`: give both, or neither",
            about=((*table, "database"), (*table, "query")),
        )


def _delivery(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.dispatch:
        users, table = settings.dispatch.users, ("dispatch", "users")
        yield from _retry((*table, "retry"), users.retry)
        if users.tls and (users.tls.certificate is None) is not (users.tls.key is None):
            yield _half((*table, "tls"))
    for index, csp in enumerate(settings.csps):
        here: Path = ("csp", index)
        yield from _retry((*here, "retry"), csp.retry)
        if csp.circuit.pause > csp.circuit.longest_pause:
            yield _above((*here, "circuit"), "pause", csp.circuit.pause, "longest_pause", csp.circuit.longest_pause)
        if csp.tls and csp.url.scheme != "https":
            yield Finding(
                (*here, "tls"),
                f"is for an https URL, and that of the CSP is {csp.url}: take this table out, or write https://",
                about=((*here, "url"),),
            )
        if csp.tls and (csp.tls.certificate is None) is not (csp.tls.key is None):
            yield _half((*here, "tls"))


def _half(tls: Path) -> Finding:
    message = "has only one of `certificate` and `key`: give both, or neither"
    return Finding(tls, message, about=((*tls, "certificate"), (*tls, "key")))


def _retry(table: Path, retry: Retry) -> Iterator[Finding]:
    if retry.first > retry.ceiling:
        yield _above(table, "first", retry.first, "ceiling", retry.ceiling)


def _above(table: Path, key: str, value: float, bound: str, most: float) -> Finding:
    message = f"must be at most `{bound}`, which is {figure(most)}, and is {figure(value)}"
    return Finding((*table, key), message, about=((*table, bound),))


def _sizes(settings: Settings, _: bool) -> Iterator[Finding]:
    dispatch = settings.dispatch
    if dispatch is None:
        return
    if dispatch.max_body_bytes > dispatch.buffered_octets:
        yield _above(
            ("dispatch",), "max_body_bytes", dispatch.max_body_bytes, "buffered_octets", dispatch.buffered_octets
        )
    days = dispatch.longest_deadline / _DAY
    if dispatch.retention.remember_days < days:
        least = ceil(days * 100) / 100
        yield Finding(
            ("dispatch", "retention", "remember_days"),
            f"must be at least the longest of the deadlines, {figure(dispatch.longest_deadline)} s: a RequestID would "
            f"be forgotten while its SR is under way. Write {figure(least)} or more",
            about=(("dispatch", "deadlines"), *(("dispatch", "deadlines", key) for key in dispatch.deadlines)),
        )


def _ports(settings: Settings, _: bool) -> Iterator[Finding]:
    """No two listeners on one port, and nothing is delivered to the dispatcher's own."""
    if settings.dispatch is None:
        return
    own: dict[Path, Address] = {
        ("dispatch", "listen"): settings.dispatch.listen,
        ("dispatch", "admin"): settings.dispatch.admin,
    }
    taken: dict[Path, Address] = {("gateway", "listen"): settings.gateway.listen}
    if settings.admin:
        taken["admin", "listen"] = settings.admin.listen
    for key, address in own.items():
        for other, known in taken.items():
            if address.port == known.port != 0 and (
                address.host == known.host or address.everywhere or known.everywhere
            ):
                where = f"[{other[0]}] `{other[1]}`"
                yield Finding(key, f"{address} is taken by {where}, {known}: choose another port", about=(other,))
        taken[key] = address
    for path, url, whose in _destinations(settings):
        for key, address in own.items():
            if _reaches(url, address):
                said = f"is the dispatcher's own address, {address}: write that of the {whose}"
                yield Finding(path, said, about=(key,))


def _destinations(settings: Settings) -> Iterator[tuple[Path, Upstream, str]]:
    for index, csp in enumerate(settings.csps):
        yield ("csp", index, "url"), csp.url, "CSP"
    for index, user in enumerate(settings.users):
        if user.endpoint:
            yield ("user", index, "endpoint"), user.endpoint, "User"


def _reaches(url: Upstream, address: Address) -> bool:
    target = Address(url.host, url.port)
    return target.port == address.port and (target.host == address.host or (address.everywhere and target.loopback))


def _open(settings: Settings, insecure: bool) -> Iterator[Finding]:
    dispatch = settings.dispatch
    if dispatch is None or insecure:
        return
    if not dispatch.listen.loopback and not (dispatch.tls and dispatch.tls.client_ca):
        yield Finding(
            ("dispatch", "listen"),
            f"{dispatch.listen} is open to others, and who reaches it can send as any User: listen on 127.0.0.1 or "
            "[::1], or add [dispatch.tls] with `client_ca`, or start with --insecure if all who reach it are trusted",
            about=(("dispatch", "tls"), ("dispatch", "tls", "client_ca")),
        )
    if not dispatch.admin.loopback:
        yield Finding(
            ("dispatch", "admin"),
            f"{dispatch.admin} is open to others, and this listener asks nobody who he is: listen on 127.0.0.1 or "
            "[::1], or start with --insecure if all who reach it are trusted",
        )


def _postgresql(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.dispatch is None or installed("psycopg"):
        return
    routes = settings.dispatch.routes
    for path, database in (
        (("dispatch", "store"), settings.dispatch.store),
        (("dispatch", "routes", "database"), routes.database),
    ):
        if database is not None and database.postgresql:
            yield Finding(path, "PostgreSQL needs psycopg, which is not installed: install 'sluicegate[postgres]'")


def _backpressure(settings: Settings, _: bool) -> Iterator[Finding]:
    pressure, table = settings.gateway.backpressure, ("gateway", "backpressure")
    if pressure is None:
        return
    routes = settings.dispatch.routes if settings.dispatch else RouteSources()
    if not settings.csps or not (
        any(csp.prefixes for csp in settings.csps) or routes.table or routes.database or routes.non_device
    ):
        yield Finding(
            table,
            "the gateway must know which SR goes to which CSP: add [[csp]] with `prefixes`, or [dispatch.routes]",
            about=(("csp",), ("dispatch",), ("dispatch", "routes")),
        )
    if pressure.forget_after < pressure.every:
        yield Finding(
            (*table, "forget_after"),
            f"must be at least `every`, which is {figure(pressure.every)}, and is {figure(pressure.forget_after)}",
            about=((*table, "every"),),
        )
    if _reaches(pressure.url, settings.gateway.listen):
        yield Finding(
            (*table, "url"),
            f"is the gateway's own address, {settings.gateway.listen}: write `admin` of [dispatch]",
            about=(("gateway", "listen"),),
        )


def _classes(settings: Settings, _: bool) -> Iterator[Finding]:
    for index, user in enumerate(settings.users):
        yield from _own_names(index, "class", [entry.name for entry in user.classes])
        yield from _own_names(index, "team", [entry.name for entry in user.teams])
        parts = sum((Decimal(repr(entry.part)) for entry in user.teams), Decimal(0))
        if parts > 1:
            yield Finding(
                ("user", index, "team"),
                f"the parts of the teams of {shown(user.name)} add up to {parts}, and there is 1 to share out",
            )


def _own_names(index: int, table: str, names: list[str]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for nth, name in enumerate(names):
        first = seen.setdefault(name.casefold(), nth)
        if first != nth:
            there: Path = ("user", index, table, first, "name")
            yield Finding(
                ("user", index, table, nth, "name"),
                f"{shown(name)} is already the name of another {table} of this User: give each its own",
                about=(there,),
                see=there,
            )


CHECKS: tuple[Callable[[Settings, bool], Iterator[Finding]], ...] = (
    _csps,
    _names,
    _prefixes,
    _routes,
    _delivery,
    _sizes,
    _ports,
    _open,
    _postgresql,
    _backpressure,
    _classes,
)
