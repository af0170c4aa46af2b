"""Fixtures: a bench to make desks on."""

from __future__ import annotations

from pathlib import Path

import pytest
from relay_rig import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """No desk yet."""
    return Bench(tmp_path)
