"""What Sluicegate reads of a Service Request: its `Header`, and nothing else."""

import re
from decimal import Decimal
from typing import NamedTuple

NAMESPACE = "http://www.dccinterface.co.uk/ServiceUserGateway"

MAX_HEADER_OCTETS = 65536
"""A `Header` must be complete within this many octets from the start of the message."""

MAX_COUNTER = 2**64 - 1

# The lexical forms of the schema (DUIS 5.4: RequestIDType, ServiceReference, ServiceReferenceVariant). The
# last two are lists there, which grow with each version; what is held to here is the form that all members
# have.
_OCTET = "[0-9A-Fa-f][0-9A-Fa-f]"
EUI64 = "-".join([_OCTET] * 8)
COUNTER = "0|[1-9][0-9]{0,19}"
_PART = "[1-9][0-9]{0,2}"
SERVICE_REFERENCE = rf"{_PART}\.{_PART}"
SERVICE_REFERENCE_VARIANT = rf"{_PART}\.{_PART}(?:\.{_PART})?"

_EUI64 = re.compile(EUI64)


class MalformedMessage(ValueError):  # noqa: N818 - named after the answer that the sender gets
    """The octets are not a Service Request whose `Header` can be read. `str()` says what is wrong, and where.

    `reason` is fit to be shown to the sender. `line` and `column` count from 1 and may be None.
    """

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason, line, column)
        self.reason = reason
        self.line = line
        self.column = column

    def __str__(self) -> str:
        if self.line is None:
            return self.reason
        return f"{self.reason} (line {self.line}, column {self.column})"


class Header(NamedTuple):
    """The `Header` of a Service Request, and the version of the message that it stands in."""

    version: Decimal
    """`schemaVersion`: the DUIS version of this message, as a number."""
    request_id: str
    """As the sender wrote it, without white space around it."""
    originator: str
    """EUI-64 of the User ID that sends, in upper case."""
    target: str
    """EUI-64 of the device (or of the DSP, for a Non-Device request), in upper case."""
    counter: int
    """0 to 2**64 - 1."""
    command_variant: int
    """1 to 8; see `web_service`."""
    service_reference: str
    srv: str
    """Service Reference Variant, e.g. 2.2 for Top Up Device. It need not be in the catalogue."""
    preceding: str | None
    """`PrecedingServiceRequestID`, as sent."""
    first_in_sequence: bool | None
    """`FirstInSequence`; None where the message does not say."""


def normal_eui64(text: str) -> str:
    """An EUI-64 in the form that all comparisons use: upper case, 8 octets joined by `-`.

    Raises ValueError for anything else than 8 hexadecimal octets joined by `-`.
    """
    if _EUI64.fullmatch(text) is None:
        raise ValueError(f"{text[:64]!a} is not an EUI-64: 8 hexadecimal octets joined by '-'")
    return text.upper()
