"""What Sluicegate reads of a `Response`: its `Header`, and nothing else.

As with a Service Request there are two ways: the real parser, and for the usual layout a quick one, which may only
ever repeat what the parser says (see `quick`).
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from . import values
from .expat import MessageReader
from .header import COUNTER, EUI64, MAX_COUNTER
from .quick import MARK, MAX_ELEMENT_OCTETS, MAX_OPENING_OCTETS, attest, element
from .walk import Shape


class ResponseHeader(NamedTuple):
    """The `Header` of a `Response`, and the version of the message that it stands in."""

    version: Decimal
    """`schemaVersion`: the DUIS version of this message, as a number."""
    request_id: str | None
    """Of the Service Request that it answers, as sent; None where it answers none (an alert)."""
    response_id: str | None
    """As sent: the EUI-64 of who answers, that of who is answered, a counter."""
    code: str
    """`ResponseCode`, such as I99. It need not be in the list of the schema that we know."""
    at: str
    """`ResponseDateTime`, as sent."""


def read_response(body: bytes) -> ResponseHeader:
    """The `Header` of a `Response`.

    Nothing after `Header`, and nothing beyond MAX_HEADER_OCTETS, is looked at: see `check_whole`.

    Raises MalformedMessage, which says what is wrong and where, if `body` is no `Response`.
    """
    header = read_quickly(body)
    return header if header is not None else read_by_parser(body)


def read_by_parser(body: bytes) -> ResponseHeader:
    """What the real parser says. Raises MalformedMessage."""
    reader = MessageReader(RESPONSE)
    header = reader.feed(body, complete=True)
    assert header is not None  # noqa: S101 - of a complete message it is there, or an error
    return header


def read_quickly(body: bytes) -> ResponseHeader | None:
    """The `Header` of a message in the usual layout; None says nothing about the message. Never raises."""
    mark = body.find(MARK, 0, MAX_OPENING_OCTETS)
    start = body.rfind(b"<", 0, mark) if mark >= 0 else -1
    if start < 0:
        return None
    form = _match(body[start : start + MAX_ELEMENT_OCTETS].decode("latin-1"))
    if form is None:
        return None
    opening = body[: mark + len(MARK)]
    version = _openings.get(opening)
    if version is None:
        version = attest(opening, start, RESPONSE, _openings)
        if version is None:
            return None
    _, request_id, response_id, code, at = form.groups()
    if not (_fits(request_id) and _fits(response_id)):
        return None
    return ResponseHeader(version, request_id, response_id, code, at)


def forget() -> None:
    """Forgets all openings (for tests and measurements)."""
    _openings.clear()


def _fits(identity: str | None) -> bool:
    return identity is None or int(identity[48:]) <= MAX_COUNTER


def _request_id(text: str) -> str:
    return values.request_id(text)[0]


def _build(version: Decimal, found: Sequence[Any]) -> ResponseHeader:
    return ResponseHeader(version, *found)


RESPONSE: Shape[ResponseHeader] = Shape(
    "Response",
    (
        ("RequestID", True, _request_id),
        ("ResponseID", True, _request_id),
        ("ResponseCode", False, values.response_code),
        ("ResponseDateTime", False, values.date_time),
    ),
    _build,
)

_ID = f"{EUI64}:{EUI64}:(?:{COUNTER})"
_openings: dict[bytes, Decimal] = {}
_match = re.compile(
    "".join(
        (
            r"<((?:[A-Za-z_][A-Za-z0-9_.-]*+:)?)Header>[ \t\r\n]*+",
            f"(?:{element('RequestID', _ID)})?+",
            f"(?:{element('ResponseID', _ID)})?+",
            element("ResponseCode", values.RESPONSE_CODE),
            element("ResponseDateTime", values.DATE_TIME),
            r"</\1Header>",
        )
    )
).match
