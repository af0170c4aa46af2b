"""What the demonstration plays: six Users, a DSP, and one evening on which one of them changes its tariffs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sluicegate.simulate.plant import PlantShape
from sluicegate.simulate.sender import Phase, poisson_times

LEAST_SECONDS = 8.0
MOST_SECONDS = 600.0


@dataclass(frozen=True)
class DemoUser:
    """A User, and what it sends while nothing is the matter.

    ``allocation`` in SR/s; ``usual`` is the part of it that the User usually sends; ``srvs`` are Service
    Reference Variants with their Command Variants; ``version`` is the DUIS version of its messages.
    """

    name: str
    role: str
    eui64: str
    allocation: float
    usual: float
    version: str
    srvs: Mapping[str, int]


_SUPPLIER = {"2.2": 1, "4.1.1": 1, "6.2.4": 1}

USERS = (
    DemoUser("Large Supplier A", "IS", "90-B3-D5-1F-30-01-00-00", 90, 0.45, "5.4", {"1.1.1": 5} | _SUPPLIER),
    DemoUser("Large Supplier B", "IS", "90-B3-D5-1F-30-02-00-00", 60, 0.50, "5.3", _SUPPLIER),
    DemoUser("Medium Supplier C", "GS", "90-B3-D5-1F-30-03-00-00", 40, 0.50, "5.3", _SUPPLIER),
    DemoUser("Small Supplier D", "ES", "90-B3-D5-1F-30-04-00-00", 15, 0.40, "3.1", {"6.2.4": 1, "8.2": 8}),
    DemoUser("Network Operator E", "ED", "90-B3-D5-1F-30-05-00-00", 25, 0.40, "5.2", {"4.10": 1, "4.8.1": 1}),
    DemoUser("Other User F", "OU", "90-B3-D5-1F-30-06-00-00", 10, 0.40, "4.0", {"4.8.1": 1, "8.2": 8}),
)


@dataclass(frozen=True)
class Scenario:
    """One run: a quiet phase, a burst of the first User, calm, and a pause in which answers may still come.

    Times in seconds, rates in SR/s. The same scenario gives the same schedule, whatever the gateway does.
    """

    seconds: float = 20.0
    seed: int = 67
    users: Sequence[DemoUser] = USERS
    burst: float = 9.0
    """The burst, in allocations of the bursting User."""
    maximum: float = 300.0
    threshold: float = 240.0
    burst_seconds: float = 0.5
    calm_seconds: float = 2.0
    in_time: float = 2.0
    """What counts as delivered in time."""
    plant: PlantShape = field(default_factory=lambda: PlantShape(capacity=300, buffer=300, outage_after=3, restart=6))

    @classmethod
    def of(cls, seconds: float) -> "Scenario":
        """The usual scenario, shortened or stretched. Raises ValueError for a length that shows nothing."""
        if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
            raise ValueError(f"a run lasts {LEAST_SECONDS:g} to {MOST_SECONDS:g} seconds, not {seconds:g}")
        usual = cls()
        part = seconds / usual.seconds
        plant = replace(
            usual.plant,
            outage_after=usual.plant.outage_after * part,
            restart=usual.plant.restart * part,
        )
        return replace(usual, seconds=seconds, plant=plant)

    @property
    def burster(self) -> DemoUser:
        """Who bursts."""
        return self.users[0]

    @property
    def burst_from(self) -> float:
        """Seconds from the start."""
        return 0.25 * self.seconds

    @property
    def burst_until(self) -> float:
        """Seconds from the start."""
        return 0.65 * self.seconds

    @property
    def sends_until(self) -> float:
        """After this many seconds nobody sends anything new: the last request too has its time."""
        return max(0.7 * self.seconds, self.seconds - self.in_time)

    def phase(self, at: float) -> str:
        """What is going on ``at`` seconds from the start."""
        if at < self.burst_from:
            return "quiet"
        return "burst" if at < self.burst_until else "calm"

    def times(self, user: int) -> list[float]:
        """When the requests of User number ``user`` leave, in seconds from the start."""
        one = self.users[user]
        usual = one.usual * one.allocation
        high = self.burst * one.allocation if user == 0 else usual
        phases = (
            Phase(self.burst_from, usual),
            Phase(self.burst_until - self.burst_from, high),
            Phase(self.sends_until - self.burst_until, usual),
        )
        return poisson_times(phases, f"{self.seed} {user}")


def configuration(scenario: Scenario, *, enforce: bool, listen: str, admin: str, upstream: str) -> str:
    """The gateway's configuration file for this scenario. Addresses are HOST:PORT, ``upstream`` is a URL."""
    head = f"""\
[capacity]
maximum = {scenario.maximum:g}               # SR/s
operating_threshold = {scenario.threshold:g}   # SR/s
burst_seconds = {scenario.burst_seconds:g}
calm_seconds = {scenario.calm_seconds:g}
sharing = "fair"
enforce = {"true" if enforce else "false"}

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
        for user in scenario.users
    )
    return head + "".join(users)
