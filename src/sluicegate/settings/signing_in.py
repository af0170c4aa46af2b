"""`[sign_in]`: how browsers sign in to the site of `[account]`, and for how long."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator

from sluicegate.settings import fields
from sluicegate.settings.problems import shown
from sluicegate.settings.table import File, Name, Number, Table, Url

Account = Literal["operator", "approver", "viewer", "user"]


def issuer_url(value: Any) -> str:
    """The URL of a provider, kept as it is written: its tokens must name it letter by letter."""
    fields.upstream(value)
    return str(value)


def plain(value: Any) -> str:
    """A text of printable characters, at most 200, such as a claim, or what one holds."""
    if not isinstance(value, str) or not 1 <= len(value) <= 200 or not value.isprintable():
        raise ValueError(f"must be a text of 1 to 200 printable characters, and is {shown(value)}")
    return value


Plain = Annotated[str, PlainValidator(plain)]


class OpenIdRole(Table):
    """`[[sign_in.openid.role]]`: what a value of the claim makes of somebody. The first that fits counts."""

    value: Plain = Field(examples=["sluicegate-operators"])
    role: Account = Field(examples=["operator"])
    user: Name | None = None


class OpenIdProvider(Table):
    """`[sign_in.openid]`: the provider of OpenID Connect. The client's secret is in a file of its own."""

    issuer: Annotated[str, PlainValidator(issuer_url)] = Field(examples=["https://login.example/realms/grid"])
    client_id: Plain = Field(examples=["sluicegate"])
    client_secret_file: File = Field(examples=["openid.secret"])
    ca: File | None = None
    scopes: Annotated[tuple[Plain, ...], Field(strict=False, max_length=20)] = ("openid", "email", "profile")
    name_claim: Plain = "email"
    role_claim: Plain = "groups"
    roles: Annotated[tuple[OpenIdRole, ...], Field(strict=False, max_length=1000)] = Field(default=(), alias="role")


class SignIn(Table):
    """`[sign_in]`: sessions of browsers. Left out, its defaults count."""

    url: Url | None = None
    session_hours: Annotated[Number, Field(ge=0.01, le=168)] = 8.0
    idle_minutes: Annotated[Number, Field(ge=1, le=1440)] = 30.0
    openid: OpenIdProvider | None = None

    @property
    def origin(self) -> str | None:
        """The site as browsers name it: `https://gate.example`, without the port that its scheme has anyway."""
        if self.url is None:
            return None
        usual = {"https": 443, "http": 80}[self.url.scheme]
        host = urlsplit(str(self.url)).netloc.lower()
        return f"{self.url.scheme}://{host.removesuffix(f':{usual}')}"
