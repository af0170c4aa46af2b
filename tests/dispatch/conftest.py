"""Fixtures: a world to set a dispatcher up in, at a pace that tests can wait for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from dispatch_rig import World

from postgres import Server
from sluicegate.dispatch import service

_schemas = count(1)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Nothing in it yet. What dispatchers do again and again they do more often here."""
    for name, seconds in (("SWEEP", 0.02), ("LOOK", 0.1), ("COUNT", 0.1)):
        monkeypatch.setattr(service, name, seconds)
    return World(tmp_path)


@pytest.fixture
def shared(world: World, postgres: Server) -> World:
    """The same, with a PostgreSQL for several dispatchers."""
    world.postgres = postgres
    world.store = postgres.schema(f"dispatchers{next(_schemas)}")
    return world
