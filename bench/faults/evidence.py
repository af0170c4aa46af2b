"""What is left behind when all is over: the store's tables, the CSPs' journals, what reached the Users."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sluicegate.dispatch.parcel import Kind, State

QUERY = 'SELECT kind, "key", digest, destination, state, code FROM parcel'


class Row(NamedTuple):
    """A parcel as it stands in the store."""

    kind: Kind
    key: bytes
    digest: bytes
    destination: str
    state: State
    code: str


class Arrival(NamedTuple):
    """A line of a CSP's journal."""

    at: float
    again: bool
    request_id: str
    attempt: int
    marked: bool
    kind: str


class Told(NamedTuple):
    """A Response that reached a User."""

    request_id: str
    code: str
    taken: bool
    marked: bool
    late: bool


@dataclass
class Evidence:
    """All of it."""

    rows: list[Row]
    arrivals: dict[str, list[Arrival]]
    """By CSP, in the order in which they came."""
    told: list[Told]
    executed: dict[str, set[str]] = field(default_factory=dict)
    """RequestIDs that a CSP has executed, of those CSPs that post outcomes."""
    broken: str = ""
    """What the database says of itself, where it is not whole."""


def rows_of_sqlite(path: Path) -> tuple[list[Row], str]:
    """The parcels of a file that no dispatcher has, and what is wrong with the file ("": nothing)."""
    connection = sqlite3.connect(path)
    try:
        whole = connection.execute("PRAGMA integrity_check(5)").fetchall()
        rows = _rows(connection.execute(QUERY))
    finally:
        connection.close()
    return rows, "" if whole == [("ok",)] else str(whole)


def rows_of_postgres(url: str) -> list[Row]:
    """The parcels of a server."""
    import psycopg

    with psycopg.connect(url) as connection:
        return _rows(connection.execute(QUERY))


def _rows(found: Iterable[Any]) -> list[Row]:
    return [
        Row(Kind(kind), bytes(key), bytes(digest), destination, State(state), code)
        for kind, key, digest, destination, state, code in found
    ]


def arrivals_of(journal: Path) -> list[Arrival]:
    """The lines of a journal."""
    found = []
    for line in journal.read_text("ascii").splitlines():
        at, again, request_id, attempt, marked, kind = line.split(" ")
        found.append(Arrival(float(at), again == "again", request_id, int(attempt), marked == "marked", kind))
    return found


def told_of(rows: Iterable[dict[str, Any]]) -> list[Told]:
    """What a stand-in User remembers. What it answered badly it may not have taken."""
    taken = {"taken", "repeated", "dropped", "cut"}
    return [
        Told(
            row["request_id"], row["code"], row["kind"] in taken, row["repeat"].lower() == "yes",
            row["late"].lower() == "yes",
        )
        for row in rows
    ]  # fmt: skip
