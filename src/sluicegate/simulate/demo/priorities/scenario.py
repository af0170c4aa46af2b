"""What is played: two Users that send the same at the same times, one of them with a priority profile."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sluicegate.simulate.plant import PlantShape
from sluicegate.simulate.sender import Phase, poisson_times

TOP_UPS: Mapping[str, int] = {"2.2": 1}
BULK: Mapping[str, int] = {"1.1.1": 5, "4.1.1": 1, "6.2.4": 1}
"""Service Reference Variants, with their Command Variants."""


@dataclass(frozen=True)
class Peer:
    """A User. ``sends`` what besides top-ups; ``usual`` is the part of its ``allocation`` (SR/s) of that."""

    name: str
    role: str
    eui64: str
    allocation: float
    usual: float
    version: str
    sends: Mapping[str, int]
    profile: bool = False
    """Whether its top-ups come first."""


WITHOUT, WITH = 0, 1
"""Places of the two that are compared, among the Users."""

USERS = (
    Peer("Large Supplier A", "IS", "90-B3-D5-1F-30-01-00-00", 60, 0.2, "5.4", BULK),
    Peer("Large Supplier B", "IS", "90-B3-D5-1F-30-02-00-00", 60, 0.2, "5.4", BULK, profile=True),
    Peer("Medium Supplier C", "GS", "90-B3-D5-1F-30-03-00-00", 40, 0.5, "5.3", {"2.2": 1, "4.1.1": 1, "6.2.4": 1}),
    Peer("Network Operator E", "ED", "90-B3-D5-1F-30-05-00-00", 25, 0.4, "5.2", {"4.10": 1, "4.8.1": 1}),
)


@dataclass(frozen=True)
class Flow:
    """What one User sends of one kind: its top-ups, or all else."""

    user: int
    urgent: bool = False


FLOWS = (
    Flow(WITHOUT, urgent=True),
    Flow(WITHOUT),
    Flow(WITH, urgent=True),
    Flow(WITH),
    *(Flow(number) for number in range(2, len(USERS))),
)


@dataclass(frozen=True)
class PrioritiesScenario:
    """Both send the same. Times in seconds from the start, rates in SR/s; a part is of the allocation.

    The same scenario gives the same schedule, whatever the gateway does.
    """

    burst_from: float = 5.0
    burst_until: float = 30.0
    """After this nobody sends anything new. What was held comes back."""
    limit: float = 30.0
    """A top-up is in time if it is delivered that soon; its sender gives it up where it would come later."""
    seed: int = 67
    users: Sequence[Peer] = USERS
    top_ups: float = 0.5
    """The part that top-ups are, all the time."""
    reserve: int = 6
    """Of the profile, in requests: what top-ups of that part need."""
    burst: float = 9.0
    """What else is sent in the burst, in allocations."""
    maximum: float = 300.0
    threshold: float = 240.0
    burst_seconds: float = 0.5
    calm_seconds: float = 2.0
    plant: PlantShape = field(default_factory=lambda: PlantShape(capacity=300, buffer=300, outage_after=3, restart=6))

    @property
    def seconds(self) -> float:
        """The length of the run: the last top-up has its time too."""
        return self.burst_until + self.limit

    def phase(self, at: float) -> str:
        """What is going on ``at`` seconds from the start."""
        if at < self.burst_from:
            return "quiet"
        return "burst" if at < self.burst_until else "after"

    def times(self, number: int) -> list[float]:
        """When the requests of flow ``number`` leave. Those of the two that are compared leave at the same times."""
        flow = FLOWS[number]
        user = self.users[flow.user]
        if flow.urgent:
            return poisson_times([Phase(self.burst_until, self.top_ups * user.allocation)], f"{self.seed} top-ups")
        usual = user.usual * user.allocation
        if flow.user not in (WITH, WITHOUT):
            return poisson_times([Phase(self.burst_until, usual)], f"{self.seed} {number}")
        phases = (
            Phase(self.burst_from, usual),
            Phase(self.burst_until - self.burst_from, self.burst * user.allocation),
        )
        return poisson_times(phases, f"{self.seed} bulk")


def profile(scenario: PrioritiesScenario) -> str:
    """The profile, as it stands in the configuration under its User."""
    return f"""\
[[user.class]]
name = "top-ups"
srvs = {json.dumps(list(TOP_UPS))}
reserve = {scenario.reserve}
"""


def configuration(scenario: PrioritiesScenario, *, listen: str, admin: str, upstream: str) -> str:
    """The gateway's configuration file for this scenario. Addresses are HOST:PORT, ``upstream`` is a URL."""
    head = f"""\
[capacity]
maximum = {scenario.maximum:g}               # SR/s
operating_threshold = {scenario.threshold:g}   # SR/s
burst_seconds = {scenario.burst_seconds:g}
calm_seconds = {scenario.calm_seconds:g}
sharing = "fair"

[responses]
too_many_requests_from_duis = "4.1"

[gateway]
listen = "{listen}"
upstream = "{upstream}"
identity = "originator"

[admin]
listen = "{admin}"
"""
    users = (
        f"""
[[user]]
name = "{user.name}"
ids = ["{user.eui64}"]
role = "{user.role}"
allocation = {user.allocation:g}
"""
        + (f"\n{profile(scenario)}" if user.profile else "")
        for user in scenario.users
    )
    return head + "".join(users)
