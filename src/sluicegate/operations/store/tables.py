"""The tables, the same for SQLite and PostgreSQL. Times are whole microseconds since 1970.

Their names are their own, so that a dispatcher may have its tables in the same schema.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint

VERSION = 3
"""Of these tables. A database with a later one is not touched. In one with an earlier one, what is missing is made."""

metadata = MetaData()

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits in both; SQLite makes a key of the row itself only of the type that is spelt INTEGER."""

operations = Table(
    "operations",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
"""What the database knows of itself: `schema`."""

audit = Table(
    "audit",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("did", String, nullable=False),
    Column("about", String, nullable=False),
    Column("details", String, nullable=False),
    Column("before", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
"""Append-only. `seq` counts from 1 without a gap; `before` is the `hash` of the row before. See `trail`."""

token = Table(
    "token",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("scope", String, nullable=False),
    Column("name", String, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("note", String, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)
"""Of the token itself there is only its SHA-256. `scope`: the role of its holder; `name`: of the holder."""

profile_version = Table(
    "profile_version",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("user", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", String),
    Column("made_at", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("why", String, nullable=False),
    UniqueConstraint("user", "version", name="profile_version_of_user"),
    Index("profile_version_user", "user", "seq"),
)
"""`seq` is that of the row of the audit trail that tells of it. No `document`: the profile of the file counts again."""
