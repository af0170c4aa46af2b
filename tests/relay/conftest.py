"""Fixtures: a bench to make desks on."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # ports are chosen as `bench` chooses them

import pytest
from relay_rig import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """No desk yet."""
    return Bench(tmp_path)
