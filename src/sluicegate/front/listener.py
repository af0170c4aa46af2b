"""The door: connections are accepted here, and TLS handshakes paced, so that a storm of them starves nobody inside."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
from collections import OrderedDict, deque
from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.front.connection import FrontConnection
from sluicegate.front.identity import counted_as
from sluicegate.front.problems import NO_CONNECTION, problem_answer
from sluicegate.front.reception import one_less
from sluicegate.log import logger

if TYPE_CHECKING:
    from sluicegate.front.reception import Reception

AT_ONCE = 64  # connections accepted in one go, before those inside have their turn again
MOST_KNOCKING = 1000  # connections that wait to be let into a handshake
MOST_FROM_ONE = MOST_KNOCKING // 4  # of them from one address
PATIENCE = 0.02  # seconds between looks at who may shake hands next
INFINITE = float("inf")
REST = 0.5  # seconds without accepting, where there are no more descriptors
MOMENT = 0.2  # seconds in which a client that means it has begun to speak
TURN = 0.5  # seconds for which a handshake has a place
GOODBYE = 1.0  # seconds for the other side to agree to the end of TLS
HANDSHAKE = b"\x16"  # the first octet of a TLS handshake (RFC 8446, 5.1)
OTHERS = 200  # descriptors for the log, the admin listener and the files of a reload
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
TOO_MANY = problem_answer(NO_CONNECTION, "try again soon", retry_after=1, close=True)


class Door:
    """One listening address.

    A new TLS connection first has to say something, then waits for its turn: handshakes begin at a bounded rate and
    a bounded number at once, the addresses taking turns, and no address having more than a quarter of them, nor of
    those that wait. Where too many wait, the one that has been silent longest makes room, or one of the address with
    most. Addresses are told apart as `counted_as` does.
    """

    def __init__(
        self, reception: Reception, listening: socket.socket, tls: ssl.SSLContext | None, descriptors: float = INFINITE
    ) -> None:
        self._reception = reception
        self.loop = reception.loop
        self._socket = listening
        self.tls = tls
        self._descriptors = descriptors
        self._knocking: OrderedDict[str, deque[tuple[socket.socket, str]]] = OrderedDict()
        self._silent: dict[socket.socket, tuple[str, float]] = {}
        self._outside: dict[str, int] = {}
        self.shaking: dict[str, int] = {}
        self._inside: dict[str, int] = {}
        self.slow = 0
        self._tokens = 1.0
        self._filled_at = monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop.add_reader(listening.fileno(), self._accept)

    @property
    def waiting(self) -> int:
        """Connections that have not shaken hands yet."""
        return sum(self._outside.values()) + sum(self.shaking.values()) + self.slow

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in EXHAUSTED:  # those inside come first; to look again at once would take their time
                    self.loop.remove_reader(self._socket.fileno())
                    self.loop.call_later(REST, self._accept_again)
                return  # or the peer has gone
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._receive(connection, str(peer[0]) if peer else "local")

    def _accept_again(self) -> None:
        if self._socket.fileno() >= 0:
            self.loop.add_reader(self._socket.fileno(), self._accept)

    def _receive(self, connection: socket.socket, address: str) -> None:
        reception = self._reception
        desk = reception.desk
        limits = desk.limits
        crowd = counted_as(address)
        inside = len(reception.connections)
        full = (
            inside >= limits.connections
            or (self._inside.get(crowd, 0) >= limits.connections_per_address and not desk.identities.forwards(address))
            or connection.fileno() >= self._descriptors  # the lowest that was free: those above are for the upstream
        )
        if desk.identities.mode == "originator" and desk.offences.banished(crowd, monotonic()):
            connection.close()
        elif self.tls is None:
            if full:
                self._send_away(connection)
            else:
                self._enter(connection, address, None)
        elif full or self._outside.get(crowd, 0) >= MOST_FROM_ONE:
            connection.close()  # before the handshake there is nothing that could be said
        elif self.waiting >= min(MOST_KNOCKING, limits.connections - inside) and not self._make_room(crowd):
            connection.close()
        else:
            self._silent[connection] = (address, monotonic())
            self._outside[crowd] = self._outside.get(crowd, 0) + 1
            self.loop.add_reader(connection.fileno(), self._knock, connection)
            self._wake()

    def _make_room(self, crowd: str) -> bool:
        """Send somebody away who waits, in favour of an address that has fewer who do."""
        oldest = next(iter(self._silent), None)
        most = max(self._knocking, key=lambda one: len(self._knocking[one]), default=crowd)
        fewer = len(self._knocking.get(most, ())) > self._outside.get(crowd, 0) + 1
        if oldest is not None and (not fewer or self._silent[oldest][1] < monotonic() - MOMENT):
            self._forget(oldest)
            return True
        if not fewer:
            return False
        connection, _address = self._knocking[most].pop()
        one_less(self._outside, most)
        connection.close()
        return True

    def _forget(self, connection: socket.socket) -> None:
        """A connection that has said nothing ends."""
        self.loop.remove_reader(connection.fileno())
        one_less(self._outside, counted_as(self._silent.pop(connection)[0]))
        connection.close()

    def _send_away(self, connection: socket.socket) -> None:
        self._reception.desk.totals.refuse(NO_CONNECTION.name)
        with contextlib.suppress(OSError):
            connection.send(TOO_MANY)
            connection.shutdown(socket.SHUT_WR)
        connection.close()

    def _knock(self, connection: socket.socket) -> None:
        """It said something: if that begins a handshake, it may queue for one."""
        try:
            said = connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            said = b""
        if said != HANDSHAKE:  # or it has gone; neither may cost those who queue their turn
            self._reception.desk.totals.handshake_failures += 1
            self._forget(connection)
            return
        self.loop.remove_reader(connection.fileno())
        address, _since = self._silent.pop(connection)
        self._knocking.setdefault(counted_as(address), deque()).append((connection, address))
        self.let_in()

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(PATIENCE, self._look)

    def _look(self) -> None:
        self._timer = None
        before = monotonic() - self._reception.desk.timeouts.handshake
        for connection, (_address, since) in list(self._silent.items()):
            if since < before:
                self._forget(connection)
        self.let_in()
        if self._silent or self._knocking:
            self._wake()

    def let_in(self) -> None:
        """Let those whose turn it is begin their handshakes."""
        limits = self._reception.desk.limits
        now = monotonic()
        burst = max(1.0, limits.handshakes_per_second / 10)
        self._tokens = min(burst, self._tokens + (now - self._filled_at) * limits.handshakes_per_second)
        self._filled_at = now
        shaking = sum(self.shaking.values())
        most = max(1, limits.handshakes_at_once // 4)
        for crowd in list(self._knocking):
            if self._tokens < 1.0 or shaking >= limits.handshakes_at_once:
                break
            if self.shaking.get(crowd, 0) >= most:
                continue
            queue = self._knocking[crowd]
            connection, address = queue.popleft()
            self._knocking.move_to_end(crowd)
            if not queue:
                del self._knocking[crowd]
            one_less(self._outside, crowd)
            self._tokens -= 1.0
            shaking += 1
            self.shaking[crowd] = self.shaking.get(crowd, 0) + 1
            self._enter(connection, address, self.tls)
        if self._knocking:
            self._wake()

    def _enter(self, connection: socket.socket, address: str, tls: ssl.SSLContext | None) -> None:
        crowd = counted_as(address)
        self._inside[crowd] = self._inside.get(crowd, 0) + 1
        task = self.loop.create_task(self._serve(connection, address, tls))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket, address: str, tls: ssl.SSLContext | None) -> None:
        front = FrontConnection(self._reception, address)
        crowd = counted_as(address)
        front.at_end = lambda: one_less(self._inside, crowd)
        handshake = self._reception.desk.timeouts.handshake if tls is not None else None
        turn = Turn(self, crowd) if tls is not None else None
        goodbye = GOODBYE if tls is not None else None
        try:
            await self.loop.connect_accepted_socket(
                lambda: front, connection, ssl=tls, ssl_handshake_timeout=handshake, ssl_shutdown_timeout=goodbye
            )
        except (OSError, ssl.SSLError, ConnectionError, TimeoutError):
            self._reception.desk.totals.handshake_failures += tls is not None
            connection.close()
            front.leave()
        finally:
            if turn is not None:
                turn.over()

    def close(self) -> None:
        """Accept no more; who waits outside is sent away."""
        if self.tls is None:
            self._accept()  # they have connected, and may have sent their requests
        self.loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for connection in list(self._silent):
            self.loop.remove_reader(connection.fileno())
            connection.close()
        for queue in self._knocking.values():
            for connection, _address in queue:
                connection.close()
        self._silent.clear()
        self._knocking.clear()
        self._outside.clear()
        if self._timer is not None:
            self._timer.cancel()


class Turn:
    """One handshake. It has a place for a moment; one that takes longer waits beside those that have theirs.

    What costs the others is the beginning of a handshake, and that is paced; a sender that falls silent in the middle
    of one costs nothing, and must not keep a place from them.
    """

    def __init__(self, door: Door, crowd: str) -> None:
        self._door = door
        self._crowd = crowd
        self._has_place = True
        self._timer = door.loop.call_later(TURN, self._give_way)

    def _give_way(self) -> None:
        self._has_place = False
        one_less(self._door.shaking, self._crowd)
        self._door.slow += 1
        self._door.let_in()

    def over(self) -> None:
        """The handshake has ended, well or not."""
        self._timer.cancel()
        if self._has_place:
            one_less(self._door.shaking, self._crowd)
        else:
            self._door.slow -= 1
        self._door.let_in()


def descriptors_for_senders(connections: int, upstream: int) -> float:
    """Up to which number descriptors are for senders, so that the way to the upstream never lacks one.

    Raises the process's limit as far as it may. Where it is still too low, each side has its part of it.

    Args:
        connections: how many senders there may be.
        upstream: how many connections to the upstream.
    """
    soft, hard = (limit if limit >= 0 else INFINITE for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    needed = connections + MOST_KNOCKING + upstream + OTHERS
    if soft < needed and soft < hard:
        soft = min(hard, needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), int(hard) if hard < INFINITE else -1))
    if soft < needed:
        logger().warning("too few descriptors", limit=int(soft), needed=needed, do="raise the limit of open files")
        return (soft - min(OTHERS, soft / 4)) * connections / (connections + upstream)
    return soft - upstream - OTHERS
