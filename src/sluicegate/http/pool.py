"""The pool of connections to the upstream."""

from __future__ import annotations

import asyncio
import socket
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from sluicegate.http.breaker import Breaker
from sluicegate.http.heads import KnownAnswer, KnownHeads
from sluicegate.http.upstream import Asker, UpstreamConnection
from sluicegate.log import logger
from sluicegate.settings import Upstream as Address

if TYPE_CHECKING:
    from collections.abc import Callable


GOODBYE = 1.0  # seconds for the other side to agree to the end of TLS
TOLD_EVERY = 1.0  # seconds between log lines about connections that could not be made


class Waits(Protocol):
    """How long is waited for connections, and how long they are kept; `settings.Timeouts` has both."""

    @property
    def upstream_connect(self) -> float:
        """Seconds that making a connection may take."""

    @property
    def upstream_idle(self) -> float:
        """Seconds after which an idle connection is not used any more."""


class Pool:
    """Connections to one upstream. The one that was used last is used next, so that what is not needed grows idle.

    Args:
        loop: the event loop.
        upstream: its address.
        timeouts: `upstream_connect` and `upstream_idle`, in seconds.
        breaker: is told of connections that were made, and that were not. None: nobody asks.
        tls: a context for https, or None.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        upstream: Address,
        timeouts: Waits,
        breaker: Breaker | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._loop = loop
        self.upstream = upstream
        self._timeouts = timeouts
        self._breaker = breaker if breaker is not None else Breaker()
        self._tls = tls
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._told_at = -TOLD_EVERY
        self.known: KnownHeads[KnownAnswer] = KnownHeads()

    def __len__(self) -> int:
        return len(self._all)

    def take(self) -> UpstreamConnection | None:
        """A connection that is ready, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            transport = connection.transport
            if transport is not None and not transport.is_closing():
                return connection
        return None

    def connect(self, asker: Asker) -> Callable[[], object]:
        """Make a connection for somebody; it is told how that went. Returns what calls it off."""
        task = self._loop.create_task(self._connect(asker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task.cancel

    async def _connect(self, asker: Asker) -> None:
        try:
            async with asyncio.timeout(self._timeouts.upstream_connect):
                _transport, connection = await self._loop.create_connection(
                    lambda: UpstreamConnection(self),
                    self.upstream.host,
                    self.upstream.port,
                    ssl=self._tls,
                    server_hostname=self.upstream.host if self._tls else None,
                    ssl_shutdown_timeout=GOODBYE if self._tls else None,
                )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            self._breaker.failed(monotonic())
            asker.unreachable(self._why(error))
            return
        except asyncio.CancelledError:
            self._breaker.unanswered()
            raise
        self._breaker.connected()
        self._all.add(connection)
        asker.connected(connection)

    def _why(self, error: Exception) -> str:
        """Why there is no connection, as the asker is told. The log is told more, now and then."""
        now = monotonic()
        if now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            logger().warning("no connection to the upstream", upstream=str(self.upstream), why=repr(error))
        return why_for_senders(error)

    def give(self, connection: UpstreamConnection) -> None:
        """The connection is free for the next request."""
        if self._closed or connection not in self._all:
            connection.close()
            return
        connection.idle_since = monotonic()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """The connection is ending."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long."""
        before = now - self._timeouts.upstream_idle
        while self._idle and self._idle[0].idle_since < before:
            self._idle[0].close()

    def close(self) -> None:
        """Close what is idle now, and the rest as soon as it has carried its request."""
        self._closed = True
        for connection in list(self._idle):
            connection.close()

    def cut(self) -> None:
        """End all connections at once."""
        self._closed = True
        for connection in list(self._all):
            connection.abort()


def why_for_senders(error: Exception) -> str:
    """Why there is no connection, for the sender: nothing of the names and addresses behind the gateway."""
    if isinstance(error, ssl.SSLError):
        return "it and the gateway cannot agree on TLS"
    if isinstance(error, TimeoutError):
        return "no connection within the time allowed"
    if isinstance(error, ConnectionRefusedError):
        return "it refuses connections"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    return "the network does not lead there"
