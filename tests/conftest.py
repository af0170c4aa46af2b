"""Fixtures of several folders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from postgres import Server

# How long an example takes is the machine's affair: a busy one must not fail a rule. CI is a profile of its own.
settings.register_profile("sluicegate", settings.get_profile("default"), deadline=None)
settings.load_profile("sluicegate")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL for each worker: its disk is waited for, its sessions do not unless they ask for it."""
    made = Server(fsync="on", synchronous_commit="off")
    yield made
    made.stop()
