"""The small tables of a scenario file: the time, the plant, the rules, the prices. Rates are SR/s at scale 1."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator

from sluicegate.settings.model import Name, Number, Table
from sluicegate.settings.problems import shown
from sluicegate.simulate.policy import PolicyError, parse
from sluicegate.simulate.world import Habit, Order, Service

HIGHEST_RATE = 1e6
DAY = 86_400.0

MOST_CHARACTERS = 2000
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?|24:00", re.ASCII)


def _short(text: str) -> str:
    if not 1 <= len(text) <= MOST_CHARACTERS:
        raise ValueError(f"must have 1 to {MOST_CHARACTERS:,} characters, and has {len(text):,}")
    return text


Rate = Annotated[Number, Field(ge=0.001, le=HIGHEST_RATE)]
Part = Annotated[Number, Field(gt=0, le=1)]
Share = Annotated[Number, Field(ge=0, le=1)]
Seconds = Annotated[Number, Field(ge=0, le=DAY)]
Factor = Annotated[Number, Field(ge=0, le=1000)]
Pounds = Annotated[Number, Field(ge=0, le=1e12)]
Text = Annotated[str, AfterValidator(_short)]
Names = Annotated[tuple[Name, ...], Field(strict=False, max_length=1000)]


def clock(value: Any) -> float:
    """A time of day, `17:30` or `17:30:15`, as seconds from midnight; `24:00` is the end of the day."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f'must be a time of day in quotes such as "17:30", and is {shown(value)}')
    if found[1] is None:
        return DAY
    return int(found[1]) * 3600.0 + int(found[2]) * 60.0 + int(found[3] or 0)


def _policy(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic collects these
            f'must be the name of a policy such as "allocation", and is {shown(value)}'
        )
    try:
        return parse(value[:200]).name
    except PolicyError as error:
        raise ValueError(str(error)) from None


Clock = Annotated[float, PlainValidator(clock)]
PolicyName = Annotated[str, PlainValidator(_policy)]


class Window(Table):
    """`[window]`: when it is, and for how long SRs arrive; the run goes on for `drain` seconds after that."""

    date: Text = "An ordinary day"
    starts: Clock = 0.0
    hours: Annotated[Number, Field(ge=0.01, le=24)] = 24.0
    drain: Seconds = 3600.0


class Span(Table):
    """From one time of day to another."""

    since: Clock = Field(alias="from", examples=["18:00"])
    until: Clock = Field(examples=["20:00"])


class Capacity(Table):
    """`[capacity]`: what the mechanism manages, and how much of it the allocations take."""

    maximum: Rate = Field(examples=[2200])
    operating_threshold: Part = 0.9
    burst_seconds: Annotated[Number, Field(ge=0.01, le=60)] = 0.5
    calm_seconds: Annotated[Number, Field(ge=0.1, le=DAY)] = 30.0
    allocated: Part = 0.85
    least_allocation: Annotated[Number, Field(ge=0, le=HIGHEST_RATE)] = 0.0


class Change(Table):
    """`[[dsp.change]]`: from then on the DSP has that part of its capacity."""

    since: Clock = Field(alias="from", examples=["18:00"])
    part: Annotated[Number, Field(ge=0.001, le=100)] = Field(examples=[0.5])


class DspRetry(Table):
    """`[dsp.retry]`: how the DSP tries again towards a CSP."""

    first: Annotated[Number, Field(ge=0.1, le=DAY)] = 60.0
    factor: Annotated[Number, Field(ge=1, le=100)] = 2.0
    ceiling: Annotated[Number, Field(ge=0.1, le=DAY)] = 900.0
    attempts: Annotated[int, Field(ge=1, le=1000)] = 6
    work: Share = 0.2


class Dsp(Table):
    """`[dsp]`."""

    capacity: Rate = Field(examples=[2400])
    buffer_seconds: Annotated[Number, Field(ge=0.1, le=3600)] = 10.0
    outage_after: Annotated[Number, Field(ge=0.1, le=DAY)] | None = None
    restart: Seconds = 900.0
    high_mark: Part = 0.6
    service: Service = "constant"
    change: Annotated[tuple[Change, ...], Field(strict=False, max_length=100)] = ()
    retry: DspRetry = DspRetry()


class Csp(Table):
    """`[[csp]]`: a region's network, with its share of the meters."""

    name: Name = Field(examples=["North"])
    share: Share = Field(examples=[0.33])
    capacity: Rate = Field(examples=[800])
    servers: Annotated[int, Field(ge=1, le=100_000)] = 100
    service: Service = "constant"
    latency: Seconds = 0.0
    spread: Seconds = 0.0
    buffer_seconds: Annotated[Number, Field(ge=0.1, le=DAY)] | None = None
    outage: Annotated[tuple[Span, ...], Field(strict=False, max_length=100)] = ()


class Retry(Table):
    """`[[retry]]`: a habit of Users' systems, by its name. Times in seconds."""

    name: Name = Field(examples=["patient"])
    habit: Habit = Field(examples=["honour"])
    first: Annotated[Number, Field(ge=0.01, le=DAY)] = 1.0
    ceiling: Annotated[Number, Field(ge=0.01, le=DAY)] = 60.0
    attempts: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    order: Order = "each"


class Bursts(Table):
    """`[bursts]`: see `traffic.Bursts`."""

    spread: Annotated[Number, Field(ge=0, le=2)] = 0.0
    minutes: Annotated[Number, Field(ge=0.5, le=600)] = 3.0
    together: Share = 0.0


class Adt(Table):
    """`[adt]`: a threshold of `multiple` times what the User sends of a kind in `period` seconds on average."""

    period: Annotated[Number, Field(ge=1, le=DAY)] = 3600.0
    multiple: Annotated[Number, Field(gt=0, le=1e6)] = 4.0
    least: Annotated[Number, Field(ge=1, le=1e9)] = 10.0


class Adaptive(Table):
    """`[adaptive]`: `target` is a part of the seconds that the DSP's buffer holds; see `world.Adaptive`."""

    target: Part = 0.2
    interval: Annotated[Number, Field(ge=0.05, le=3600)] = 1.0
    factor: Annotated[Number, Field(gt=0, lt=1)] = 0.9
    step: Part = 0.01
    floor: Part = 0.1


class Prices(Table):
    """`[prices]`: in pounds, for scale 1."""

    capacity_per_sr_s_year: Pounds = 0.0
    outage_minute: Pounds = 0.0
    urgent_late: Pounds = 0.0
    undelivered: Pounds = 0.0
    delay_hour: Pounds = 0.0
    days_like_this: Annotated[Number, Field(ge=0, le=366)] = 0.0


class Priority(Table):
    """`[priority]`: what is held back for more urgent kinds; see `world.World`."""

    reserve: Annotated[Number, Field(ge=0, le=10_000)] = 6.0
    imposed_reserve: Share = 0.2


Way = Literal["meter", "prepayment", "user"]
