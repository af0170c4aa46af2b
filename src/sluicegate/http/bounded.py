"""uvicorn's HTTP protocol, with bounds that it has not: the size of a head, and the time until the first one."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 65_536  # octets of a request's head
BODY = 120.0  # seconds for a body: the server has a shorter time for what comes in pieces
FIRST_HEAD = 10.0  # seconds until a connection has said what it wants; later ones end after `timeout_keep_alive`
ABORT = "sluicegate.abort"  # among the extensions of a request: ends the connection, with what was not read of it


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A head that is too large or does not come, or a body that does not, ends it."""

    _in_head = True
    _head = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Asyncio: somebody has connected."""
        super().connection_made(transport)
        self._late = self.loop.call_later(FIRST_HEAD, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: it is gone."""
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Asyncio: octets."""
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > MOST_HEAD:
                self.transport.close()

    def on_message_begin(self) -> None:
        """Httptools: a request begins."""
        self._in_head, self._head = True, 0
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"now": self.transport.abort}}

    def on_headers_complete(self) -> None:
        """Httptools: its head is whole."""
        self._in_head = False
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_later(BODY, self.transport.close)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Httptools: all of it is here."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
        super().on_message_complete()
