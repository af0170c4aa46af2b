"""The table of controls: what operators have done, and until when it counts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, String, Table

from sluicegate.operations.store.tables import NUMBER, metadata

control = Table(
    "control",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("user", String),
    Column("value", Float),
    Column("made_at", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("ended_at", BigInteger),
    Column("who", String, nullable=False),
    Column("reason", String, nullable=False),
    Index("control_open", "ended_at"),
)
"""`seq` is that of the row of the audit trail that tells of it. `until`: it ends by itself. `ended_at`: it was
ended, or another took its place."""
