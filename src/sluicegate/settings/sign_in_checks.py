"""What must hold between the keys of `[sign_in]`, those of `[account]`, and the Users."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sluicegate.settings import fields
from sluicegate.settings.installed import installed
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import Finding, Path, shown

_OPENID: Path = ("sign_in", "openid")


def _account(settings: Settings, _: bool) -> Iterator[Finding]:
    if settings.sign_in is not None and settings.account is None:
        yield Finding(
            ("sign_in",), "is about the site of [account], which is not there: add that table", about=(("account",),)
        )


def _url(settings: Settings, insecure: bool) -> Iterator[Finding]:
    here: Path = ("sign_in", "url")
    if settings.sign_in is None or settings.sign_in.url is None:
        return
    url = settings.sign_in.url
    if url.prefix:
        yield Finding(here, f"{url} has a path, and the site is at the root of a host: take the path out")
    if url.scheme == "http" and not fields.Address(url.host, url.port).loopback and not insecure:
        yield Finding(here, f"{url} would send sessions over the network in the clear: write https://")
    if url.scheme == "http" and settings.account is not None and settings.account.tls is not None:
        yield Finding(
            here, f"{url} is http, and the site has [account.tls]: write https://", about=(("account", "tls"),)
        )


def _openid(settings: Settings, insecure: bool) -> Iterator[Finding]:
    openid = settings.sign_in.openid if settings.sign_in is not None else None
    if settings.sign_in is None or openid is None:
        return
    if settings.sign_in.url is None:
        yield Finding(
            _OPENID, "sends people to their provider and back: say where to, with `url` of [sign_in]",
            about=(("sign_in", "url"),),
        )  # fmt: skip
    provider = fields.upstream(openid.issuer)
    if provider.scheme == "http" and not fields.Address(provider.host, provider.port).loopback and not insecure:
        yield Finding((*_OPENID, "issuer"), f"{openid.issuer} could be anybody: write https://")
    if "openid" not in openid.scopes:
        yield Finding((*_OPENID, "scopes"), 'needs "openid" among them: without it there is no sign-in')
    missing = [name for name in ("authlib", "httpx2", "joserfc") if not installed(name)]
    if missing:
        yield Finding(
            _OPENID, f"needs {', '.join(missing)}, which is not installed: install 'sluicegate[sign-in]', or take this "
            "table out",
        )  # fmt: skip


def _roles(settings: Settings, _: bool) -> Iterator[Finding]:
    openid = settings.sign_in.openid if settings.sign_in is not None else None
    if openid is None:
        return
    if not openid.roles:
        yield Finding(_OPENID, "lets nobody in: add at least one [[sign_in.openid.role]]")
    users = {user.name for user in settings.users}
    for index, one in enumerate(openid.roles):
        here: Path = (*_OPENID, "role", index)
        if one.role == "user" and one.user is None:
            yield Finding(here, "has the role user, and no `user`: name the [[user]] that it is")
        elif one.role != "user" and one.user is not None:
            yield Finding(
                (*here, "user"), f'has no effect with the role {one.role}: take it out, or write role = "user"'
            )
        elif one.user is not None and one.user not in users:
            yield Finding((*here, "user"), f"{shown(one.user, 60)} is no [[user]]", about=(("user",),))


CHECKS: tuple[Callable[[Settings, bool], Iterator[Finding]], ...] = (_account, _url, _openid, _roles)
