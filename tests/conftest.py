"""Fixtures of several folders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postgres import Server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL for each worker: its disk is waited for, its sessions do not unless they ask for it."""
    made = Server(fsync="on", synchronous_commit="off")
    yield made
    made.stop()
