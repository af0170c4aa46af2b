"""The table of those who have signed in with a browser."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table

from sluicegate.operations.store.tables import NUMBER, metadata

session = Table(
    "session",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("who", String, nullable=False),
    Column("role", String, nullable=False),
    Column("user", String),
    Column("how", String, nullable=False),
    Column("token", NUMBER),
    Column("made_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)
"""`seq` is that of the row of the audit trail that tells of the sign-in. Of the cookie there is only its SHA-256.

`token`: the number of the token that it was made with; the session ends with it.
"""
