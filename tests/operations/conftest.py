"""Fixtures: an operations store that begins empty, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postgres import Server
from sluicegate.operations.store.store import OperationsStore


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for a store."""
    if request.param == "sqlite":
        return str(tmp_path / "operations.db")
    server: Server = request.getfixturevalue("postgres")
    return server.schema("operations")


@pytest.fixture
def opener(where: str) -> Iterator[Callable[[], OperationsStore]]:
    """Opens the same store as often as you like, as several processes would."""
    opened: list[OperationsStore] = []

    def opens() -> OperationsStore:
        opened.append(OperationsStore(where))
        return opened[-1]

    yield opens
    for one in reversed(opened):
        one.close()


@pytest.fixture
def store(opener: Callable[[], OperationsStore]) -> OperationsStore:
    """An empty one."""
    return opener()
