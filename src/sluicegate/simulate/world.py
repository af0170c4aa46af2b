"""What is simulated: Users, kinds of Service Request, the DSP, the CSPs and the rules. Plain data, all of it frozen.

A scenario file, or a record of real traffic, is made into a `World`; the engine, the measures and the report read it.
Times are seconds from the start of the run, rates are SR/s, sizes are SR, unless a name says otherwise.
"""

import math
from dataclasses import dataclass
from typing import Literal

from sluicegate.allocation import Profile
from sluicegate.throttle import Limits

Habit = Literal["none", "immediate", "fixed", "exponential", "honour"]
Order = Literal["each", "fifo", "priority"]
Service = Literal["constant", "exponential"]

NO_CSP = -1


@dataclass(frozen=True, slots=True)
class Retry:
    """What a User's system does with an SR that was throttled, refused or lost.

    habit: `none` gives up at once; `immediate` comes back after `first`; `fixed` after `first`, each time;
        `exponential` after a random time in [0, first * 2**n], at most `ceiling`; `honour` waits for as long as
        `Retry-After` says, and where there is none as `exponential`.
    attempts: how many in all, the first included.
    order: `each` SR comes back by itself; in `fifo` and `priority` the system has one queue, each place in time that
        it earns goes to the oldest SR, or to the most urgent one by the User's own order (`Kind.rank`).
    """

    habit: Habit = "honour"
    first: float = 1.0
    ceiling: float = 60.0
    attempts: int = 1000
    order: Order = "each"


@dataclass(frozen=True, slots=True)
class User:
    """A holder of an allocation (SR/s).

    meters: its devices. change: what adapting its systems costs, in pounds. profile: its own priorities at the gateway,
    as far as SRVs and Command Variants say; where it has one, `Kind.rank` and `World.reserve` do not count for it.
    """

    name: str
    role: str
    allocation: float
    meters: int = 0
    retry: Retry = Retry()
    change: float = 0.0
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of Service Request: what the reports call a class.

    urgent: counts in "urgent requests delivered in time" (within `in_time` seconds).
    deadline: seconds after which the User gives up.
    rank: place in the User's own order of priority, 0 the most urgent. imposed: the same in the imposed order.
    internal: it fires inside the DSP (future-dated, scheduled), and no gateway sees it.
    """

    name: str
    srv: str
    command_variant: int = 1
    urgent: bool = False
    in_time: float = 30.0
    deadline: float = 3600.0
    weight: float = 1.0
    rank: int = 1
    imposed: int = 1
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """The SRs of one kind that one User sends to one region: indices into `World`. csp: NO_CSP ends at the DSP."""

    user: int
    kind: int
    csp: int


@dataclass(frozen=True, slots=True)
class DspRetry:
    """The DSP's retry strategy towards a CSP. `attempts` in all; `work` of each further one, as a part of an SR's."""

    first: float = 60.0
    factor: float = 2.0
    ceiling: float = 900.0
    attempts: int = 6
    work: float = 0.2


@dataclass(frozen=True, slots=True)
class Dsp:
    """One server, first in, first out. `buffer` in SR of weight 1. `changes`: (from when, part of the capacity)."""

    capacity: float
    buffer: float
    outage_after: float = math.inf
    restart: float = 0.0
    high_mark: float = 0.6
    service: Service = "constant"
    changes: tuple[tuple[float, float], ...] = ()
    retry: DspRetry = DspRetry()


@dataclass(frozen=True, slots=True)
class Csp:
    """A region's network: `servers` channels that make up `capacity` together, and then the way to the device.

    latency: seconds to the device and back, of which the first part is constant and `spread` the mean of an
        exponential part. buffer: SR that wait in the network, those served included; beyond it an attempt fails.
        outages: (from, until): every attempt fails; what waits in the network waits on.
    """

    name: str
    capacity: float
    servers: int = 1
    service: Service = "constant"
    latency: float = 0.0
    spread: float = 0.0
    buffer: float = math.inf
    outages: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Adt:
    """Anomaly Detection Thresholds: more than `limits[user, kind]` SRs in `period` seconds are quarantined.

    They are quarantined after the DSP has received them, and stay there: somebody has to look at them first.
    """

    period: float
    limits: dict[tuple[int, int], float]


@dataclass(frozen=True, slots=True)
class Adaptive:
    """The capacity, estimated from the DSP's latency: every `interval` s down by `factor` above `target` s, else up."""

    target: float
    interval: float = 1.0
    factor: float = 0.9
    step: float = 0.01
    floor: float = 0.1


@dataclass(frozen=True, slots=True)
class Prices:
    """Money, in pounds. 0 is left out of the sums, and the report says so."""

    capacity_per_sr_s_year: float = 0.0
    outage_minute: float = 0.0
    urgent_late: float = 0.0
    undelivered: float = 0.0
    delay_hour: float = 0.0
    days_like_this: float = 0.0
    """How many days a year are like this one: what happens in the run is multiplied by it."""


@dataclass(frozen=True)
class World:
    """Everything but the arrivals. `seconds` is how long SRs arrive; `drain` how long the run goes on after that.

    reserve: what own-priority holds back in an allocation bank from kinds of rank 1 and above, in SR for each rank.
    imposed_reserve: what the imposed order holds back in the system bank for each rank, as a part of its depth.
    first_second: local time of day at the start, in seconds from midnight.
    """

    name: str
    title: str
    seconds: float
    users: tuple[User, ...]
    kinds: tuple[Kind, ...]
    csps: tuple[Csp, ...]
    flows: tuple[Flow, ...]
    dsp: Dsp
    limits: Limits
    adt: Adt | None = None
    adaptive: Adaptive | None = None
    prices: Prices | None = None
    reserve: float = 6.0
    imposed_reserve: float = 0.2
    drain: float = 3600.0
    first_second: float = 0.0
    date: str = ""
    scale: float = 1.0
    description: str = ""
    assumptions: tuple[str, ...] = ()
