"""Fixtures: both event loops, and a PKI."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import trustme
import uvloop


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def run(request) -> Iterator[Callable[[Awaitable[Any]], Any]]:
    """Runs a coroutine in an event loop; nothing may be left unhandled there."""
    unhandled: list[str] = []
    with asyncio.Runner(loop_factory=request.param) as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda _loop, told: unhandled.append(f"{told.get('message')}: {told}"))
        yield runner.run
    assert unhandled == []


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
