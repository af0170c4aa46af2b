"""A store from the configuration's word for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sluicegate.database.connecting import url_of_server
from sluicegate.database.errors import translating
from sluicegate.dispatch.store.databases import Database, PostgresDatabase, SqliteDatabase
from sluicegate.dispatch.store.interface import Store
from sluicegate.dispatch.store.lease import Lease
from sluicegate.dispatch.store.schema import prepare
from sluicegate.dispatch.store.sql import SqlStore


def open_store(where: str, *, lease_seconds: float = 15.0, clock: Callable[[], float] = time.time) -> Store:
    """Open a store, and make its tables where they are missing.

    Args:
        where: the path of a file (SQLite, one dispatcher), or `postgresql://...` (several).
        lease_seconds: how long this dispatcher is taken for alive without `renew`.
        clock: seconds since 1970; a PostgreSQL has its own.

    Raises:
        NotDurable: a commit could be lost; the text says what to do.
        StoreError: it cannot be reached, another dispatcher has the file, it was made by a later version, or the
            driver is missing.
    """
    database = _database(where)
    try:
        with translating(database.name):
            connection = database.connect()
            try:
                prepare(connection, database.dialect, database.name)
                return SqlStore(database, connection, Lease(database.dialect, clock), lease_seconds)
            except BaseException:
                connection.close()
                raise
    except BaseException:
        database.close()
        raise


def _database(where: str) -> Database:
    url = url_of_server(where)
    return PostgresDatabase(url) if url is not None else SqliteDatabase(Path(where).resolve())
