"""What is played: two Users, two CSPs, and one of these is down for a while."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from sluicegate.simulate.sender import Phase, poisson_times

NORTH, SOUTH = "north", "south"
REGIONS = {NORTH: "00-0D-6F", SOUTH: "00-1A-22"}
"""The CSPs, and how the EUI-64s of their devices begin."""

TOP_UPS: Mapping[str, int] = {"2.2": 1}
BULK: Mapping[str, int] = {"4.1.1": 1, "6.2.4": 1}
"""Service Reference Variants, with their Command Variants."""


@dataclass(frozen=True)
class OutageUser:
    """A User: what it has been allocated, and what it sends, in SR/s."""

    name: str
    role: str
    eui64: str
    allocation: float
    rate: float
    version: str


USERS = (
    OutageUser("Large Supplier A", "IS", "90-B3-D5-1F-30-01-00-00", 80, 40, "5.4"),
    OutageUser("Medium Supplier C", "GS", "90-B3-D5-1F-30-03-00-00", 40, 20, "3.1"),
)


@dataclass(frozen=True)
class Flow:
    """What one User sends to one region, either its top-ups or all else. Each flow has devices of its own."""

    user: int
    region: str
    urgent: bool

    @property
    def devices(self) -> str:
        """The first six octets of its devices."""
        return f"{REGIONS[self.region]}-{self.user:02X}-{int(self.urgent):02X}-00"


FLOWS = tuple(Flow(*which) for which in product(range(len(USERS)), REGIONS, (True, False)))


@dataclass(frozen=True)
class OutageScenario:
    """North is down from ``down_at`` to ``up_at``. Times in seconds from the start, rates in SR/s."""

    down_at: float = 5.0
    up_at: float = 17.0
    sends_until: float = 27.0
    seconds: float = 29.0
    """What was refused may still come again until then."""
    settle_seconds: float = 6.0
    """So long what is under way at the end is waited for."""
    seed: int = 4
    users: Sequence[OutageUser] = USERS
    urgent: float = 0.25
    """The part of top-ups in what is sent."""
    ceiling: int = 300
    """SRs that may wait for a CSP."""
    rate: float = 120.0
    """The most that is delivered to a CSP."""
    slow_start: float = 5.0
    probe_every: float = 1.0

    def times(self, number: int) -> list[float]:
        """When the SRs of flow ``number`` leave."""
        flow = FLOWS[number]
        part = (self.urgent if flow.urgent else 1 - self.urgent) / len(REGIONS)
        return poisson_times([Phase(self.sends_until, self.users[flow.user].rate * part)], f"{self.seed} {number}")


@dataclass(frozen=True)
class Ports:
    """All on the loopback address."""

    gateway: int
    gateway_admin: int
    dispatcher: int
    dispatcher_admin: int
    north: int
    north_control: int
    south: int
    south_control: int
    user: int


def configuration(scenario: OutageScenario, ports: Ports, store: Path) -> str:
    """The file that gateway and dispatcher read."""
    host = "127.0.0.1"
    head = f"""\
[capacity]
maximum = 300
operating_threshold = 240

[responses]
too_many_requests_from_duis = "4.1"

[gateway]
listen = "{host}:{ports.gateway}"
upstream = "http://{host}:{ports.dispatcher}"
identity = "originator"

[gateway.backpressure]
url = "http://{host}:{ports.dispatcher_admin}"

[admin]
listen = "{host}:{ports.gateway_admin}"

[dispatch]
listen = "{host}:{ports.dispatcher}"
admin = "{host}:{ports.dispatcher_admin}"
store = {json.dumps(str(store), ensure_ascii=False)}
drain_seconds = 1
"""
    csps = (
        f"""
[[csp]]
name = "{name}"
url = "http://{host}:{port}"
prefixes = ["{REGIONS[name]}"]
concurrency = 16
rate = {scenario.rate:g}
slow_start_seconds = {scenario.slow_start:g}
timeout = 5
connect_timeout = 1
backlog = {scenario.ceiling}
retry = {{ first = 0.5, ceiling = 2, attempts = 1000 }}
circuit = {{ failures = 5, pause = {scenario.probe_every:g}, longest_pause = {scenario.probe_every:g} }}
"""
        for name, port in ((NORTH, ports.north), (SOUTH, ports.south))
    )
    users = (
        f"""
[[user]]
name = "{user.name}"
ids = ["{user.eui64}"]
role = "{user.role}"
allocation = {user.allocation:g}
endpoint = "http://{host}:{ports.user}/responses"

[[user.class]]
name = "top-ups"
srvs = {json.dumps(list(TOP_UPS))}
"""
        for user in scenario.users
    )
    return head + "".join(csps) + "".join(users)
