"""Fixtures: servers on a loopback port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import pytest
from intake_rig import Desk, Listening, Running, settings


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture(scope="session")
def listening() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.stop()


@pytest.fixture
def serving(listening: Listening, desk: Desk) -> Iterator[Callable[..., Running]]:
    """Starts a server: `serving()`, or `serving(max_body_bytes=2048)` by keys of `[dispatch]`."""
    running: list[Running] = []

    def start(of: Any = None, **dispatch: Any) -> Running:
        made = Running(listening, of or desk, settings(**dispatch))
        running.append(made)
        return made

    yield start
    desk.gate.set()
    for made in running:
        until = monotonic() + 5
        while made.server.buffered and monotonic() < until:
            sleep(0.002)
        assert made.server.buffered == 0
        made.server.close()
