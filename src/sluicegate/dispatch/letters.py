"""The Responses that the dispatcher writes itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from sluicegate.duis import MAX_HEADER_OCTETS, Header, compose_response
from sluicegate.duis.header import COUNTER, EUI64, SERVICE_REFERENCE_VARIANT

USUAL_VERSION: Final = Decimal("5.4")
"""DUIS version of a Response to a message whose own is not known."""

CODES: Final = frozenset(
    ("I0", "I99", "E100", *(f"E{number}" for number in (*range(1, 6), 11, 12, 13, 17, 19, 20, 21, 30, 31)))
) | {f"E{number}" for number in range(40, 72)}
"""ResponseCodes that may be composed: those of the schema (DUIS 5.4) that are of no one SRV."""

_SOME_ID: Final = "00-00-00-00-00-00-00-00:00-00-00-00-00-00-00-00:0"
_SOME_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_SOME_MOMENT: Final = b"2000-01-01T00:00:00.000Z"
_ID: Final = re.compile(rf"[<:]RequestID>[ \t\r\n]*({EUI64}:{EUI64}:(?:{COUNTER}))[ \t\r\n]*<".encode())
_SRV: Final = re.compile(rf"[<:]ServiceReferenceVariant>({SERVICE_REFERENCE_VARIANT})<".encode())


def must_be_known(*codes: str) -> None:
    """Raise ValueError for a ResponseCode that is not in the schema's list."""
    for code in codes:
        if code not in CODES:
            raise ValueError(f"{code!a} is not a ResponseCode of the schema (DUIS 5.4) that can be answered with")


def composed(code: str, request_id: str | None, srv: str, version: Decimal | None, at: float) -> bytes:
    """A Response. `at`: seconds since 1970 UTC. Raises ValueError for a code that is not in CODES."""
    must_be_known(code)
    told = format(USUAL_VERSION if version is None else version, "f")  # never 1E-7, which no schema takes
    return compose_response(code, request_id, srv=srv, at=datetime.fromtimestamp(at, UTC), version=told)


def acknowledgement(header: Header, accepted_at: float) -> bytes:
    """The Response I99 to a Service Request: what `composed` writes, in a tenth of the time."""
    before, between, after = _pieces(header.version, header.srv)
    moment = datetime.fromtimestamp(accepted_at, UTC).isoformat(timespec="milliseconds")[:-6]
    return b"".join((before, header.request_id.encode(), between, moment.encode(), b"Z", after))


@lru_cache(maxsize=1024)
def _pieces(version: Decimal, srv: str) -> tuple[bytes, bytes, bytes]:
    """What stands around RequestID and ResponseDateTime."""
    whole = compose_response("I99", _SOME_ID, srv=srv, at=_SOME_TIME, version=format(version, "f"))
    before, _, rest = whole.partition(_SOME_ID.encode())
    between, _, after = rest.partition(_SOME_MOMENT)
    return before, between, after


def mentioned(body: bytes) -> tuple[str | None, str | None]:
    """RequestID and SRV that stand somewhere at the start of a message that cannot be read, so that its sender knows
    which one an answer is about. Nothing else may be concluded from them."""
    start = body[:MAX_HEADER_OCTETS]
    request_id, srv = _ID.search(start), _SRV.search(start)
    return (request_id[1].decode() if request_id else None, srv[1].decode() if srv else None)
