"""What a campaign is built of: two regions, two Users, their addresses, and the dispatcher's configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import free_port

LEASE = 2.0
"""Seconds that a dead dispatcher's claims hold: the least that can be configured."""
TIMEOUT = 1.5
"""Seconds that a CSP has for its answer."""


_given: set[int] = set()


def _port() -> int:
    """A free one, and each only once."""
    while (port := free_port()) in _given:
        pass
    _given.add(port)
    return port


@dataclass(frozen=True)
class Region:
    """A CSP and its devices."""

    name: str
    prefix: str
    port: int = field(default_factory=_port)
    control: int = field(default_factory=_port)

    def device(self, number: int) -> str:
        """The EUI-64 of one of its devices."""
        octets = number.to_bytes(4, "big")
        return "-".join((self.prefix, octets.hex("-").upper()))


NOWHERE = "00-0D-6F-FF-00-00-00-01"
"""A device in no region."""


@dataclass(frozen=True)
class Sender:
    """A User as the configuration has it."""

    name: str
    eui64: str
    allocation: int
    classes: str = ""


SENDERS = (
    Sender(
        "Large Supplier A",
        "90-B3-D5-1F-30-01-00-00",
        300,
        '[[user.class]]\nname = "top-ups"\nsrvs = ["2.2"]\n[[user.class]]\nname = "all else"\n',
    ),
    Sender("Small Supplier C", "90-B3-D5-1F-30-03-00-00", 50),
)


@dataclass(frozen=True)
class Listening:
    """Where one dispatcher listens."""

    port: int = field(default_factory=_port)
    admin: int = field(default_factory=_port)


@dataclass(frozen=True)
class Site:
    """Addresses and the folder of one campaign."""

    folder: Path
    store: str
    """The path of an SQLite file, or a URL."""
    dispatchers: tuple[Listening, ...] = field(default_factory=lambda: (Listening(),))
    north: Region = field(default_factory=lambda: Region("north", "00-0D-6F-00"))
    south: Region = field(default_factory=lambda: Region("south", "00-0D-6F-01"))
    user_port: int = field(default_factory=_port)
    user_control: int = field(default_factory=_port)
    deadlines: str = '"*" = 3600'

    @property
    def regions(self) -> tuple[Region, ...]:
        """Both."""
        return self.north, self.south

    def region_of(self, device: str) -> Region | None:
        """Where a device is."""
        return next((region for region in self.regions if device.startswith(region.prefix + "-")), None)

    def configuration(self, number: int = 0) -> Path:
        """Write the configuration of a dispatcher; its path."""
        path = self.folder / f"dispatcher-{number}.toml"
        path.write_text(self._text(self.dispatchers[number]))
        return path

    def _text(self, listening: Listening) -> str:
        csps = "".join(_CSP.format(name=r.name, port=r.port, prefix=r.prefix, timeout=TIMEOUT) for r in self.regions)
        users = "".join(
            _USER.format(name=one.name, eui64=one.eui64, allocation=one.allocation, port=self.user_port, nth=n)
            + one.classes
            for n, one in enumerate(SENDERS)
        )
        head = _HEAD.format(
            port=listening.port, admin=listening.admin, store=self.store, lease=LEASE, deadlines=self.deadlines
        )
        return head + csps + users


_HEAD = """\
[capacity]
maximum = 10000
operating_threshold = 9000

[gateway]
listen = "127.0.0.1:0"
upstream = "http://127.0.0.1:{port}"
identity = "originator"

[dispatch]
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
store = "{store}"
lease_seconds = {lease}
drain_seconds = 5

[dispatch.deadlines]
{deadlines}

[dispatch.users]
timeout = 1.5
[dispatch.users.retry]
first = 0.1
ceiling = 1
attempts = 100000
"""

_CSP = """
[[csp]]
name = "{name}"
url = "http://127.0.0.1:{port}"
prefixes = ["{prefix}"]
concurrency = 64
rate = 5000
slow_start_seconds = 0
timeout = {timeout}
[csp.retry]
first = 0.05
factor = 2
jitter = 0.3
ceiling = 0.5
attempts = 4
[csp.circuit]
failures = 20
pause = 0.2
longest_pause = 1
probes = 4
"""

_USER = """
[[user]]
name = "{name}"
ids = ["{eui64}"]
role = "IS"
allocation = {allocation}
endpoint = "http://127.0.0.1:{port}/{nth}"
"""
