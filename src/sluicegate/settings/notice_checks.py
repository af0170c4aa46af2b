"""What must hold between `[notices]`, the channels of Users, and what else they need."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

from sluicegate.settings.installed import installed
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import Finding, Path, shown


def _channels(settings: Settings, _: bool) -> Iterator[Finding]:
    for index, user in enumerate(settings.users):
        here: Path = ("user", index, "channel")
        if user.channels and settings.operations is None:
            yield Finding(
                here,
                "needs a database, so that no notice is lost: add the table [operations]",
                about=(("operations",),),
            )
        names: dict[str, int] = {}
        for nth, channel in enumerate(user.channels):
            first = names.setdefault(unicodedata.normalize("NFKC", channel.name).casefold(), nth)
            if first != nth:
                yield Finding((*here, nth, "name"), f"{shown(channel.name)} is already the name of channel[{first}]")
            if channel.email is not None and settings.notices.smtp is None:
                yield Finding(
                    (*here, nth, "email"),
                    "needs somebody who takes e-mail: add the table [notices.smtp]",
                    about=(("notices", "smtp"),),
                )
            if channel.apprise is not None and not installed("apprise"):
                yield Finding(
                    (*here, nth, "apprise"), "needs Apprise, which is not installed: install 'sluicegate[apprise]'"
                )


def _smtp(settings: Settings, _: bool) -> Iterator[Finding]:
    smtp, here = settings.notices.smtp, ("notices", "smtp")
    if smtp is None:
        return
    if (smtp.username is None) is not (smtp.password is None):
        yield Finding(
            here,
            "has only one of `username` and `password`: give both, or neither",
            about=((*here, "username"), (*here, "password")),
        )
    if smtp.password is not None and smtp.security == "none":
        yield Finding(
            (*here, "security"),
            '"none" would send the password in the clear: use "starttls" or "tls"',
            about=((*here, "password"),),
        )


def _tls(settings: Settings, _: bool) -> Iterator[Finding]:
    tls, here = settings.notices.tls, ("notices", "tls")
    if tls is not None and (tls.certificate is None) is not (tls.key is None):
        yield Finding(
            here,
            "has only one of `certificate` and `key`: give both, or neither",
            about=((*here, "certificate"), (*here, "key")),
        )


CHECKS: tuple[Callable[[Settings, bool], Iterator[Finding]], ...] = (_channels, _smtp, _tls)
