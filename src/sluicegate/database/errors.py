"""What a database could not do, and from what a driver says to that. No parameters, no statements, no passwords."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError


class StoreError(Exception):
    """The store could not do it: nothing of the transaction is there, or (a lost connection) it is not known."""


class StoreFull(StoreError):  # noqa: N818 - named after what has happened
    """No space is left."""


class StoreLost(StoreError):  # noqa: N818
    """The connection is gone: whether the last transaction is there is not known. The next one connects again."""


class StoreHeld(StoreError):  # noqa: N818
    """Somebody else has held the store for longer than any transaction takes."""


class NotDurable(StoreError):  # noqa: N818
    """The database does not keep what it has said it would: it is not used."""


TEXT = 300
"""Characters of what a driver said that are passed on."""

PRIMARY = 0xFF
"""SQLite: the code behind an extended one."""


@contextmanager
def translating(name: str) -> Iterator[None]:
    """Turn errors of the database into the store's own. `name` says which store, without a password."""
    try:
        yield
    except SQLAlchemyError as error:
        raise translated(error, name) from None  # its own text, and a driver's details, may show a row


def translated(error: SQLAlchemyError, name: str) -> StoreError:
    """The store's own error for one of the database."""
    original = getattr(error, "orig", None)
    says = f"the store {name}: {_text(original or error)}"
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, says)
    if isinstance(error, DBAPIError):
        return _of_postgres(error, says)
    return StoreError(says)


def _of_sqlite(original: sqlite3.Error, says: str) -> StoreError:
    code = getattr(original, "sqlite_errorcode", 0) & PRIMARY
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(says)
    if code == sqlite3.SQLITE_IOERR:  # a commit whose fsync failed may be there or not: read the file anew
        return StoreLost(says)
    return StoreError(says)


def _of_postgres(error: DBAPIError, says: str) -> StoreError:
    state = getattr(error.orig, "sqlstate", None) or ""
    if state == "53100" or (state == "58030" and "No space left" in says):
        return StoreFull(says)
    if state == "55P03":
        return StoreHeld(says)
    if error.connection_invalidated or state.startswith(("08", "57P")) or state in {"25P03", "25P04"}:
        return StoreLost(says)
    if not state and type(error).__name__ == "OperationalError":  # libpq's own: no server has said anything
        return StoreLost(says)
    return StoreError(says)


def _text(original: BaseException) -> str:
    diagnosis: Any = getattr(original, "diag", None)
    told = getattr(diagnosis, "message_primary", None) or str(original) or type(original).__name__
    return " ".join(told.split())[:TEXT]
