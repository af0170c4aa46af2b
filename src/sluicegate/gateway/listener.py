"""The door: connections are accepted here, and TLS handshakes paced, so that a storm of them starves nobody inside."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import OrderedDict, deque
from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.gateway.answers import NO_CONNECTION, Problem, problem_answer
from sluicegate.gateway.front import FrontConnection

if TYPE_CHECKING:
    from sluicegate.gateway.front import Reception

BACKLOG = 1024
AT_ONCE = 64  # connections accepted in one go, before those inside have their turn again
MOST_KNOCKING = 1000  # connections that wait to be let into a handshake
PATIENCE = 0.02  # seconds between looks at who may shake hands next
TOO_MANY = problem_answer(NO_CONNECTION, "try again soon", retry_after=1, close=True)


class Door:
    """One listening address.

    A new TLS connection first has to say something, then waits for its turn: handshakes begin at a bounded rate and
    a bounded number at once, the addresses taking turns, and no address having more than a quarter of them.
    """

    def __init__(self, reception: Reception, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._reception = reception
        self._loop = reception.loop
        self._socket = listening
        self.tls = tls
        self._knocking: OrderedDict[str, deque[tuple[socket.socket, float]]] = OrderedDict()
        self._silent: dict[socket.socket, tuple[str, float]] = {}
        self._shaking: dict[str, int] = {}
        self._inside: dict[str, int] = {}
        self._tokens = 1.0
        self._filled_at = monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop.add_reader(listening.fileno(), self._accept)

    @property
    def waiting(self) -> int:
        """Connections that have not shaken hands yet."""
        return len(self._silent) + sum(map(len, self._knocking.values())) + sum(self._shaking.values())

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # no more descriptors, or the peer has gone: those inside come first
                return
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._receive(connection, str(peer[0]) if peer else "local")

    def _receive(self, connection: socket.socket, address: str) -> None:
        reception = self._reception
        limits = reception.desk.settings.gateway.limits
        refused = None
        if (
            len(reception.connections) + self.waiting >= limits.connections
            or self._inside.get(address, 0) >= limits.connections_per_address
        ):
            refused = NO_CONNECTION
        if reception.desk.identities.mode == "originator" and reception.desk.offences.banished(address, monotonic()):
            connection.close()
            return
        if self.tls is None:
            if refused is not None:
                self._send_away(connection)
            else:
                self._enter(connection, address, None, None)
        elif refused is not None or self.waiting >= MOST_KNOCKING:
            connection.close()  # before the handshake there is nothing that could be said
        else:
            self._silent[connection] = (address, monotonic())
            self._loop.add_reader(connection.fileno(), self._knock, connection)
            self._wake()

    def _send_away(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.send(TOO_MANY)
            connection.shutdown(socket.SHUT_WR)
        connection.close()

    def _knock(self, connection: socket.socket) -> None:
        """It said something: it may queue for a handshake."""
        self._loop.remove_reader(connection.fileno())
        address, since = self._silent.pop(connection)
        self._knocking.setdefault(address, deque()).append((connection, since))
        self._let_in()

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(PATIENCE, self._look)

    def _look(self) -> None:
        self._timer = None
        before = monotonic() - self._reception.desk.settings.gateway.timeouts.handshake
        for connection, (_address, since) in list(self._silent.items()):
            if since < before:
                self._loop.remove_reader(connection.fileno())
                del self._silent[connection]
                connection.close()
        self._let_in()
        if self._silent or self._knocking:
            self._wake()

    def _let_in(self) -> None:
        limits = self._reception.desk.settings.gateway.limits
        now = monotonic()
        burst = max(1.0, limits.handshakes_per_second / 10)
        self._tokens = min(burst, self._tokens + (now - self._filled_at) * limits.handshakes_per_second)
        self._filled_at = now
        shaking = sum(self._shaking.values())
        most = max(1, limits.handshakes_at_once // 4)
        for address in list(self._knocking):
            if self._tokens < 1.0 or shaking >= limits.handshakes_at_once:
                break
            if self._shaking.get(address, 0) >= most:
                continue
            queue = self._knocking[address]
            connection, _since = queue.popleft()
            self._knocking.move_to_end(address)
            if not queue:
                del self._knocking[address]
            self._tokens -= 1.0
            shaking += 1
            self._shaking[address] = self._shaking.get(address, 0) + 1
            self._enter(connection, address, self.tls, None)
        if self._knocking:
            self._wake()

    def _enter(
        self, connection: socket.socket, address: str, tls: ssl.SSLContext | None, refused: Problem | None
    ) -> None:
        self._inside[address] = self._inside.get(address, 0) + 1
        task = self._loop.create_task(self._serve(connection, address, tls, refused))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, connection: socket.socket, address: str, tls: ssl.SSLContext | None, refused: Problem | None
    ) -> None:
        front = FrontConnection(self._reception, address, refused)
        front.at_end = lambda: _less(self._inside, address)
        handshake = self._reception.desk.settings.gateway.timeouts.handshake if tls is not None else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: front, connection, ssl=tls, ssl_handshake_timeout=handshake
            )
        except (OSError, ssl.SSLError, ConnectionError, TimeoutError):
            self._reception.desk.totals.handshake_failures += tls is not None
            connection.close()
            front.leave()
        finally:
            if tls is not None:
                _less(self._shaking, address)
                self._let_in()

    def close(self) -> None:
        """Accept no more; who waits outside is sent away."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for connection in list(self._silent):
            self._loop.remove_reader(connection.fileno())
            connection.close()
        for queue in self._knocking.values():
            for connection, _since in queue:
                connection.close()
        self._silent.clear()
        self._knocking.clear()
        if self._timer is not None:
            self._timer.cancel()


def _less(counts: dict[str, int], key: str) -> None:
    left = counts.get(key, 0) - 1
    if left > 0:
        counts[key] = left
    else:
        counts.pop(key, None)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError, whose text names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _name, address = next((f for f in found if f[0] == family), found[0])
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listening


def server_context(certificate: str, key: str, client_ca: str | None, client_crl: str | None) -> ssl.SSLContext:
    """TLS 1.2 and later, with mandatory client certificates where there is a `client_ca`.

    Raises:
        OSError: a file cannot be read, or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
        if client_crl is not None:
            context.load_verify_locations(client_crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context
