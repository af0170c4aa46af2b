"""Fixtures of several folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import thorough
from postgres import Server

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` knows ports that no connection is given

# The tests start the command hundreds of times. Where Python may not keep what it compiled, each start compiles it all
# again: 1.6 of its 2.8 CPU-seconds. The workers of pytest-xdist start after this line, and hear of it too.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

thorough.register()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL for each worker: its disk is waited for, its sessions do not unless they ask for it."""
    made = Server(fsync="on", synchronous_commit="off")
    yield made
    made.stop()
