"""From the settings to the ways: secrets and certificates are read. It blocks: not for the event loop."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from sluicegate.http.tls import client_context
from sluicegate.operations.notices.cloud_event import key_of
from sluicegate.operations.notices.mail import Mail
from sluicegate.operations.notices.through_apprise import ThroughApprise
from sluicegate.operations.notices.ways import Unusable, Way
from sluicegate.operations.notices.webhook import Webhook
from sluicegate.settings import Settings
from sluicegate.settings.noticing import Channel, Noticing
from sluicegate.settings.secrets import SecretMissing

Lane = tuple[str, str]
"""The names of a User, and of a channel of it."""


def ways_of(settings: Settings, users: Iterable[str] | None = None) -> dict[Lane, Way]:
    """One for each channel of each User (or of these). What cannot be used is an `Unusable` that says why."""
    wanted = None if users is None else set(users)
    opened = _Opened(settings.notices)
    return {
        (user.name, channel.name): opened.way(channel)
        for user in settings.users
        if wanted is None or user.name in wanted
        for channel in user.channels
    }


class _Opened:
    """What channels share is read once, and only if one needs it: the system's authorities take a while."""

    def __init__(self, settings: Noticing) -> None:
        self._settings = settings
        self._webhook_tls: ssl.SSLContext | None = None
        self._mail_tls: ssl.SSLContext | None = None

    def way(self, channel: Channel) -> Way:
        try:
            return self._way(channel)
        except (SecretMissing, OSError, ValueError) as error:
            return Unusable(str(error))
        except Exception as error:  # of Apprise's many services: its text may hold the URL
            return Unusable(f"it cannot be used: {type(error).__name__}")

    def _way(self, channel: Channel) -> Way:
        settings = self._settings
        if channel.webhook is not None and channel.secret is not None:
            key = key_of(channel.secret.read().get_secret_value())
            tls = self._for_webhooks() if channel.webhook.scheme == "https" else None
            return Webhook(channel.webhook, key, settings.source, settings.timeout, tls)
        if channel.apprise is not None:
            return ThroughApprise(channel.apprise.read().get_secret_value(), settings.source, settings.timeout)
        if channel.email is None or settings.smtp is None:
            raise ValueError("e-mail needs the table [notices.smtp]")
        password = settings.smtp.password.read().get_secret_value() if settings.smtp.password is not None else None
        return Mail(channel.email, settings.smtp, password, settings.source, settings.timeout, self._for_mail())

    def _for_webhooks(self) -> ssl.SSLContext:
        if self._webhook_tls is None:
            tls = self._settings.tls
            self._webhook_tls = (
                client_context(tls.ca, tls.certificate, tls.key) if tls else client_context(None, None, None)
            )
        return self._webhook_tls

    def _for_mail(self) -> ssl.SSLContext:
        if self._mail_tls is None:
            self._mail_tls = client_context(self._settings.smtp.ca if self._settings.smtp else None, None, None)
        return self._mail_tls
