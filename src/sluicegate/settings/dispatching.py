"""The way from the DSP to the CSPs and back (`[dispatch]`, `[[csp]]`, `[gateway.backpressure]`); `[[user.class]]` and
`[[user.team]]`.

Times are seconds unless a key says otherwise, rates SR/s, sizes octets. All of it may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator

from sluicegate.settings import databases, fields, patterns
from sluicegate.settings.table import Address, Count, File, Name, Number, Rate, Seconds, Table, Url

MOST_CSPS = 250
"""Regions. The number of one fits into an octet, in a table of millions of devices."""
MOST_CLASSES = MOST_TEAMS = 16
DEFAULT_DEADLINE = 86_400.0
"""Seconds, for an SRV that no pattern of `[dispatch.deadlines]` means."""

Pattern = Annotated[str, PlainValidator(patterns.srv_pattern)]
Prefix = Annotated[str, PlainValidator(patterns.eui64_prefix)]
CspName = Annotated[str, PlainValidator(patterns.csp_name)]
Code = Annotated[str, PlainValidator(patterns.error_code)]
Long = Annotated[Number, Field(ge=0.01, le=86_400)]
Days30 = Annotated[Number, Field(ge=1, le=2_592_000)]
Octets = Annotated[int, Field(ge=65_536, le=2**40)]
Shown = PlainSerializer(str, return_type=str)  # without a password


class DispatchTls(Table):
    """`[dispatch.tls]`: the dispatcher's own certificate, and the authorities of those who may send to it."""

    certificate: File = Field(examples=["tls/dispatch.pem"])
    key: File = Field(examples=["tls/dispatch.key"])
    client_ca: File | None = None


class DeliveryTls(Table):
    """`[csp.tls]`, `[dispatch.users.tls]`: for https. Without `ca` the system's authorities count."""

    ca: File | None = None
    certificate: File | None = None
    key: File | None = None


class RouteSources(Table):
    """`[dispatch.routes]`: which device is in which region, beyond the prefixes of the CSPs."""

    table: File | None = None
    database: Annotated[databases.Database, PlainValidator(databases.any_database), Shown] | None = None
    query: Annotated[str, PlainValidator(databases.select)] | None = None
    non_device: CspName | None = None


class Retention(Table):
    """`[dispatch.retention]`: how long bodies are kept after their end, and RequestIDs are remembered."""

    body_hours: Annotated[Number, Field(ge=0, le=8760)] = 24.0
    remember_days: Annotated[Number, Field(ge=0.01, le=3650)] = 30.0


class Codes(Table):
    """`[dispatch.codes]`: ResponseCodes where the lists of the industry name none."""

    malformed: Code = "E12"
    reused: Code = "E12"


class Retry(Table):
    """`[csp.retry]`: the retry strategy. Delay n is first * factor^(n-1), at most `ceiling`, more or less `jitter`."""

    first: Seconds = 2.0
    factor: Annotated[Number, Field(ge=1, le=100)] = 2.0
    jitter: Annotated[Number, Field(ge=0, le=1)] = 0.2
    ceiling: Long = 300.0
    attempts: Count = 10


class UsersRetry(Retry):
    """`[dispatch.users.retry]`: the same for Users' endpoints, more patient."""

    first: Seconds = 5.0
    ceiling: Long = 600.0
    attempts: Count = 1000


class Circuit(Table):
    """`[csp.circuit]`: after so many failures in a row a CSP is left alone for a while, and then probed."""

    failures: Annotated[int, Field(ge=1, le=10_000)] = 10
    pause: Seconds = 5.0
    longest_pause: Long = 120.0
    probes: Annotated[int, Field(ge=1, le=1000)] = 1


class UserDelivery(Table):
    """`[dispatch.users]`: how Responses, and what is returned, go to the Users' endpoints. Each has its own places."""

    concurrency: Annotated[int, Field(ge=1, le=1000)] = 8
    timeout: Seconds = 10.0
    give_up_days: Annotated[Number, Field(ge=0.01, le=365)] = 7.0
    retry: UsersRetry = UsersRetry()
    tls: DeliveryTls | None = None


class Dispatch(Table):
    """`[dispatch]`: the dispatcher. Left out, there is none."""

    listen: Address = fields.Address("127.0.0.1", 8100)
    admin: Address = fields.Address("127.0.0.1", 8101)
    store: Annotated[databases.Database, PlainValidator(databases.store), Shown] = Field(
        default="dispatch.db", validate_default=True
    )
    lease_seconds: Annotated[Number, Field(ge=2, le=300)] = 15.0
    drain_seconds: Seconds = 30.0
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 16_777_216
    window: Count = 20_000
    window_octets: Octets = 67_108_864
    buffered_octets: Octets = 268_435_456
    connections: Count = 1000
    deadlines: Annotated[Mapping[Pattern, Days30], Field(max_length=1000)] = Field(
        default_factory=lambda: {"*": DEFAULT_DEADLINE}
    )
    tls: DispatchTls | None = None
    routes: RouteSources = RouteSources()
    retention: Retention = Retention()
    codes: Codes = Codes()
    users: UserDelivery = UserDelivery()

    def deadline_for(self, srv: str) -> float:
        """How many seconds an SR of an SRV may take until it is returned: the most special pattern counts."""
        for pattern in patterns.patterns_of(srv):
            seconds = self.deadlines.get(pattern)
            if seconds is not None:
                return seconds
        return DEFAULT_DEADLINE

    @property
    def longest_deadline(self) -> float:
        """In seconds, of all SRVs."""
        return max([*self.deadlines.values(), self.deadlines.get("*", DEFAULT_DEADLINE)])


class Csp(Table):
    """`[[csp]]`: a region, the devices in it, and how it is delivered to."""

    name: CspName = Field(examples=["north"])
    url: Url = Field(examples=["http://127.0.0.1:8201"])
    prefixes: Annotated[tuple[Prefix, ...], Field(strict=False, max_length=10_000)] = ()
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 64
    rate: Rate = 500.0
    slow_start_seconds: Annotated[Number, Field(ge=0, le=3600)] = 30.0
    timeout: Seconds = 30.0
    connect_timeout: Seconds = 2.0
    backlog: Annotated[int, Field(ge=1, le=100_000_000)] = 100_000
    backlog_age: Days30 = 3600.0
    retry: Retry = Retry()
    circuit: Circuit = Circuit()
    tls: DeliveryTls | None = None


class UserSort(Table):
    """What `[[user.class]]` and `[[user.team]]` have in common: which requests. An empty list means all."""

    name: Name
    srvs: Annotated[tuple[Pattern, ...], Field(strict=False, max_length=1000)] = ()
    command_variants: Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(strict=False, max_length=8)] = ()
    targets: Annotated[tuple[Prefix, ...], Field(strict=False, max_length=1000)] = ()


class UserClass(UserSort):
    """`[[user.class]]`: one class of a User's own priorities, the most urgent first."""

    name: Name = Field(examples=["top-ups"])
    reserve: Annotated[Number, Field(ge=0, le=100_000)] = 0.0


class UserTeam(UserSort):
    """`[[user.team]]`: a fixed part of a User's allocation; the first that matches counts."""

    name: Name = Field(examples=["field force"])
    part: Annotated[Number, Field(ge=0.001, le=1)] = Field(examples=[0.25])


class Backpressure(Table):
    """`[gateway.backpressure]`: where the gateway asks which CSPs are full."""

    url: Url = Field(examples=["http://127.0.0.1:8101"])
    every: Annotated[Number, Field(ge=0.05, le=60)] = 0.25
    forget_after: Annotated[Number, Field(ge=0.1, le=3600)] = 5.0
