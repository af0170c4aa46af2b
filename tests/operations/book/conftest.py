"""Fixtures: a configuration with three Users, and a store that begins empty, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from postgres import Server
from sluicegate.operations.store.store import OperationsStore
from sluicegate.settings import load

CONFIG = """
[capacity]
maximum = 100
operating_threshold = 90
[gateway]
upstream = "http://127.0.0.1:8080"
identity = "originator"
[operations]
database = "operations.db"
[[user]]
name = "Large"
role = "IS"
ids = ["90-B3-D5-1F-30-01-00-00"]
allocation = 60
[[user]]
name = "Small"
role = "GS"
ids = ["90-B3-D5-1F-30-02-00-00"]
allocation = 30
[[user]]
name = "Network"
role = "ED"
ids = ["90-B3-D5-1F-30-03-00-00"]
allocation = 5
"""


@pytest.fixture
def settings(tmp_path):
    """Of CONFIG."""
    (tmp_path / "sluicegate.toml").write_text(CONFIG, "utf-8")
    return load(tmp_path / "sluicegate.toml")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    """An empty one."""
    where = str(tmp_path / "operations.db")
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        where = server.schema("operations")
    opened = OperationsStore(where)
    yield opened
    opened.close()
