"""`[notices]`: when Users are told, and how often it is tried. `[[user.channel]]`: where a User is told."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from sluicegate.settings import fields, secrets
from sluicegate.settings.dispatching import DeliveryTls, UsersRetry
from sluicegate.settings.problems import shown
from sluicegate.settings.table import File, Name, Number, Seconds, Table, Url

MOST_CHANNELS = 16
LEVELS = (0.8, 0.9, 1.0)
"""Parts of an allocation at which its User is told."""

Kind = Literal["80%", "90%", "100%", "active", "normal", "announcement"]

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}", re.ASCII)


def _mail_address(value: Any) -> str:
    """One address, without a name: RFC 5321 without its quoted forms."""
    if not isinstance(value, str) or len(value) > 254 or not _ADDRESS.fullmatch(value):
        raise ValueError(f'{shown(value)} is not an e-mail address such as "duty@large-supplier-a.example"')
    return value


def _host(value: Any) -> str:
    """A host without its port."""
    return fields.address(f"{value}:0" if isinstance(value, str) else value).host


Mail = Annotated[str, PlainValidator(_mail_address)]
Secret = Annotated[secrets.Secret, PlainValidator(secrets.secret), PlainSerializer(str, return_type=str)]


class Smtp(Table):
    """`[notices.smtp]`: who takes e-mail."""

    host: Annotated[str, PlainValidator(_host)] = Field(examples=["smtp.example"])
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, Field(max_length=256)] | None = None
    password: Secret | None = None
    sender: Mail = Field(examples=["sluicegate@operator.example"])
    ca: File | None = None


class Noticing(Table):
    """`[notices]`: when Users are told, and how long it is tried."""

    source: Name = "sluicegate"
    window_seconds: Annotated[Number, Field(ge=3, le=3600)] = 60.0
    hysteresis: Annotated[Number, Field(ge=0.001, le=0.5)] = 0.05
    quiet_seconds: Annotated[Number, Field(ge=0, le=86_400)] = 900.0
    settle_seconds: Annotated[Number, Field(ge=0, le=3600)] = 60.0
    timeout: Seconds = 10.0
    waiting: Annotated[int, Field(ge=1, le=10_000)] = 100
    give_up_hours: Annotated[Number, Field(ge=0.01, le=720)] = 24.0
    keep_days: Annotated[Number, Field(ge=0.01, le=3650)] = 30.0
    retry: UsersRetry = UsersRetry()
    smtp: Smtp | None = None
    tls: DeliveryTls | None = None


class Channel(Table):
    """`[[user.channel]]`: where a User is told. One of `webhook`, `email` and `apprise`."""

    name: Name = Field(examples=["on call"])
    webhook: Url | None = None
    secret: Secret | None = None
    email: Mail | None = None
    apprise: Secret | None = None
    notices: Annotated[tuple[Kind, ...], Field(strict=False, max_length=6)] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Channel:
        """Raises ValueError."""
        if sum(way is not None for way in (self.webhook, self.email, self.apprise)) != 1:
            raise ValueError(
                "needs one of `webhook`, `email` and `apprise`, and only one: write a [[user.channel]] for each"
            )
        if (self.webhook is None) is not (self.secret is None):
            raise ValueError("`secret` signs what goes to a `webhook`: it belongs to that, and to nothing else")
        return self

    @property
    def way(self) -> Literal["webhook", "email", "apprise"]:
        """How it tells."""
        return "webhook" if self.webhook is not None else "email" if self.email is not None else "apprise"

    def wants(self, kind: str) -> bool:
        """Whether a kind of notice goes there; `test` always does."""
        return not self.notices or kind == "test" or kind in self.notices
