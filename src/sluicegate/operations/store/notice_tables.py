"""The table of notices: what is to be told over which channel, and what became of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from sluicegate.operations.store.tables import metadata

notice = Table(
    "notice",
    metadata,
    Column("id", String, primary_key=True),
    Column("user", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("document", String, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("ended_at", BigInteger),
    Column("why", String, nullable=False),
    Column("holder", String, nullable=False),
    Column("held_until", BigInteger, nullable=False),
    Index("notice_waiting", "state", "held_until"),
    Index("notice_made", "made_at"),
    Index("notice_user", "user", "made_at"),
)
"""`document`: JSON. Without a `channel`, it is only shown; without a `user` too, to everybody. `holder`: the process
that delivers it, as long as `held_until` is to come; after that another one may."""
