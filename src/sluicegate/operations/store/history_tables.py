"""The tables of the history of usage. Times are whole microseconds since 1970; days and hours are those of UTC.

`user` is a User's name, or "" for all Users together: a sum over two hundred of them need not be made again and again.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table

from sluicegate.operations.store.tables import metadata

usage_run = Table(
    "usage_run",
    metadata,
    Column("run", String, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Of each process that counts: the number of the last minute that is in the database, so that none is there twice."""

usage_minute = Table(
    "usage_minute",
    metadata,
    Column("run", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("begins", BigInteger, nullable=False, index=True),
    Column("counts", LargeBinary, nullable=False),
    Column("srvs", LargeBinary, nullable=False),
)
"""What one process counted in one minute (or a part of it), until its hour is over and packed. See `minute`."""

_OUTCOMES = ("within", "excess", "throttled", "rejected", "csp_backlog")


def _counts() -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in _OUTCOMES]


usage_hour = Table(
    "usage_hour",
    metadata,
    Column("user", String, primary_key=True),
    Column("begins", BigInteger, primary_key=True, autoincrement=False),
    *_counts(),
    Column("minutes", LargeBinary),
    Column("srvs", LargeBinary, nullable=False),
    sqlite_with_rowid=False,  # the rows of one User lie beside each other
)
"""A User's hour: its sums, its sixty minutes (none any more once they are thinned out), and its SRVs. See `packed`."""

usage_pieces = Table(
    "usage_pieces",
    metadata,
    Column("user", String, primary_key=True),
    Column("begins", BigInteger, primary_key=True, autoincrement=False),
    Column("pieces", LargeBinary, nullable=False),
    sqlite_with_rowid=False,  # the rows of one User lie beside each other
)
"""A User's half day in pieces of five minutes, while its minutes are kept. See `pieces`."""

usage_day = Table(
    "usage_day",
    metadata,
    Column("begins", BigInteger, primary_key=True, autoincrement=False),
    Column("user", String, primary_key=True),
    *_counts(),
    Column("srvs", LargeBinary, nullable=False),
    sqlite_with_rowid=False,  # the rows of one day lie beside each other
)
"""A User's day, and its SRVs."""
