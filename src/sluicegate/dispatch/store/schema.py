"""The tables are made where they are missing, by one dispatcher at a time."""

from __future__ import annotations

from sqlalchemy import Connection, insert, inspect, select

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.store.dialects import Dialect
from sluicegate.dispatch.store.tables import VERSION, meta, metadata


def prepare(connection: Connection, dialect: Dialect, name: str) -> None:
    """Make the tables, in one transaction. Raises StoreError where they are of a later version, or not ours."""
    with connection.begin():
        dialect.lock(connection)
        there = inspect(connection).get_table_names()
        if meta.name in there:
            _check(connection, name)
            return
        foreign = sorted(set(there) & metadata.tables.keys())
        if foreign:
            raise StoreError(f"the store {name}: it has a table {foreign[0]} that is not Sluicegate's")
        metadata.create_all(connection)
        connection.execute(insert(meta).values(name="schema", value=str(VERSION)))


def _check(connection: Connection, name: str) -> None:
    found = connection.scalar(select(meta.c.value).where(meta.c.name == "schema"))
    if found is None or not found.isdecimal():
        raise StoreError(f"the store {name}: its table meta is not Sluicegate's")
    if int(found) != VERSION:
        raise StoreError(
            f"the store {name}: its tables are of version {found}, and this dispatcher knows version {VERSION}: "
            "install the version of Sluicegate that wrote it, or a later one"
        )
