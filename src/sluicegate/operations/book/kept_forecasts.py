"""What a version of the book was proposed from, where that is kept: SRs a month by User and SRV."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256

from sqlalchemy import Connection, insert, select

from sluicegate.operations.store.book_tables import book_forecast, book_version

Forecasts = Mapping[str, Mapping[str, float]]


def written(forecasts: Forecasts) -> str:
    """As the table has them."""
    plain = {user: dict(kinds) for user, kinds in forecasts.items()}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(text: str) -> str:
    """What the audit trail says of them."""
    return sha256(text.encode()).hexdigest()


def keep(connection: Connection, version: int, text: str) -> None:
    """Beside a version, in the transaction that makes it."""
    connection.execute(insert(book_forecast).values(version=version, forecasts=text))


def digests(connection: Connection) -> Iterator[tuple[int, str]]:
    """Of all that are there, by version."""
    for row in connection.execute(select(book_forecast), execution_options={"yield_per": 10}):
        yield row.version, digest(row.forecasts)


def forecasts_at(connection: Connection, at: int) -> tuple[int, Forecasts] | None:
    """The newest that have come into force until a time (microseconds since 1970), and with which version; or None.

    A rollback brings back allocations: what is expected stays as it was.
    """
    came = (book_version.c.effective_at <= at) & book_version.c.withdrawn_at.is_(None)
    joined = book_forecast.join(book_version, book_forecast.c.version == book_version.c.version)
    rows = select(book_forecast).select_from(joined).where(came)
    row = connection.execute(
        rows.order_by(book_version.c.effective_at.desc(), book_version.c.version.desc()).limit(1)
    ).first()
    return None if row is None else (row.version, json.loads(row.forecasts))
