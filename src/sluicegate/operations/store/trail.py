"""The audit trail: who did what about whom, each row with the hash of the one before.

A row that was changed, taken out or put in is found, for its hash, or the next row's, does not fit any more. Rows that
were taken from the end are found by what the other tables say (see `verify`), or by a hash that was noted elsewhere:
each row's is in the log of the process that wrote it, and `sluicegate audit verify` prints the last one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from time import time_ns
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, insert, select

from sluicegate.operations.store.tables import audit

ORIGIN: Final = bytes(32)
"""What the first row has as the hash before it."""

_DOMAIN: Final = b"sluicegate audit 1\n"


class Row(NamedTuple):
    """One row. `at`: microseconds since 1970; `details`: JSON."""

    seq: int
    at: int
    who: str
    did: str
    about: str
    details: str
    before: bytes
    hash: bytes

    def hashed(self) -> bytes:
        """The hash that belongs to it."""
        told = [self.seq, self.at, self.who, self.did, self.about, self.details, bytes(self.before).hex()]
        return sha256(_DOMAIN + json.dumps(told, separators=(",", ":")).encode()).digest()


def now() -> int:
    """Microseconds since 1970."""
    return time_ns() // 1000


def shown(at: int) -> str:
    """Microseconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def append(connection: Connection, *, who: str, did: str, about: str, at: int, **details: Any) -> Row:
    """Write one row, in a transaction that changes (nobody else appends meanwhile)."""
    last = connection.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
    seq, before = (last.seq + 1, bytes(last.hash)) if last is not None else (1, ORIGIN)
    row = Row(seq, at, who, did, about, json.dumps(details, sort_keys=True, separators=(",", ":")), before, b"")
    row = row._replace(hash=row.hashed())
    connection.execute(insert(audit).values(row._asdict()))
    return row


def newest(connection: Connection, most: int, about: str | None = None) -> list[Row]:
    """The last rows, the newest first; `about`: only what is about this User."""
    wanted = select(audit).order_by(audit.c.seq.desc()).limit(most)
    if about is not None:
        wanted = wanted.where(audit.c.about == about)
    return [Row(*one)._replace(before=bytes(one.before), hash=bytes(one.hash)) for one in connection.execute(wanted)]


def rows(connection: Connection) -> Iterator[Row]:
    """All rows in their order; memory does not grow with them."""
    found = connection.execute(select(audit).order_by(audit.c.seq), execution_options={"yield_per": 1000})
    for one in found:
        yield Row(*one)._replace(before=bytes(one.before), hash=bytes(one.hash))


def details_of(row: Row) -> Mapping[str, Any]:
    """What it tells; nothing where it cannot be read."""
    try:
        told = json.loads(row.details)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
