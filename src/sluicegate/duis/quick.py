"""The quick way: the usual layout, read by octets, and never differently from the real parser.

A message is cut in two at its `Header` start tag.

- The opening (XML declaration, root start tag, comments, up to and with `<sr:Header>`) is the same in message
  after message of one sender's software. The real parser reads each opening once and attests that it ends
  exactly at that start tag. What the parser knows at that point (version, encoding, what each prefix means)
  depends on these octets alone, so it is remembered by them.
- The rest, up to the end of `Header`, must match one strict pattern: the elements in the schema's order, the
  same prefix, no attributes, ASCII, white space between elements and nothing else. To the parser such octets
  can mean only one thing, whatever the opening was.

Anything that is not so, wrong or merely unusual, is left to the real parser.
"""

import re
from decimal import Decimal
from threading import Lock
from typing import TypeVar

from .expat import version_at_header
from .header import (
    COUNTER,
    EUI64,
    MAX_COUNTER,
    SERVICE_REFERENCE,
    SERVICE_REFERENCE_VARIANT,
    Header,
)
from .walk import REQUEST, Shape

T = TypeVar("T")

MAX_OPENING_OCTETS = 2048
"""A longer opening, or a longer `Header`, is not the usual layout."""
MAX_ELEMENT_OCTETS = 768
MAX_OPENINGS = 256
"""How many openings are remembered; the oldest goes first."""

MARK = b"Header>"


def element(name: str, text: str) -> str:
    """The pattern of an element of `Header` and the white space after it; group 1 of the whole is the prefix."""
    return rf"<\1{name}>({text})</\1{name}>[ \t\r\n]*+"


_ID = rf"({EUI64}):({EUI64}):({COUNTER})"
_HEADER = re.compile(
    r"<((?:[A-Za-z_][A-Za-z0-9_.-]*+:)?)Header>[ \t\r\n]*+"
    + element("RequestID", _ID)
    + f"(?:{element('FirstInSequence', 'true|false')})?+"
    + f"(?:{element('PrecedingServiceRequestID', f'{EUI64}:{EUI64}:(?:{COUNTER})')})?+"
    + element("CommandVariant", "[1-8]")
    + element("ServiceReference", SERVICE_REFERENCE)
    + element("ServiceReferenceVariant", SERVICE_REFERENCE_VARIANT)
    + r"</\1Header>"
)
_FIRST = {None: None, "true": True, "false": False}

_openings: dict[bytes, Decimal] = {}
_learning = Lock()  # a message may be read in any thread
_match = _HEADER.match
_new = tuple.__new__


def read(body: bytes | bytearray | memoryview) -> Header | None:
    """The `Header`, if the octets start with a complete one in the usual layout; None otherwise.

    None says nothing about the message: ask the real parser. Never raises.
    """
    if type(body) is not bytes:
        body = bytes(body[: MAX_OPENING_OCTETS + MAX_ELEMENT_OCTETS])
    mark = body.find(MARK, 0, MAX_OPENING_OCTETS)
    if mark < 0:
        return None
    start = body.rfind(b"<", 0, mark)
    if start < 0:
        return None
    # Latin-1 makes one character of each octet: what is not ASCII reaches the pattern, and fails it.
    form = _match(body[start : start + MAX_ELEMENT_OCTETS].decode("latin-1"))
    if form is None:
        return None
    opening = body[: mark + len(MARK)]
    version = _openings.get(opening)
    if version is None:
        version = attest(opening, start, REQUEST, _openings)
        if version is None:
            return None
    _, request_id, originator, target, counter, first, preceding, variant, reference, srv = form.groups()
    count = int(counter)
    if count > MAX_COUNTER or (preceding is not None and int(preceding[48:]) > MAX_COUNTER):
        return None
    # Straight to the tuple: half the time of the constructor with its names.
    return _new(
        Header,
        (
            version,
            request_id,
            originator.upper(),
            target.upper(),
            count,
            int(variant),
            reference,
            srv,
            preceding,
            _FIRST[first],
        ),
    )


def attest(opening: bytes, start: int, shape: Shape[T], openings: dict[bytes, Decimal]) -> Decimal | None:
    """The version that the real parser reads of an opening whose `Header` begins at `start`; remembered in `openings`.

    None where the opening does not end exactly with the start tag of `Header`.
    """
    version = version_at_header(opening, start, shape)
    if version is not None:
        with _learning:
            while len(openings) >= MAX_OPENINGS:
                del openings[next(iter(openings))]
            openings[opening] = version
    return version


def forget() -> None:
    """Forgets all openings (for tests and measurements)."""
    _openings.clear()
