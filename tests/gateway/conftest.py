"""Fixtures: an upstream that does what it is told, and gateways before it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `bench` knows how to change what deploy/ ships

import pytest
from rig import Process, Running, ScriptedUpstream, configuration


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Answers 200 unless its `script` is set to something else."""
    made = ScriptedUpstream()
    yield made
    made.close()
    assert made.errors == []


@pytest.fixture
def gateway(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts gateways: `gateway()`, `gateway(capacity={...})` by tables, or `gateway(text)` by a whole TOML text."""
    running: list[Running] = []

    def start(text: str | None = None, **tables: Mapping[str, Any]) -> Running:
        made = Running(text or configuration(upstream.url, **tables), tmp_path)
        running.append(made)
        return made

    yield start
    upstream.released.set()
    for made in running:
        made.stop()
    for made in running:
        assert made.unhandled == []


@pytest.fixture
def process(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `sluicegate serve` on free ports: `process()`, `process(capacity={...})` or `process(text)`."""
    running: list[Process] = []

    def start(text: str | None = None, stderr: Any = None, ready: bool = True, **tables: Mapping[str, Any]) -> Process:
        config = tmp_path / f"gateway-{len(running)}.toml"
        made = Process(config, text or configuration(upstream.url, **tables), stderr, ready)
        running.append(made)
        return made

    yield start
    upstream.released.set()
    for made in running:
        made.stop()
