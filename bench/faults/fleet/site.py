"""The configuration of a campaign's workers: one capacity, some Users, and a ledger, reached by a way of each one's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.faults.site import Listening
from sluicegate.duis import compose_request
from sluicegate.throttle import Limits, Throttle, system_depth

MAXIMUM, THRESHOLD, BURST = 400.0, 320.0, 0.5
WAIT = 0.05


@dataclass(frozen=True)
class User:
    """One of them: what it may send, and what it does, in SR/s."""

    name: str
    eui64: str
    allocation: float
    sends: float


USERS = (
    User("Large", "90-B3-D5-1F-30-01-00-00", 120.0, 300.0),  # beyond its allocation: it is throttled all the time
    User("Middle", "90-B3-D5-1F-30-02-00-00", 80.0, 64.0),
    User("Small", "90-B3-D5-1F-30-03-00-00", 20.0, 12.0),
    User("Tiny", "90-B3-D5-1F-30-04-00-00", 2.0, 0.5),
)
WITHIN = tuple(number for number, user in enumerate(USERS) if user.sends < user.allocation)
LIMITS = Limits(MAXIMUM, THRESHOLD, BURST)


def burst() -> float:
    """Sum of the D_i and D: what may be admitted beyond C*w in any window of w, without a fault, in SR."""
    allocations = {user.name: user.allocation for user in USERS}
    throttle = Throttle(LIMITS, allocations, 0.0)
    return sum(throttle.account(name).depth for name in allocations) + system_depth(THRESHOLD, BURST, LIMITS.heaviest)


def octets(user: User) -> bytes:
    """A request of a User's."""
    body = compose_request(user.eui64, "00-DB-12-34-56-78-90-A0", 1, "2.2", version="5.4")
    head = f"POST /api/v1/serviceS HTTP/1.1\r\nHost: dsp.example\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass(frozen=True)
class Site:
    """As `children.Place`. `ways`: the port by which each worker reaches the Valkey."""

    folder: Path
    dispatchers: tuple[Listening, ...]
    upstream: int
    ways: tuple[int, ...]
    hold: float

    def configuration(self, number: int = 0) -> Path:
        """Write a worker's file."""
        path = self.folder / f"worker-{number}.toml"
        own = self.dispatchers[number]
        path.write_text(
            _HEAD.format(
                maximum=MAXIMUM, threshold=THRESHOLD, burst=BURST, port=own.port, admin=own.admin,
                upstream=self.upstream, way=self.ways[number], wait=WAIT, hold=self.hold,
            )
            + "".join(_USER.format(name=u.name, eui64=u.eui64, allocation=u.allocation) for u in USERS)
        )  # fmt: skip
        return path


_HEAD = """\
[capacity]
maximum = {maximum}
operating_threshold = {threshold}
burst_seconds = {burst}
[gateway]
listen = "127.0.0.1:{port}"
upstream = "http://127.0.0.1:{upstream}"
identity = "originator"
[ledger]
url = "valkey://127.0.0.1:{way}"
wait = {wait}
hold = {hold}
[admin]
listen = "127.0.0.1:{admin}"
"""

_USER = """
[[user]]
name = "{name}"
ids = ["{eui64}"]
role = "IS"
allocation = {allocation}
"""
