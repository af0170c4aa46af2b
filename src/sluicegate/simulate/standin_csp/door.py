"""A door: an address where connections are taken, which can be shut, so that they are refused, and opened again."""

import asyncio
import errno
import socket

from sluicegate.simulate.answering import Answerer, Connection

REOPEN_TRIES, REOPEN_PAUSE = 100, 0.02
BACKLOG = 1024


class Door:
    """One address. A socket that never listens keeps the port for as long as the door is shut."""

    def __init__(self, answerer: Answerer, most_octets: int) -> None:
        """Shut, and nowhere. ``most_octets`` is the largest body that is taken."""
        self._answerer = answerer
        self._most_octets = most_octets
        self._keeps: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._family = socket.AF_INET
        self.host, self.port = "", 0

    @property
    def is_open(self) -> bool:
        """Whether connections are taken."""
        return self._server is not None

    async def build(self, host: str, port: int) -> None:
        """Take an address, and open. Raises OSError, with the address as its file name, if it cannot be had."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self._family, address = found[0][0], found[0][4]
            self._keeps = self._bound(str(address[0]), port)
            self.host, self.port = self._keeps.getsockname()[:2]
            await self._listen()
        except OSError as error:
            self._let_go()
            raise OSError(error.errno, error.strerror or str(error), f"{host}:{port}") from None

    async def open(self) -> None:
        """Take connections again. Raises OSError if the port was lost meanwhile."""
        for _ in range(REOPEN_TRIES):
            try:
                await self._listen()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                await asyncio.sleep(REOPEN_PAUSE)  # the socket that listened before is still being closed
            else:
                return
        raise OSError(errno.EADDRINUSE, "the port was taken while the door was shut", f"{self.host}:{self.port}")

    async def _listen(self) -> None:
        sock = self._bound(self.host, self.port)
        try:
            sock.listen(BACKLOG)
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._answerer, self._connections, self._most_octets), sock=sock, backlog=BACKLOG
            )
        except BaseException:
            sock.close()
            raise

    def _bound(self, host: str, port: int) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind((host, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def shut(self) -> None:
        """Refuse connections, and reset those that are there."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.reset()

    def break_what_waits(self) -> None:
        """Reset the connections that wait for an answer."""
        for connection in list(self._connections):
            if connection.waited_for:
                connection.reset()

    async def stop(self) -> None:
        """Shut for ever."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in list(self._connections):
            connection.close()
        if server is not None:
            await server.wait_closed()
        self._let_go()

    def _let_go(self) -> None:
        if self._keeps is not None:
            self._keeps.close()
            self._keeps = None
