"""What differs between SQLite and PostgreSQL in the statements: lists as parameters, and who may write."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    String,
    any_,
    bindparam,
    cast,
    func,
    select,
    text,
)

from sluicegate.database.connecting import lock_number


class Dialect(ABC):
    """How one database says it. The objects have no state."""

    single: bool
    """Only one dispatcher at a time has the store."""

    @abstractmethod
    def lock(self, connection: Connection) -> None:
        """From here to the end of the transaction no other dispatcher changes anything."""

    @abstractmethod
    def listed(self, name: str) -> FromClause:
        """The whole numbers of parameter `name`, as rows of a column `value`."""

    @abstractmethod
    def named(self, name: str) -> FromClause:
        """The texts of parameter `name`, as rows of a column `value`."""

    @abstractmethod
    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Whether a whole number is among those of parameter `name`."""

    @abstractmethod
    def keyed(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Whether octets are among those of parameter `name`."""

    @abstractmethod
    def many(self, values: Collection[int] | Collection[str]) -> object:
        """A parameter for `listed`, `named` and `among`."""

    @abstractmethod
    def shrink(self, connection: Connection, pages: int) -> None:
        """Give pages that are free back to the file system, at most so many."""


class Sqlite(Dialect):
    """One process has the file; its transactions begin with the right to write (BEGIN IMMEDIATE)."""

    single = True

    def lock(self, connection: Connection) -> None:
        """Nothing to do."""

    def listed(self, name: str) -> FromClause:
        return func.json_each(bindparam(name)).table_valued("value").alias("listed")

    def named(self, name: str) -> FromClause:
        return self.listed(name)

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column.in_(select(self.listed(name).c.value))

    def keyed(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column.in_(bindparam(name, expanding=True, type_=LargeBinary))

    def many(self, values: Collection[int] | Collection[str]) -> object:
        return json.dumps(list(values))

    def shrink(self, connection: Connection, pages: int) -> None:
        free, total = (
            connection.exec_driver_sql(f"PRAGMA {what}").scalar_one() for what in ("freelist_count", "page_count")
        )
        if free > 16_384 and free > total // 4:  # less than that is soon in use again
            connection.exec_driver_sql(
                f"PRAGMA incremental_vacuum({pages:d})"
            ).all()  # a row a page: fetch, or it stops


class Postgres(Dialect):
    """Several dispatchers. Who writes locks the others out until its commit: transactions are short, and there is
    no deadlock, no lane in which two dispatchers let one parcel go each, and no link to a parcel that has just ended.
    """

    single = False

    def lock(self, connection: Connection) -> None:
        connection.execute(_LOCK)

    def listed(self, name: str) -> FromClause:
        return func.unnest(bindparam(name, type_=ARRAY(BigInteger))).table_valued("value").render_derived(name="listed")

    def named(self, name: str) -> FromClause:
        return func.unnest(bindparam(name, type_=ARRAY(String))).table_valued("value").render_derived(name="named")

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column == any_(bindparam(name, type_=ARRAY(BigInteger)))

    def keyed(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column == any_(cast(bindparam(name, type_=ARRAY(LargeBinary)), ARRAY(LargeBinary)))

    def many(self, values: Collection[int] | Collection[str]) -> object:
        return list(values)

    def shrink(self, connection: Connection, pages: int) -> None:
        """Autovacuum does it."""


LOCK_NUMBER = lock_number("sluicegate")
"""One lock for each schema, in SQL."""

_LOCK = text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})")

SQLITE: Dialect = Sqlite()
POSTGRES: Dialect = Postgres()
