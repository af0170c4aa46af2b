"""`[relay]` and `[[relay.class]]`: a User's own side of the gateway, in a configuration file of its own.

Times are seconds unless a key says otherwise, sizes octets.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from sluicegate.settings import databases, fields
from sluicegate.settings.dispatching import (
    MOST_CLASSES,
    Days30,
    DeliveryTls,
    Octets,
    Retention,
    Shown,
    UserClass,
    UserDelivery,
)
from sluicegate.settings.model import Limits, Timeouts, Tls
from sluicegate.settings.table import Address, Count, File, Folder, Name, Table, Url

Mode = Literal["hold", "callback"]
OnHangUp = Literal["keep", "drop"]


class GatewayTls(Table):
    """`[relay.gateway_tls]`: for an https gateway: its authorities, and the User's own certificate."""

    ca: File | None = None
    certificate: File | None = None
    key: File | None = None


class Callback(UserDelivery):
    """`[relay.callback]`: where acknowledgements go in callback mode, and how."""

    url: Url = Field(examples=["http://127.0.0.1:8062/acknowledgements"])
    tls: DeliveryTls | None = None


class Demand(Table):
    """`[relay.demand]`: the demand that was held back, minute by minute, in files. Left out, none are written."""

    folder: Folder = Field(examples=["demand"])
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 35


class RelayClass(UserClass):
    """`[[relay.class]]`: as `[[user.class]]`; and how long its SRs may wait, and whether they are bulk."""

    deadline: Days30 | None = None
    bulk: bool = False


class RelayLimits(Limits):
    """`[relay.limits]`: as `[gateway.limits]`. In hold mode each SR that waits has a connection of its sender."""

    connections: Count = 10_000
    connections_per_address: Count = 10_000


class Relay(Table):
    """`[relay]`: where it listens, where the gateway is, what it may keep waiting, and for how long."""

    user: Name = Field(examples=["Large Supplier A"])
    listen: Address = fields.Address("127.0.0.1", 8060)
    admin: Address = fields.Address("127.0.0.1", 8061)
    gateway: Url = Field(examples=["https://gateway.example:8079"])
    store: Annotated[databases.Database, PlainValidator(databases.store), Shown] = Field(
        default="relay.db", validate_default=True
    )
    mode: Mode = "hold"
    on_hang_up: OnHangUp = "keep"
    deadline: Days30 = 300.0
    longest_deadline: Days30 = 86_400.0
    waiting: Count = 100_000
    waiting_octets: Octets = 268_435_456
    connections: Annotated[int, Field(ge=1, le=10_000)] = 64
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 16_777_216
    tls: Tls | None = None
    gateway_tls: GatewayTls | None = None
    timeouts: Timeouts = Timeouts()
    limits: RelayLimits = RelayLimits()
    callback: Callback | None = None
    retention: Retention = Retention(body_hours=1.0)
    demand: Demand | None = None
    classes: Annotated[tuple[RelayClass, ...], Field(strict=False, max_length=MOST_CLASSES)] = Field(
        default=(), alias="class"
    )

    def deadline_of(self, name: str | None) -> float:
        """Seconds that an SR of a class may wait (None: of no class)."""
        for one in self.classes:
            if one.name == name and one.deadline is not None:
                return min(one.deadline, self.longest_deadline)
        return min(self.deadline, self.longest_deadline)


class RelayFile(Table):
    """The whole file of a relay."""

    relay: Relay
