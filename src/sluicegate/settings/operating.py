"""`[operations]`: what operators and Users keep. `[account]`: where a User has its own. `[profiles]`: bounds.

`[history]`: for how long usage is kept, and in how much memory. `[screens]`: what is kept for them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainValidator

from sluicegate.settings import databases, fields
from sluicegate.settings.dispatching import Shown
from sluicegate.settings.table import Address, File, Number, Table


class Operations(Table):
    """`[operations]`: the database of tokens, versions of profiles, and the audit trail. Left out, there is none."""

    database: Annotated[databases.Database, PlainValidator(databases.operations), Shown] = Field(
        default="operations.db", validate_default=True
    )


class AccountTls(Table):
    """`[account.tls]`: the certificate of the account API."""

    certificate: File = Field(examples=["tls/account.pem"])
    key: File = Field(examples=["tls/account.key"])


class AccountApi(Table):
    """`[account]`: the API of a User's own account. Left out, there is none."""

    listen: Address = fields.Address("127.0.0.1", 8091)
    tls: AccountTls | None = None


class Profiles(Table):
    """`[profiles]`: what a User may set for itself over its account. Requests."""

    most_reserve: Annotated[Number, Field(ge=0, le=100_000)] = 20.0


Kept = Annotated[int, Field(ge=1, le=36_600)]
"""Days."""

Octets = Annotated[int, Field(ge=1_048_576, le=2**36)]


class History(Table):
    """`[history]`: usage by User and SRV, in the database of `[operations]`. Days, and octets of memory."""

    minutes_kept: Kept = 396
    hours_kept: Kept = 1096
    days_kept: Kept = 3660
    seconds_octets: Octets = 67_108_864
    backlog_octets: Octets = 33_554_432


class Screens(Table):
    """`[screens]`: what is kept in memory for the screens. Decisions."""

    throttled_kept: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
