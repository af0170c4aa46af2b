"""Look which book is in force without changing anything, the database's own tables included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import inspect

from sluicegate.database.connecting import url_of_server
from sluicegate.operations.book import versions
from sluicegate.operations.book.in_force import next_change
from sluicegate.operations.store.book_tables import book_version
from sluicegate.operations.store.store import OperationsStore


class Seen(NamedTuple):
    """version, book and since when (microseconds since 1970) of the one in force; book None: the file's count.

    later: when the next one comes into force; None: none is to come.
    """

    version: int = 0
    book: Mapping[str, float] | None = None
    since: int = 0
    later: int | None = None


def look(where: str, at: int) -> Seen:
    """What is in force in a database that may not be there yet. Raises StoreError."""
    if url_of_server(where) is None and not Path(where).exists():
        return Seen()
    store = OperationsStore(where, make=False)
    try:
        with store.reading() as connection:
            if not inspect(connection).has_table(book_version.name):
                return Seen()
            found, later = versions.in_force(connection, at), next_change(connection, at)
    finally:
        store.close()
    return Seen(later=later) if found is None else Seen(found.version, found.book, found.effective_at or 0, later)
