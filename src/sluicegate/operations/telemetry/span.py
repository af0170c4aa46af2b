"""A span, and the `traceparent` that ties it to those of others (W3C Trace Context, level 1)."""

from __future__ import annotations

import re
from secrets import token_bytes
from typing import Final, Literal, NamedTuple

_FORM: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_OCTETS: Final = 512  # the longest that is looked at: version 00 has 55, later ones may say more
_SAMPLED: Final = 1

Value = str | int
Attributes = tuple[tuple[str, Value], ...]


class Span(NamedTuple):
    """One span, ended.

    Attributes:
        trace, span, parent: the IDs, of 16, 8 and 8 octets; `parent` is empty for the first of its trace.
        name, kind: of its operation; `server` for a request that came, `client` for one that was sent.
        start, end: nanoseconds since 1970 UTC.
        attributes: what is known of it.
        error: what went wrong; empty where nothing did.
    """

    trace: bytes
    span: bytes
    parent: bytes
    name: str
    kind: Literal["server", "client"]
    start: int
    end: int
    attributes: Attributes
    error: str = ""


class Parent(NamedTuple):
    """What a sender's `traceparent` says: the IDs of its trace and its span, and whether it records them itself."""

    trace: bytes
    span: bytes
    sampled: bool


def read_traceparent(value: bytes | None) -> Parent | None:
    """What the field says; None where it is not there, or not as the W3C says. Then it is as if it was not there."""
    if value is None or len(value) > _OCTETS:
        return None
    found = _FORM.fullmatch(value)
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    if trace.count(b"0") == len(trace) or span.count(b"0") == len(span):
        return None
    return Parent(bytes.fromhex(trace.decode()), bytes.fromhex(span.decode()), bool(int(flags, 16) & _SAMPLED))


def written_traceparent(trace: bytes, span: bytes) -> bytes:
    """The field's value for the next one along: its trace is recorded, and this is the span above its own."""
    return b"00-%b-%b-01" % (trace.hex().encode(), span.hex().encode())


def new_id(octets: int) -> bytes:
    """An ID of 16 octets for a trace, or of 8 for a span; never zero."""
    made = token_bytes(octets)
    return made if any(made) else new_id(octets)
