"""A small HTTP/1.1 client: pooled keep-alive connections to one address, one request at a time on each."""

import asyncio
from dataclasses import dataclass
from typing import cast

import httptools

MAX_ANSWER_OCTETS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``retry_after`` in seconds; None where the answer names none, or not as a number."""

    status: int
    content_type: str
    retry_after: float | None
    body: bytes


class NoAnswerError(Exception):
    """No whole answer came: no connection, a connection cut, or time ran out. `str()` says which."""


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self.usable = False
        self._forget()

    def _forget(self) -> None:
        self._content_type = ""
        self._retry_after: float | None = None
        self._body: list[bytes] = []
        self._octets = 0

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        assert self._transport is not None  # noqa: S101 - see `usable`
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiter

    def close(self) -> None:
        self.usable = False
        if self._transport:
            self._transport.abort()

    def _fail(self, why: str) -> None:
        self.usable = False
        if self._waiter and not self._waiter.done():
            self._waiter.set_exception(NoAnswerError(why))
        self.close()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        self.usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail("the connection was reset" if exc else "the connection was closed before an answer")

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.close()  # nothing was asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # ours, not the server's
        except httptools.HttpParserError as error:
            self._fail(f"the answer is not HTTP: {error}")

    # httptools' side

    def on_message_begin(self) -> None:
        self._forget()

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-type":
            self._content_type = value.decode("latin-1")
        elif name == b"retry-after":
            self._retry_after = float(value) if value.isdigit() and len(value) < 10 else None

    def on_body(self, body: bytes) -> None:
        self._octets += len(body)
        if self._octets > MAX_ANSWER_OCTETS:
            self._fail("the answer is too large")
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or self._waiter is None:
            return
        if not self._parser.should_keep_alive():
            self.usable = False
        waiter, self._waiter = self._waiter, None
        if not waiter.done():
            waiter.set_result(Answer(status, self._content_type, self._retry_after, b"".join(self._body)))


class Client:
    """Asks one HTTP server. Give each User its own, so that none waits behind another's requests."""

    def __init__(self, host: str, port: int, connections: int = 100, timeout: float = 5.0) -> None:
        """At most ``connections`` at once; ``timeout`` seconds for each request, waiting for one included."""
        self._host, self._port = host, port
        self._timeout = timeout
        self._places = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()
        self._host_field = f"host: {host}:{port}\r\n"

    async def get(self, path: str) -> Answer:
        """GET ``path``. Raises NoAnswerError."""
        return await self._ask(f"GET {path} HTTP/1.1\r\n{self._host_field}\r\n".encode("ascii"))

    async def post(self, path: str, body: bytes, content_type: str = "application/xml") -> Answer:
        """POST ``body`` to ``path``. Raises NoAnswerError."""
        head = (
            f"POST {path} HTTP/1.1\r\n{self._host_field}content-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return await self._ask(head.encode("ascii") + body)

    def close(self) -> None:
        """Cut every connection; requests under way end in NoAnswerError."""
        for connection in list(self._all):
            connection.close()
        self._all.clear()
        self._idle.clear()

    async def _ask(self, request: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._timeout), self._places:
                connection = await self._connection()
                try:
                    answer = await connection.ask(request)
                except BaseException:
                    self._drop(connection)
                    raise
        except TimeoutError:
            raise NoAnswerError(f"no answer within {self._timeout:g} s") from None
        except OSError as error:
            raise NoAnswerError(f"no connection: {error.strerror or error}") from error
        if connection.usable:
            self._idle.append(connection)
        else:
            self._drop(connection)
        return answer

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            self._drop(connection)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        self._all.add(connection)
        return connection

    def _drop(self, connection: _Connection) -> None:
        self._all.discard(connection)
        connection.close()
