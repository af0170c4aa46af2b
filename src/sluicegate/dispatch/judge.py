"""What an answer means: of a CSP to a Service Request, and of a User's endpoint to a Response.

Pure: an answer and the time go in, a verdict comes out. The table is in docs/dispatch.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum

from sluicegate.duis import MalformedMessage, check_whole, read_response

LONGEST_WAIT = 300.0
"""Seconds: however long a destination asks to be left alone."""
SHORTEST_WAIT = 1.0
"""Seconds: however soon it wants to be asked again."""
UNTOLD_WAIT = 5.0
"""Seconds, after a 429 that does not say how long."""

_MOST_FIELD = 64  # octets of a Retry-After that are read
_SECONDS = re.compile(rb"[0-9]+")
_MARKUP = (b"<", b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe", b"\0<")
_NOT_OF_THE_MESSAGE = frozenset((401, 403, 404, 407, 408))  # every SR would get it: something before the CSP is wrong
_NO_ANSWER = frozenset(("E20", "E21"))


class Ruling(Enum):
    """What becomes of a parcel."""

    DELIVERED = "delivered"
    NO_ANSWER = "no answer"
    """The device does not answer (E20, E21). The CSP does."""
    BUSY = "busy"
    """The destination wants to be left alone for a while."""
    FAILED = "failed"
    """The destination failed."""
    REFUSED = "refused"
    """The destination does not want this one: an operator must look."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ruling, and what belongs to it."""

    ruling: Ruling
    code: str = ""
    """The ResponseCode that came with the answer."""
    outcome: bytes | None = None
    """The Response that goes to the User."""
    seconds: float = 0.0
    """Of BUSY: for how long."""
    why: str = ""
    """Of FAILED and REFUSED: in words, for the operator."""


def judge(status: int | None, fields: Mapping[bytes, bytes], body: bytes, now: float) -> Verdict:
    """What a CSP's answer means.

    Args:
        status: of the answer; None where there is none.
        fields: of the answer, by lower-case name.
        body: of the answer, whole.
        now: seconds since 1970 UTC.
    """
    if status is None:
        return Verdict(Ruling.FAILED, why="no answer")
    if 200 <= status <= 299:
        return _taken(fields, body)
    if status in (429, 503):
        seconds = retry_after(fields.get(b"retry-after"), now)
        if seconds is None and status == 429:
            seconds = UNTOLD_WAIT
        if seconds is not None:
            return Verdict(Ruling.BUSY, seconds=seconds)
    if status in _NOT_OF_THE_MESSAGE or 500 <= status <= 599:
        return Verdict(Ruling.FAILED, why=f"answered {status}")
    return Verdict(Ruling.REFUSED, why=f"answered {status}")


def judge_user(status: int | None, fields: Mapping[bytes, bytes], now: float) -> Verdict:
    """What the answer of a User's endpoint means; its body is not looked at. Nothing is parked: it is tried again."""
    if status is None:
        return Verdict(Ruling.FAILED, why="no answer")
    if 200 <= status <= 299:
        return Verdict(Ruling.DELIVERED)
    if status in (429, 503):
        seconds = retry_after(fields.get(b"retry-after"), now)
        if seconds is not None:
            return Verdict(Ruling.BUSY, seconds=seconds)
    return Verdict(Ruling.FAILED, why=f"answered {status}")


def retry_after(stated: bytes | None, now: float) -> float | None:
    """Seconds from SHORTEST_WAIT to LONGEST_WAIT that a Retry-After asks for; None where it says nothing that can be
    read (RFC 9110, 10.2.3: whole seconds, or an HTTP-date)."""
    if stated is None or len(stated) > _MOST_FIELD:
        return None
    stated = stated.strip(b" \t")
    if _SECONDS.fullmatch(stated) is not None:
        seconds = float(stated)
    else:
        try:
            moment = parsedate_to_datetime(stated.decode("ascii"))
            if moment.tzinfo is None:  # "-0000": no zone is told
                moment = moment.replace(tzinfo=UTC)
            seconds = moment.timestamp() - now
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


def _taken(fields: Mapping[bytes, bytes], body: bytes) -> Verdict:
    """A success: what its body says, if it has one.

    What claims to be markup and is no `Response` is a failure. The usual one is a page that a proxy shows with 200
    while the CSP is down: to take it for delivered would lose the SR.
    """
    if not _is_markup(fields.get(b"content-type", b""), body):
        return Verdict(Ruling.DELIVERED)
    try:
        header = read_response(body)
        if header.code == "I99":
            return Verdict(Ruling.DELIVERED, header.code)
        if header.code in _NO_ANSWER:
            return Verdict(Ruling.NO_ANSWER, header.code)
        check_whole(body)  # it goes on to the User
    except MalformedMessage as error:
        return Verdict(Ruling.FAILED, why=f"a success that is no Response: {error}")
    return Verdict(Ruling.DELIVERED, header.code, body)


def _is_markup(content_type: bytes, body: bytes) -> bool:
    start = body[:1024].lstrip(b" \t\r\n")
    if not start and len(body) <= 1024:
        return False
    media = content_type.partition(b";")[0].strip().lower()
    return start.startswith(_MARKUP) or media.endswith((b"/xml", b"+xml"))
