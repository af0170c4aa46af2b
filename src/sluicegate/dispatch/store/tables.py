"""The tables, the same for SQLite and PostgreSQL.

Each index is partial: it holds only the parcels that its question is about, so what has ended costs none of them
anything but `finished`. A partial index is used only where the query says the same, literally: the conditions below are
part of the query, with constants and no parameters in them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    String,
    Table,
    and_,
    false,
    literal_column,
    text,
)

from sluicegate.dispatch.parcel import OPEN, State

VERSION = 1
"""Of these tables. A store with a later one is not touched."""

metadata = MetaData()

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits in both; SQLite makes a key of the row itself only of the type that is spelt INTEGER."""

BUSY = {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_analyze_scale_factor": 0.05}
"""PostgreSQL: a queue leaves dead rows at the speed at which it works; sweep before a fifth of the table is dead."""

parcel_number = Sequence("parcel_number", metadata=metadata)
"""PostgreSQL only."""

parcel = Table(
    "parcel",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("key", LargeBinary, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False),
    Column("destination", String, nullable=False),
    Column("user", String, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("path", String, nullable=False),
    Column("lane", BigInteger),
    Column("srv", String, nullable=False),
    Column("accepted_at", Double, nullable=False),
    Column("deadline", Double, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due", Double, nullable=False, server_default=text("0")),
    Column("state", SmallInteger, nullable=False),
    Column("owner", BigInteger),
    Column("repeated", Boolean, nullable=False, server_default=false()),
    Column("octets", Integer, nullable=False),
    Column("fields", String),
    Column("code", String, nullable=False, server_default=text("''")),
    Column("finished_at", Double),
    postgresql_with=BUSY,
)

body = Table(
    "body",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("octets", LargeBinary, nullable=False),
    postgresql_with=BUSY,
)
"""Apart from `parcel`: rows that are looked through stay small, and a body can go before its parcel."""

link = Table(
    "link",
    metadata,
    Column("blocker", NUMBER, primary_key=True, autoincrement=False),
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Index("link_seq", "seq"),
    sqlite_with_rowid=False,
    postgresql_with=BUSY,
)
"""`seq` waits for the end of `blocker`, which is open and has the smaller number: there is no circle."""

dispatcher = Table(
    "dispatcher",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("lease_until", Double, nullable=False),
    Column("host", String, nullable=False),
)

flag = Table("flag", metadata, Column("name", String, primary_key=True), Column("value", String, nullable=False))

meta = Table("meta", metadata, Column("name", String, primary_key=True), Column("value", String, nullable=False))
"""What the store knows of itself: `schema`, and where `purging` has got to."""


def constant(state: State) -> ColumnElement[int]:
    """A state as it is written in an index."""
    return literal_column(str(int(state)))


def is_in(state: State, table: FromClause = parcel) -> ColumnElement[bool]:
    """Whether a parcel is in a state."""
    return table.c.state == constant(state)


def is_open(table: FromClause = parcel) -> ColumnElement[bool]:
    """Whether a parcel is open."""
    return table.c.state <= constant(OPEN)


def is_unheld(table: FromClause = parcel) -> ColumnElement[bool]:
    """Whether a parcel is open, and no dispatcher holds it."""
    return and_(is_open(table), table.c.state != constant(State.CLAIMED))


def is_finished(table: FromClause = parcel) -> ColumnElement[bool]:
    """Whether a parcel has come to its end."""
    return table.c.finished_at.is_not(None)


def _index(name: str, *columns: str, where: ColumnElement[bool]) -> None:
    Index(name, *(parcel.c[column] for column in columns), sqlite_where=where, postgresql_where=where)


_index("parcel_ready", "destination", "user", "rank", "seq", where=is_in(State.READY))
_index("parcel_lane", "lane", "seq", where=and_(is_open(), parcel.c.lane.is_not(None)))
# All that a dispatcher must know of a backlog when it starts: a million parcels are counted without looking at them.
_index("parcel_open", "destination", "seq", "state", "user", "rank", "octets", where=is_open())
_index("parcel_due", "destination", "due", where=is_in(State.DELAYED))
_index("parcel_parked", "destination", "seq", where=is_in(State.PARKED))
_index("parcel_deadline", "deadline", where=is_unheld())
_index("parcel_finished", "finished_at", "seq", where=is_finished())
