"""The configuration as it is kept in memory: what there is, in which unit, within which bounds.

One class per table of the file. Every key is here once; docs/configuration.md and the starter file are held
to it by tests. Frozen: a reload builds a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from sluicegate.settings import fields
from sluicegate.settings.asking import Ask
from sluicegate.settings.dispatching import (
    MOST_CLASSES,
    MOST_CSPS,
    MOST_TEAMS,
    Backpressure,
    Csp,
    Dispatch,
    UserClass,
    UserTeam,
)
from sluicegate.settings.ledger import Ledger
from sluicegate.settings.noticing import MOST_CHANNELS, Channel, Noticing
from sluicegate.settings.operating import AccountApi, History, Operations, Profiles, Screens
from sluicegate.settings.signing_in import SignIn
from sluicegate.settings.table import (
    HIGHEST_RATE,
    LOWEST_RATE,
    Address,
    Count,
    File,
    Folder,
    Name,
    Number,
    Rate,
    Seconds,
    Table,
    Url,
    Weight,
)
from sluicegate.settings.telemetry import Telemetry

__all__ = [
    "MOST_USERS",
    "ROLES",
    "Admin",
    "Capacity",
    "Gateway",
    "Identity",
    "Ledger",
    "Limits",
    "Name",
    "Number",
    "Record",
    "Responses",
    "Role",
    "Settings",
    "Sharing",
    "Table",
    "Timeouts",
    "Tls",
    "UpstreamTls",
    "User",
    "UserId",
]

Role = Literal["IS", "GS", "ES", "ED", "GT", "OU", "RSA"]
"""User Roles: import supplier, gas supplier, export supplier, electricity distributor, gas transporter,
other User, registered supplier agent."""

ROLES: tuple[Role, ...] = ("IS", "GS", "ES", "ED", "GT", "OU", "RSA")
Sharing = Literal["fair", "first-come"]
Identity = Literal["certificate", "forwarded-certificate", "originator"]

MOST_USERS = 100_000


def _allocation(value: Any) -> Any:
    if isinstance(value, float) and 0 < value < LOWEST_RATE:
        raise ValueError(f"must be 0 (the User lives on the spare) or at least {LOWEST_RATE} SR/s")
    return value


class Capacity(Table):
    """`[capacity]`: what the shared system can bear. Rates are SR/s."""

    maximum: Rate = Field(examples=[1000])
    operating_threshold: Rate = Field(examples=[800])
    burst_seconds: Annotated[Number, Field(ge=0.01, le=60)] = 0.5
    calm_seconds: Annotated[Number, Field(ge=0.1, le=86_400)] = 30.0
    sharing: Sharing = "fair"
    enforce: bool = True
    max_in_flight: Count = 2000
    weights: Annotated[Mapping[Annotated[str, PlainValidator(fields.srv)], Weight], Field(max_length=1000)] = Field(
        default_factory=dict
    )

    @property
    def heaviest(self) -> float:
        """The heaviest weight of any request, at least 1: that of an SRV without one."""
        return max([1.0, *self.weights.values()])


class Responses(Table):
    """`[responses]`: who gets a 429 instead of a 503."""

    too_many_requests_from_duis: Annotated[Decimal, PlainValidator(fields.duis_version)] | None = None
    too_many_requests_users: Annotated[tuple[Name, ...], Field(strict=False, max_length=MOST_USERS)] = ()


class Tls(Table):
    """`[gateway.tls]`: the gateway's own certificate, and the authorities of the Users' certificates."""

    certificate: File = Field(examples=["tls/server.pem"])
    key: File = Field(examples=["tls/server.key"])
    client_ca: File | None = None
    client_crl: File | None = None


class UpstreamTls(Table):
    """`[gateway.upstream_tls]`: for an https upstream. Without `ca` the system's authorities count."""

    ca: File | None = None
    certificate: File | None = None
    key: File | None = None


class Timeouts(Table):
    """`[gateway.timeouts]`: all in seconds."""

    head: Seconds = 10.0
    body: Seconds = 60.0
    idle: Seconds = 75.0
    handshake: Seconds = 10.0
    upstream_connect: Seconds = 2.0
    upstream_response: Seconds = 30.0
    upstream_total: Seconds = 120.0
    upstream_idle: Seconds = 20.0
    drain: Seconds = 30.0


class Limits(Table):
    """`[gateway.limits]`: what the gateway itself can bear."""

    connections: Count = 4000
    connections_per_address: Count = 1000
    handshakes_per_second: Annotated[int, Field(ge=1, le=100_000)] = 100
    handshakes_at_once: Annotated[int, Field(ge=1, le=10_000)] = 32
    head_octets: Annotated[int, Field(ge=1024, le=1_048_576)] = 16_384
    buffered_octets: Annotated[int, Field(ge=1_048_576, le=2**40)] = 268_435_456


class Gateway(Table):
    """`[gateway]`: the front door and the way to the DSP."""

    listen: Address = fields.Address("127.0.0.1", 8079)
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    upstream: Url = Field(examples=["http://127.0.0.1:8080"])
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 16_777_216
    identity: Identity = "certificate"
    trusted_proxies: Annotated[
        tuple[Annotated[fields.Network, PlainValidator(fields.network)], ...],
        Field(strict=False, max_length=1000),
    ] = ()
    tls: Tls | None = None
    upstream_tls: UpstreamTls | None = None
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    backpressure: Backpressure | None = None


class Admin(Table):
    """`[admin]`: the operator's listener. Left out, there is none."""

    listen: Address = fields.Address("127.0.0.1", 8090)


class Record(Table):
    """`[record]`: the traffic record. Left out, none is kept."""

    folder: Folder = Field(examples=["record"])
    flush_seconds: Annotated[Number, Field(ge=0.1, le=60)] = 2.0
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 35


class UserId(Table):
    """One EUI-64 of a User, in upper case, and the Role under which it sends."""

    id: Annotated[str, PlainValidator(fields.eui64)] = Field(examples=["90-B3-D5-1F-30-01-00-00"])
    role: Role


class User(Table):
    """`[[user]]`: who holds an allocation, and how it is known. The allocation is in SR/s."""

    name: Name = Field(examples=["Large Supplier A"])
    ids: Annotated[tuple[UserId, ...], Field(strict=False, min_length=1, max_length=1000)] = Field(
        examples=[["90-B3-D5-1F-30-01-00-00"]]
    )
    role: Role = Field(examples=["IS"])
    allocation: Annotated[Number, Field(ge=0, le=HIGHEST_RATE), BeforeValidator(_allocation)] = Field(examples=[300])
    certificates: Annotated[
        tuple[Annotated[str, PlainValidator(fields.certificate)], ...], Field(strict=False, max_length=1000)
    ] = ()
    enforce: bool = True
    endpoint: Url | None = None
    classes: Annotated[tuple[UserClass, ...], Field(strict=False, max_length=MOST_CLASSES)] = Field(
        default=(), alias="class"
    )
    teams: Annotated[tuple[UserTeam, ...], Field(strict=False, max_length=MOST_TEAMS)] = Field(default=(), alias="team")
    channels: Annotated[tuple[Channel, ...], Field(strict=False, max_length=MOST_CHANNELS)] = Field(
        default=(), alias="channel"
    )

    @model_validator(mode="before")
    @classmethod
    def _ids_take_the_role_of_their_user(cls, raw: Any) -> Any:
        """An ID may be written as a text, and then has the User's Role."""
        if not isinstance(raw, dict) or not isinstance(raw.get("ids"), list):
            return raw
        role = raw.get("role")
        role = role if role in ROLES else ROLES[0]  # a wrong one is reported once, at the User
        return {**raw, "ids": [_user_id(entry, role) for entry in raw["ids"]]}


def _user_id(entry: Any, role: str) -> Any:
    if isinstance(entry, dict):
        return {"role": role, **entry}
    return {"id": entry, "role": role}


class Settings(Table):
    """The whole configuration, checked. Names are those of the file; `users` is `[[user]]`, `csps` is `[[csp]]`."""

    capacity: Capacity
    responses: Responses = Responses()
    gateway: Gateway
    ledger: Ledger = Ledger()
    admin: Admin | None = None
    record: Record | None = None
    operations: Operations | None = None
    account: AccountApi | None = None
    sign_in: SignIn | None = None
    profiles: Profiles = Profiles()
    notices: Noticing = Noticing()
    history: History = History()
    screens: Screens = Screens()
    telemetry: Telemetry | None = None
    ask: Ask | None = None
    dispatch: Dispatch | None = None
    csps: Annotated[tuple[Csp, ...], Field(strict=False, max_length=MOST_CSPS)] = Field(default=(), alias="csp")
    users: Annotated[tuple[User, ...], Field(strict=False, min_length=1, max_length=MOST_USERS)] = Field(alias="user")
