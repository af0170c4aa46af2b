"""Does the database keep what it says it has kept? Asked at the start, and of each new connection."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, text

from sluicegate.database.errors import NotDurable

FULL = 2
"""SQLite `synchronous`: each commit waits for the disk. 1 (NORMAL) may lose the last ones with WAL."""

ON_DISK = {"on", "remote_apply", "remote_write"}
"""PostgreSQL `synchronous_commit`: a commit waits for the server's own disk and, where synchronous standbys are
configured, for them. `local` does not wait for these, and a failover would lose what was acknowledged."""


def assert_durable(connection: Connection, tables: Collection[str] = ()) -> None:
    """Raises NotDurable, with what to do, where a commit on this connection could be lost. `tables`: that count."""
    if connection.dialect.name == "sqlite":
        _assert_sqlite(connection)
    else:
        _assert_postgres(connection, tables)


def _assert_sqlite(connection: Connection) -> None:
    files = [row[2] for row in connection.exec_driver_sql("PRAGMA database_list") if row[1] == "main"]
    if not any(files):
        raise NotDurable("the store is in memory: name a file on a disk")
    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    if mode != "wal":
        raise NotDurable(
            f"SQLite's journal_mode is {mode}, not wal: put the file on a local disk (WAL needs shared memory)"
        )
    level = connection.exec_driver_sql("PRAGMA synchronous").scalar() or 0
    if level < FULL:
        raise NotDurable(f"SQLite's synchronous is {level}: a commit does not wait for the disk; it must be 2 (FULL)")


def _assert_postgres(connection: Connection, tables: Collection[str]) -> None:
    for name in ("fsync", "full_page_writes"):
        if _setting(connection, name) != "on":
            raise NotDurable(
                f"PostgreSQL's {name} is off: a crash of its machine loses or breaks what was committed; "
                f"set {name} = on in postgresql.conf and reload"
            )
    level = _setting(connection, "synchronous_commit")
    if level not in ON_DISK:
        raise NotDurable(
            f"PostgreSQL's synchronous_commit is {level}: a commit does not wait for every disk that it should; "
            "set synchronous_commit = on"
        )
    encoding = _setting(connection, "server_encoding")
    if encoding != "UTF8":
        raise NotDurable(f"PostgreSQL's database is in {encoding}: not every text can be stored; make it in UTF8")
    unlogged = connection.scalars(_UNLOGGED, {"tables": list(tables)}).all()
    if unlogged:
        raise NotDurable(
            f"PostgreSQL's table {unlogged[0]} is not logged: a crash empties it; ALTER TABLE ... SET LOGGED"
        )


_UNLOGGED = text(
    "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) "
    "AND relname IN :tables AND relpersistence <> 'p' ORDER BY relname"
).bindparams(bindparam("tables", expanding=True))


def _setting(connection: Connection, name: str) -> str:
    return str(connection.scalar(text("SELECT current_setting(:name)"), {"name": name}))
