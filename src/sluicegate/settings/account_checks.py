"""What must hold between the keys of `[operations]` and `[account]`, and those of the other listeners and databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sluicegate.settings.fields import Address
from sluicegate.settings.installed import installed
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import Finding, Path


def _database(settings: Settings, _: bool) -> Iterator[Finding]:
    here: Path = ("operations", "database")
    if settings.operations is None:
        if settings.account is not None:
            yield Finding(
                ("account",),
                "needs a database for tokens and versions: add the table [operations]",
                about=(("operations",),),
            )
        return
    database, dispatch = settings.operations.database, settings.dispatch
    if database.postgresql and not installed("psycopg"):
        yield Finding(here, "PostgreSQL needs psycopg, which is not installed: install 'sluicegate[postgres]'")
    if dispatch is not None and not database.remote and str(database) == str(dispatch.store):
        yield Finding(
            here,
            "is the dispatcher's `store`, which a dispatcher has for itself: name another file",
            about=(("dispatch", "store"),),
        )


def _open(settings: Settings, insecure: bool) -> Iterator[Finding]:
    account = settings.account
    if account is not None and account.tls is None and not account.listen.loopback and not insecure:
        yield Finding(
            ("account", "listen"),
            f"{account.listen} is open to others, and tokens would cross the network in the clear: add [account.tls], "
            "listen on 127.0.0.1 or [::1], or start with --insecure if all who reach it are trusted",
            about=(("account", "tls"),),
        )


def _ports(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.account is None:
        return
    address = settings.account.listen
    others: dict[Path, Address] = {("gateway", "listen"): settings.gateway.listen}
    if settings.admin:
        others["admin", "listen"] = settings.admin.listen
    if settings.dispatch:
        others["dispatch", "listen"] = settings.dispatch.listen
        others["dispatch", "admin"] = settings.dispatch.admin
    for other, known in others.items():
        if address.port == known.port != 0 and (address.host == known.host or address.everywhere or known.everywhere):
            where = f"[{other[0]}] `{other[1]}`"
            said = f"{address} is taken by {where}, {known}: choose another port"
            yield Finding(("account", "listen"), said, about=(other,))


def _history(settings: Settings, _: bool) -> Iterator[Finding]:
    kept = settings.history
    for finer, coarser in (("minutes_kept", "hours_kept"), ("hours_kept", "days_kept")):
        least, is_so = getattr(kept, finer), getattr(kept, coarser)
        if is_so < least:
            yield Finding(
                ("history", coarser),
                f"must be at least `{finer}`, {least}, and is {is_so}: what is coarser is kept for longer",
                about=(("history", finer),),
            )


CHECKS: tuple[Callable[[Settings, bool], Iterator[Finding]], ...] = (_database, _open, _ports, _history)
