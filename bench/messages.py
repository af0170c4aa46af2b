"""What is sent: top-up requests (SRV 2.2) of some sixty Users, as whole HTTP requests in a frames file."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from pathlib import Path

from sluicegate.duis import compose_request
from sluicegate.duis.compose import TOP_UP_OCTETS

USERS = 60
GROUPS = 4
"""Certificates. Each is a service provider's and stands for fifteen Users; so do the connections that use it."""
MESSAGES_PER_USER = 40
OLD_VERSION, NEW_VERSION = "3.1", "5.4"
"""DUIS versions on either side of 4.1, from which a throttled request is told 429 and not 503."""


@dataclass(frozen=True)
class User:
    """One sender of the benchmark: its EUI-64, the certificate that it shares, the DUIS version that it writes."""

    name: str
    eui: str
    group: int
    version: str

    @property
    def throttled_status(self) -> int:
        """What this User is told when it is throttled, with the switch at DUIS 4.1."""
        return 429 if self.version == NEW_VERSION else 503


def users() -> list[User]:
    """The sixty Users; every second one writes the old DUIS version."""
    return [
        User(f"User {n:02}", f"90-B3-D5-1F-30-{n:02X}-00-00", n % GROUPS, (NEW_VERSION, OLD_VERSION)[n // GROUPS % 2])
        for n in range(USERS)
    ]


def top_up(user: User, counter: int, chance: random.Random) -> bytes:
    """A top-up of the usual size, 1.7 kB, with placeholders where its signature would be."""
    target = "-".join(f"{chance.randrange(256):02X}" for _ in range(8))
    return compose_request(user.eui, target, counter, "2.2", version=user.version, size=TOP_UP_OCTETS)


def post(body: bytes, path: str = "/api/v1/serviceS") -> bytes:
    """A whole HTTP/1.1 request."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def frame(group: int, expected: int, request: bytes) -> bytes:
    """One entry of the frames file that the load generator reads (see bench/load/load.c)."""
    return struct.pack("<III", group, expected, len(request)) + request


def write_frames(
    path: Path, *, rejecting: bool, one_status: int | None = None, grouped: bool = False, only: int | None = None
) -> None:
    """Write the messages of all Users, mixed, with the status that each must be answered with.

    `one_status`: what a peer that knows no DUIS versions answers to all that it rejects. `grouped`: by certificate.
    `only`: the Users of this certificate.
    """
    chance = random.Random(67)
    chosen = [user for user in users() if only in (None, user.group) for _ in range(MESSAGES_PER_USER)]
    chance.shuffle(chosen)
    with path.open("wb") as out:
        for n, user in enumerate(chosen):
            expected = (one_status or user.throttled_status) if rejecting else 200
            request = post(top_up(user, 12884901888 + n, chance))
            out.write(frame(user.group if grouped else 0, expected, request))
