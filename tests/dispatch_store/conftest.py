"""Fixtures: stores that begin empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postgres import Server
from sluicegate.dispatch.store.interface import Store
from sluicegate.dispatch.store.opening import open_store
from sluicegate.dispatch.store.tables import VERSION, metadata


@pytest.fixture(scope="session")
def server(postgres: Server) -> Server:
    """A PostgreSQL that keeps what it says."""
    return postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for a store."""
    if request.param == "sqlite":
        return str(tmp_path / "dispatch.db")
    server: Server = request.getfixturevalue("server")
    return emptied(server)


def emptied(server: Server) -> str:
    """A PostgreSQL store with nothing in it; to make its tables each time would take longer than most tests."""
    if not server.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'emptied'"):
        open_store(server.schema("emptied")).close()
    tables = ", ".join(f"emptied.{name}" for name in metadata.tables)
    server.execute(f"TRUNCATE {tables}", f"INSERT INTO emptied.meta VALUES ('schema', '{VERSION}')")
    return server.url(options="-csearch_path=emptied")


@pytest.fixture
def opener() -> Iterator[Callable[..., Store]]:
    """Opens stores, and closes them at the end."""
    opened: list[Store] = []

    def opens(place: str, **how: float) -> Store:
        opened.append(open_store(place, **how))  # type: ignore[arg-type]
        return opened[-1]

    yield opens
    for one in reversed(opened):
        one.close()


@pytest.fixture
def store(where: str, opener: Callable[..., Store]) -> Store:
    """An empty store."""
    return opener(where)


@pytest.fixture
def shared(server: Server, opener: Callable[..., Store]) -> Callable[..., Store]:
    """Opens one PostgreSQL store as often as you like: each time another dispatcher."""
    place = emptied(server)
    return lambda **how: opener(place, **how)
