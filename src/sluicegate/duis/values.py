"""The text of each element of `Header`, read by the rule of its type in the schema (DUIS 5.4)."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from .header import (
    COUNTER,
    EUI64,
    MAX_COUNTER,
    SERVICE_REFERENCE,
    SERVICE_REFERENCE_VARIANT,
    Header,
)
from .version import XML_WHITE_SPACE

_REQUEST_ID = re.compile(rf"({EUI64}):({EUI64}):({COUNTER})")
_COMMAND_VARIANT = re.compile(r"\+?0*([1-8])")
_SERVICE_REFERENCE = re.compile(SERVICE_REFERENCE)
_SERVICE_REFERENCE_VARIANT = re.compile(SERVICE_REFERENCE_VARIANT)
RESPONSE_CODE = "[EIW][0-9]{1,6}"
_TIME = r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
DATE_TIME = rf"-?(?:[1-9][0-9]{{3,}}|0[0-9]{{3}})-[0-9]{{2}}-[0-9]{{2}}{_TIME}"
_RESPONSE_CODE = re.compile(RESPONSE_CODE)
_DATE_TIME = re.compile(DATE_TIME)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def request_id(text: str) -> tuple[str, str, str, int]:
    """As sent, originator, target, counter. An xs:token: white space around it is no part of it.

    Like all of this module it raises ValueError, which says what is wrong.
    """
    stated = text.strip(XML_WHITE_SPACE)
    form = _REQUEST_ID.fullmatch(stated)
    counter = int(form[3]) if form is not None else 0
    if form is None or counter > MAX_COUNTER:
        raise ValueError(
            f"{_shown(stated)} is not the EUI-64 of an originator, that of a target and a counter "
            f"from 0 to {MAX_COUNTER}, joined by ':'"
        )
    return stated, form[1].upper(), form[2].upper(), counter


def preceding(text: str) -> str:
    """An ID of the same type, as sent."""
    return request_id(text)[0]


def boolean(text: str) -> bool:
    """An xs:boolean."""
    stated = text.strip(XML_WHITE_SPACE)
    if stated not in _BOOLEANS:
        raise ValueError(f"{_shown(stated)} is not true or false")
    return _BOOLEANS[stated]


def command_variant(text: str) -> int:
    """An xs:positiveInteger from 1 to 8 (9 is internal to the DCC's systems, and no request of a User)."""
    stated = text.strip(XML_WHITE_SPACE)
    form = _COMMAND_VARIANT.fullmatch(stated)
    if form is None:
        raise ValueError(f"{_shown(stated)} is not a Command Variant, 1 to 8")
    return int(form[1])


def service_reference(text: str) -> str:
    """One of a list of xs:string in the schema: so white space counts."""
    if _SERVICE_REFERENCE.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is not a Service Reference, such as 2.2")
    return text


def service_reference_variant(text: str) -> str:
    """One of a list of xs:string in the schema: so white space counts."""
    if _SERVICE_REFERENCE_VARIANT.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is not a Service Reference Variant, such as 1.1.1")
    return text


def response_code(text: str) -> str:
    """One of a list of xs:string in the schema, which grows with each version: its form. White space counts."""
    if _RESPONSE_CODE.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is not a ResponseCode, such as I99 or E20")
    return text


def date_time(text: str) -> str:
    """An xs:dateTime, as sent: its form (XML Schema part 2, 3.2.7)."""
    stated = text.strip(XML_WHITE_SPACE)
    if _DATE_TIME.fullmatch(stated) is None:
        raise ValueError(f"{_shown(stated)} is not a date and time, such as 2025-11-03T14:30:05.123Z")
    return stated


def build(version: Decimal, found: Sequence[Any]) -> Header:
    """The `Header` from its elements' values, in the order of the schema."""
    (stated, originator, target, counter), first_in_sequence, before, variant, reference, srv = found
    return Header(version, stated, originator, target, counter, variant, reference, srv, before, first_in_sequence)


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 80 else f"{text[:77]}...")
