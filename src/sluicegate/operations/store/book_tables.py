"""The table of the versions of the allocation book. Times are whole microseconds since 1970."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from sluicegate.operations.store.tables import NUMBER, metadata

book_version = Table(
    "book_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("seq", NUMBER, nullable=False, unique=True),
    Column("allocations", String),
    Column("reasons", String, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("note", String, nullable=False),
    Column("restores", Integer),
    Column("asked_at", BigInteger),
    Column("approved_at", BigInteger),
    Column("approver", String),
    Column("effective_at", BigInteger),
    Column("withdrawn_at", BigInteger),
    Index("book_version_effective", "effective_at"),
)
"""`seq` is that of the row of the audit trail that tells of it. `allocations`: JSON, SR/s by User; none: of the file.

`asked_at`: when it is to be in force, if its proposer said so. `effective_at`: from when on it is, once it is approved.
"""

book_forecast = Table(
    "book_forecast",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("forecasts", String, nullable=False),
)
"""What a version was proposed from, where its proposer kept it: JSON, SRs a month by User and SRV."""

campaign = Table(
    "campaign",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("seq", NUMBER, nullable=False, unique=True),
    Column("user", String, nullable=False),
    Column("srv", String, nullable=False),
    Column("volume", BigInteger, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("note", String, nullable=False),
    Column("announced_at", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("withdrawn_at", BigInteger),
    Index("campaign_ends", "ends_at"),
)
"""A run that a User has announced. `seq` is that of the row of the audit trail that tells of it; `volume`: SRs."""
