"""What is sent: top-ups of sixty Users to devices of three regions, no two to the same device."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

from bench.messages import User, frame, post, users
from sluicegate.duis import compose_request
from sluicegate.duis.compose import TOP_UP_OCTETS

REGIONS = {"north": "00-DB-12", "south": "00-DB-13", "central": "00-DB-14"}
"""CSPs, and how the EUI-64 of their devices begin."""

NUMBER, DEVICE = b"%" * 10, b"-".join([b"##"] * 5)
"""Marks in a request. See bench/load/marks.c, which this repeats for what is written straight into a store."""
SCATTER, DEVICES = 618_033_989, 10**10
MOST_IN_A_RUN = 10**7  # so 900 runs
"""Numbers that each run of the sender has to itself."""

_SOME_DEVICE, _SOME_NUMBER = "FF-FF-FF-FF-FF", 9_999_999_999


def marked_top_up(user: User, region: str) -> bytes:
    """A top-up of the usual size, 1.7 kB, with marks for its counter and its device."""
    target = f"{REGIONS[region]}-{_SOME_DEVICE}"
    whole = compose_request(user.eui, target, _SOME_NUMBER, "2.2", version=user.version, size=TOP_UP_OCTETS)
    return whole.replace(_SOME_DEVICE.encode(), DEVICE).replace(str(_SOME_NUMBER).encode(), NUMBER)


def device_of(number: int) -> bytes:
    """The last five octets of the EUI-64 of request `number`, as they are written."""
    digits = b"%010d" % (number % DEVICES * SCATTER % DEVICES)
    return b"-".join(digits[at : at + 2] for at in range(0, 10, 2))


def numbered(marked: bytes, number: int) -> bytes:
    """A request with its marks filled in."""
    return marked.replace(NUMBER, b"%010d" % (number % DEVICES)).replace(DEVICE, device_of(number))


def mix(regions: Sequence[str]) -> list[tuple[User, str]]:
    """Every User with every region, in an order that is always the same."""
    pairs = [(user, region) for user in users() for region in regions]
    random.Random(67).shuffle(pairs)
    return pairs


def write_frames(path: Path, regions: Sequence[str]) -> Path:
    """A frames file with a top-up of each User to each region; all must be answered 200."""
    with path.open("wb") as out:
        for user, region in mix(regions):
            out.write(frame(0, 200, post(marked_top_up(user, region))))
    return path


def numbers() -> Iterator[int]:
    """Where the numbers of each run begin: no RequestID comes twice, and none begins with 0."""
    return count(DEVICES // 10, MOST_IN_A_RUN)


def stream(regions: Sequence[str], first: int, count_of: int) -> Iterable[tuple[User, str, int, bytes]]:
    """So many whole messages with their User, region and number."""
    marked = [(user, region, marked_top_up(user, region)) for user, region in mix(regions)]
    for number in range(first, first + count_of):
        user, region, body = marked[number % len(marked)]
        yield user, region, number, numbered(body, number)
