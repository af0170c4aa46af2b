"""The traffic record: its columns, and what each may hold. The writer, the reader and the replay share this schema."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import blake2b

import pyarrow as pa

TEXT = pa.dictionary(pa.int32(), pa.string())

SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("user", TEXT, nullable=False),
        pa.field("request", pa.uint64(), nullable=False),
        pa.field("srv", TEXT, nullable=False),
        pa.field("command_variant", pa.uint8()),
        pa.field("region", TEXT),
        pa.field("duis", TEXT),
        pa.field("size", pa.uint32()),
        pa.field("outcome", TEXT, nullable=False),
        pa.field("status", pa.uint16()),
        pa.field("upstream_status", pa.uint16()),
        pa.field("latency", pa.float32()),
    ]
)
"""One row an attempt, in UTC microseconds, octets and seconds. docs/record.md says what each column means."""

REQUIRED = tuple(field.name for field in SCHEMA if not field.nullable)
"""Columns without which there is no record. The others may be missing, and are null then."""

PART_SCHEMA = pa.schema(
    [field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in SCHEMA]
)
"""The same with plain texts: what a file that is still being written holds, each batch whole in itself."""

OUTCOMES = ("within", "excess", "throttled", "rejected", "passed", "csp-backlog")
"""The three of the rule; refused undecided (the upstream lost, no place); throttled by the rule, let through; and
refused undecided because the CSP is full."""

LONGEST = {"user": 100, "srv": 16, "region": 100, "duis": 40, "outcome": 16}
"""Characters of each text."""

SRV = re.compile(r"[1-9][0-9]{0,2}(\.[1-9][0-9]{0,2}){1,2}", re.ASCII)
STATUSES = range(100, 1000)
VARIANTS = range(1, 9)
MOST_SECONDS = 86_400.0
"""The longest latency."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_YEAR, LAST_YEAR = 2000, 2100

PART_SUFFIX = ".arrows.part"
"""The file of an hour that is not over: an Arrow IPC stream of `PART_SCHEMA` without an end."""

WHOLE_SUFFIX = ".parquet"


def microseconds(moment: datetime) -> int:
    """A time with a zone, as microseconds since 1970 in UTC."""
    past = moment - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def moment(since_1970: int) -> datetime:
    """The reverse of `microseconds`."""
    return datetime.fromtimestamp(since_1970 // 1_000_000, UTC).replace(microsecond=since_1970 % 1_000_000)


EARLIEST = microseconds(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))
"""The earliest time, inclusive, in microseconds."""

LATEST = microseconds(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC))
"""The end of the latest year, exclusive, in microseconds."""


def request_hash(text: str, key: bytes = b"") -> int:
    """BLAKE2b-64 (RFC 7693) of a RequestID, with the record's key. The same RequestID gives the same number."""
    return int.from_bytes(blake2b(text.encode(), key=key, digest_size=8).digest(), "big")
