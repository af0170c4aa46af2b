"""What a worker tells of itself each second, as octets: a head, and a line for each User that has counted anything.

A line that is the same as a second ago need not be read again. What would be too long is left out, and said so.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from sluicegate.operations.fleet.counting import A_GATEWAY, LONGEST, MOST, Row, checked

FORM: Final = 2
MOST_OCTETS: Final = 8_000_000  # before it is packed
LONGEST_LIFE: Final = 1e10  # seconds


def _mapping(key: str, of: str) -> str:
    return rf"\{{(?:{key}:{of}(?:,{key}:{of})*)?\}}"


_COUNT: Final = r"\d{1,16}"
_THREE: Final = rf"\[{_COUNT}(?:,{_COUNT}){{2}}\]"
_KEY: Final = rf'"(?:[^"\\]|\\.){{0,{LONGEST}}}"'
_VERSION: Final = r'"\d{1,9}(?:\.\d{1,9})?"'
_ROW: Final = ",".join(
    (
        rf"\[{_COUNT}(?:,{_COUNT}){{7}}\]",
        _mapping(_VERSION, _COUNT),
        _mapping(_KEY, _COUNT),
        _mapping(_KEY, _THREE),
        _mapping(_KEY, _THREE),
    )
)
LINE: Final = re.compile(rf"\[\d{{1,6}},\[{_ROW}\]\]", re.ASCII)
"""Of a User: by it there is nothing to check in what JSON makes of a line."""


class Head(NamedTuple):
    """Of the worker as a whole.

    Attributes:
        age: for how long it has counted, in seconds.
        place: where it listens, for people.
        connections: of senders, now.
        places: requests that it lets be at the upstream at once (`max_in_flight`).
        left_out: Users for whom there was no room.
        totals: `counting.totals_row`.
    """

    age: float
    place: str
    connections: int
    places: int
    left_out: int
    totals: Row


class Message(NamedTuple):
    """`lines`: of each User by its name as JSON; `read_line` tells what one says."""

    head: Head
    lines: Mapping[str, str]


def line_of(row: Row, in_flight: int) -> str:
    """One User's."""
    return json.dumps([in_flight, row], separators=(",", ":"))


def read_line(line: str) -> tuple[int, Row]:
    """In flight now, and what was counted. Raises ValueError."""
    if LINE.fullmatch(line) is None:
        raise ValueError("this is no line of counters")
    in_flight, row = json.loads(line)
    return in_flight, row


def packed(message: Message, most: int = MOST_OCTETS) -> bytes:
    """As octets. Lines are in the order given: those at the end are left out first."""
    lines, room, left_out = [], most - 10_000, 0
    for name, line in message.lines.items():
        room -= len(name) + len(line) + 2
        if room >= 0:
            lines.append(f"{name}\t{line}")
        else:
            left_out += 1
    head = json.dumps([FORM, *message.head._replace(left_out=left_out)], separators=(",", ":"))
    return zlib.compress("\n".join((head, *lines)).encode(), 1)


def unpacked(octets: bytes, most: int = MOST_OCTETS) -> Message:
    """What was packed. Raises ValueError for anything else; what is in the lines is not looked at."""
    unpack = zlib.decompressobj()
    try:
        text = unpack.decompress(octets, most).decode()
    except zlib.error as error:
        raise ValueError("it is not packed") from error
    if unpack.unconsumed_tail or not unpack.eof:
        raise ValueError("it is too long, or not whole")
    first, *rest = text.split("\n")
    return Message(_head(json.loads(first)), dict(_pairs(rest)))


def _pairs(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for each in lines:
        name, _tab, line = each.partition("\t")
        yield name, line


def _head(told: Any) -> Head:
    if not isinstance(told, list) or len(told) != 1 + len(Head._fields) or told[0] != FORM:
        raise ValueError(f"it is not of form {FORM}")
    _form, age, place, connections, places, left_out, totals = told
    whole = all(type(count) is int and 0 <= count <= MOST for count in (connections, places, left_out))
    if not isinstance(age, int | float) or not 0 <= age <= LONGEST_LIFE or not isinstance(place, str) or not whole:
        raise ValueError("its head cannot be")
    totals = checked(totals, A_GATEWAY)
    if not all(status.isdecimal() and len(status) == 3 for status in totals[1]):
        raise ValueError("there is no such status")
    return Head(float(age), place[:LONGEST], connections, places, left_out, totals)
