"""The door of the site: connections are bounded, and handshakes paced, for they take the time of the event loop
in which the gateway decides."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

import uvicorn

from sluicegate.front.identity import counted_as
from sluicegate.front.reception import one_less
from sluicegate.http.bounded import BoundedProtocol
from sluicegate.operations.site.allowance import Allowance

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST: Final = 64  # connections
MOST_OF_ONE: Final = 16  # from one address
HANDSHAKE: Final = 5.0  # seconds
GOODBYE: Final = 1.0  # seconds for the end of TLS
KEEP_ALIVE: Final = 15  # seconds
STOP: Final = 2  # seconds for what is under way at the end


class SiteProtocol(BoundedProtocol):
    """One connection, which says when it is gone."""

    at_end: Callable[[], None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: it is gone."""
        super().connection_lost(exc)
        if self.at_end is not None:
            self.at_end()


class Door:
    """One listening address.

    Args:
        app: what answers.
        listening: the socket. tls: what is asked of both sides; None: no TLS.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = listening
        self._tls = tls
        self._inside: dict[str, int] = {}
        self._pace = Allowance(32, 0.025)
        self._tasks: set[asyncio.Task[None]] = set()
        config = uvicorn.Config(
            app,
            http=SiteProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,  # an address is what TCP says
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=STOP,
        )
        config.load()
        self._config = config
        self._server = uvicorn.Server(config)
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]

    async def serve(self) -> None:
        """Until `close`."""
        self._loop.add_reader(self._socket.fileno(), self._accept)
        await self._server.serve(sockets=[])

    def close(self) -> None:
        """Accept no more; what is under way has a moment to end."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        self._server.should_exit = True

    def _accept(self) -> None:
        wait = self._pace.take("", monotonic())
        if wait:
            self._rest(wait)
            return
        try:
            connection, peer = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError:  # no descriptors: those of the gateway come first
            self._rest(1.0)
            return
        crowd = counted_as(str(peer[0]) if peer else "local")
        if sum(self._inside.values()) >= MOST or self._inside.get(crowd, 0) >= MOST_OF_ONE:
            connection.close()
            return
        connection.setblocking(False)
        self._inside[crowd] = self._inside.get(crowd, 0) + 1
        task = self._loop.create_task(self._enter(connection, crowd))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._loop.call_later(seconds, self._accept_again)

    def _accept_again(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket.fileno(), self._accept)

    async def _enter(self, connection: socket.socket, crowd: str) -> None:
        protocol = SiteProtocol(self._config, self._server.server_state, {}, _loop=self._loop)
        protocol.at_end = lambda: one_less(self._inside, crowd)
        secure = self._tls is not None
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE if secure else None,
                ssl_shutdown_timeout=GOODBYE if secure else None,
            )
        except (OSError, ssl.SSLError, TimeoutError):
            connection.close()
            one_less(self._inside, crowd)
