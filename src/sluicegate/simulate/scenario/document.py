"""A scenario file as a whole: who sends what, when, and what beyond that."""

from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator

from sluicegate.settings import fields
from sluicegate.settings.model import Name, Number, Role, Table
from sluicegate.simulate.scenario.tables import (
    Adaptive,
    Adt,
    Bursts,
    Capacity,
    Clock,
    Csp,
    Dsp,
    Factor,
    Names,
    PolicyName,
    Pounds,
    Prices,
    Priority,
    Retry,
    Seconds,
    Share,
    Text,
    Way,
    Window,
)

MOST_USERS = 5000
MOST_METERS = 10**9

Meters = Annotated[int, Field(ge=0, le=MOST_METERS)]
Allocation = Annotated[Number, Field(ge=0, le=1e6)]
Roles = Annotated[tuple[Role, ...], Field(strict=False, max_length=10)]


def _a_day(hours: tuple[float, ...]) -> tuple[float, ...]:
    if len(hours) != 24:
        raise ValueError(f"must have 24 numbers, one for each hour of the day, and has {len(hours):,}")
    if not any(hours):
        raise ValueError("must not be 0 all day: give at least one hour a number above 0")
    return hours


class Shape(Table):
    """`[[shape]]`: a day, as 24 points, one at each full hour from 00:00. Only their proportions count."""

    name: Name = Field(examples=["evening"])
    hours: Annotated[
        tuple[Annotated[Number, Field(ge=0, le=1e6)], ...], Field(strict=False), AfterValidator(_a_day)
    ] = Field(examples=[[1] * 24])


class Kind(Table):
    """`[[kind]]`: SRs of one SRV: `daily` a day for each meter, each prepayment meter or each User."""

    name: Name = Field(examples=["Top up"])
    srv: Annotated[str, PlainValidator(fields.srv)] = Field(examples=["2.2"])
    command_variant: Annotated[int, Field(ge=1, le=8)] | None = None
    roles: Roles = ()
    daily: Annotated[Number, Field(ge=0, le=1e9)] = 0.0
    per: Way = "meter"
    shape: Name = "flat"
    urgent: bool = False
    in_time: Annotated[Number, Field(ge=0.1, le=604_800)] = 30.0
    deadline: Annotated[Number, Field(ge=1, le=604_800)] = 3600.0
    weight: Annotated[Number, Field(ge=0.001, le=1000)] = 1.0
    rank: Annotated[int, Field(ge=0, le=9)] = 1
    imposed: Annotated[int, Field(ge=0, le=9)] | None = None
    internal: bool = False


class User(Table):
    """`[[user]]`: one User."""

    name: Name = Field(examples=["Large Supplier A"])
    role: Role = Field(examples=["IS"])
    meters: Meters = 0
    prepayment: Share = 0.0
    csps: Names = ()
    allocation: Allocation | None = None
    weight: Factor = 1.0
    retry: Name | None = None
    change: Pounds = 0.0


class Group(Table):
    """`[[group]]`: `count` Users; the n-th in size has a part of the meters that is proportional to `n ** -zipf`.

    They are called by the name of the group and a letter or number. `allocation` is that of each of them, and
    `retry` goes round. Regional ones have one CSP each, by turns.
    """

    name: Name = Field(examples=["Small Supplier"])
    role: Role = Field(examples=["IS"])
    count: Annotated[int, Field(ge=1, le=MOST_USERS)] = Field(examples=[10])
    meters: Meters = 0
    zipf: Annotated[Number, Field(ge=0, le=4)] = 0.0
    prepayment: Share = 0.0
    regional: bool = False
    allocation: Allocation | None = None
    weight: Factor = 1.0
    retry: Names = ()
    change: Pounds = 0.0


class Surge(Table):
    """`[[surge]]`: what some send beyond their day. Of whom nothing is said, all are meant.

    Exactly one of: `factor` (times the usual rate), `per_meter` (SRs for each meter, in all), `rate` (SR/s more, of
    all flows together, at its height).
    """

    name: Name = Field(examples=["Top-ups in the cold"])
    since: Clock = Field(alias="from", examples=["17:00"])
    until: Clock = Field(examples=["21:00"])
    ramp: Seconds = 0.0
    kinds: Names = ()
    roles: Roles = ()
    groups: Names = ()
    users: Names = ()
    csps: Names = ()
    factor: Factor | None = None
    per_meter: Annotated[Number, Field(ge=0, le=1000)] | None = None
    rate: Annotated[Number, Field(ge=0, le=1e6)] | None = None


class Document(Table):
    """The whole file. `extends` has been followed by the time that this is read."""

    extends: Name | None = None
    title: Text = Field(examples=["An ordinary day"])
    description: Text = "A scenario."
    assumptions: Annotated[tuple[Text, ...], Field(strict=False, max_length=100)] = ()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    scale: Annotated[Number, Field(ge=1e-6, le=100)] = 1.0
    policies: Annotated[tuple[PolicyName, ...], Field(strict=False, min_length=1, max_length=50)] = (
        "none",
        "allocation",
    )
    window: Window = Window()
    capacity: Capacity
    dsp: Dsp
    priority: Priority = Priority()
    bursts: Bursts = Bursts()
    adt: Adt | None = None
    adaptive: Adaptive | None = None
    prices: Prices | None = None
    csps: Annotated[tuple[Csp, ...], Field(strict=False, max_length=50)] = Field((), alias="csp")
    retries: Annotated[tuple[Retry, ...], Field(strict=False, max_length=100)] = Field((), alias="retry")
    shapes: Annotated[tuple[Shape, ...], Field(strict=False, max_length=200)] = Field((), alias="shape")
    kinds: Annotated[tuple[Kind, ...], Field(strict=False, max_length=200)] = Field((), alias="kind")
    groups: Annotated[tuple[Group, ...], Field(strict=False, max_length=200)] = Field((), alias="group")
    users: Annotated[tuple[User, ...], Field(strict=False, max_length=MOST_USERS)] = Field((), alias="user")
    surges: Annotated[tuple[Surge, ...], Field(strict=False, max_length=200)] = Field((), alias="surge")
