"""Fixtures: one PostgreSQL for each worker, and stores that begin empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from store_servers import Server

from sluicegate.dispatch.store.interface import Store
from sluicegate.dispatch.store.opening import open_store

_schemas = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL that keeps what it says."""
    made = Server(fsync="on", synchronous_commit="off")  # the store asks for more itself
    yield made
    made.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for a store."""
    if request.param == "sqlite":
        return str(tmp_path / "dispatch.db")
    server: Server = request.getfixturevalue("server")
    return server.schema(f"test{next(_schemas)}")


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
    place = server.schema(f"test{next(_schemas)}")
    return lambda **how: opener(place, **how)
