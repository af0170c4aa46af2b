"""The relay's door: the gateway's own front, for a User's systems."""

from __future__ import annotations

import asyncio
import socket
import ssl
from email.utils import formatdate
from time import monotonic
from typing import Any, Final, NamedTuple

from sluicegate.front.identity import Identities
from sluicegate.front.listener import Door as Listener
from sluicegate.front.listener import descriptors_for_senders
from sluicegate.front.offences import Offences
from sluicegate.front.reception import Reception
from sluicegate.front.tls import server_context
from sluicegate.http.heads import RequestHead
from sluicegate.relay.exchange import CLASS, DEADLINE, RelayExchange, Takes
from sluicegate.settings import Network
from sluicegate.settings.relaying import Relay

SWEEP: Final = 0.25  # seconds
SOON: Final = 0.02
MOST_HEADS: Final = 1024
"""Sets of fields that are remembered: a system sends the same ones again and again."""
OURS: Final = frozenset((b"host", DEADLINE, CLASS))


class Passed(NamedTuple):
    """What of a request's fields goes on, and what they ask of the relay."""

    passed: dict[str, str]
    deadline: str | None
    class_name: str | None


class Counters:
    """What is counted at the door. refused: by problem."""

    def __init__(self) -> None:
        self.connections = 0
        self.handshake_failures = 0
        self.refused: dict[str, int] = {}

    def refuse(self, problem: str) -> None:
        """Count one refusal."""
        self.refused[problem] = self.refused.get(problem, 0) + 1


class _Anybody:
    identity = "originator"
    trusted_proxies: tuple[Network, ...] = ()


class Foyer:
    """See `front.house.House`. Whoever can connect may send: the relay stands among the User's own systems."""

    def __init__(self, relay: Relay, desk: Takes) -> None:
        self.desk = desk
        self.timeouts = relay.timeouts
        self.limits = relay.limits
        self.head_seconds, self.idle_seconds = relay.timeouts.head, relay.timeouts.idle
        self.max_body = relay.max_body_bytes
        self.most_buffered = relay.limits.buffered_octets
        self.buffered = 0
        self.draining = False
        self.half_is_gone = True
        self.generation = 0
        self.offences = Offences()
        self.totals = Counters()
        self.identities: Identities[Any] = Identities(_Anybody(), {}, {})
        self.date = b""
        self._known: dict[bytes, Passed] = {}
        self.tell_time()

    def tell_time(self) -> None:
        """Write down the Date of answers."""
        self.date = b"Date: %b\r\n" % formatdate(usegmt=True).encode()

    def fields_of(self, head: RequestHead) -> Passed:
        """What of a request's fields goes on to the gateway."""
        found = self._known.get(head.passed)
        if found is None:
            if len(self._known) >= MOST_HEADS:
                self._known.clear()
            found = self._known[head.passed] = _passed(head.passed)
        return found


class Door:
    """Where the User's systems send to.

    Args:
        relay: the settings.
        desk: takes what comes.
    """

    def __init__(self, relay: Relay, desk: Takes) -> None:
        self._relay = relay
        self.foyer = Foyer(relay, desk)
        self._sweeping: asyncio.Task[None] | None = None

    async def open(self, listening: socket.socket) -> None:
        """Begin to accept. Raises OSError where a TLS file cannot be used."""
        loop, foyer = asyncio.get_running_loop(), self.foyer
        context: ssl.SSLContext | None = None
        tls = self._relay.tls
        if tls is not None:
            files = (
                str(tls.certificate),
                str(tls.key),
                *(str(f) if f else None for f in (tls.client_ca, tls.client_crl)),
            )
            context = await asyncio.to_thread(server_context, *files)  # type: ignore[arg-type]
        self._reception = Reception(loop, foyer, None, lambda front: RelayExchange(front, foyer))
        senders = descriptors_for_senders(foyer.limits.connections, self._relay.connections)
        self._listener = Listener(self._reception, listening, context, senders)
        self._sweeping = loop.create_task(self._sweep())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self._reception.sweep(monotonic())

    def stop_listening(self) -> None:
        """Accept nobody any more; who is there has its answers, and then the connection ends."""
        self.foyer.draining = True
        self._listener.close()
        for connection in list(self._reception.connections):
            connection.drain()

    async def close(self) -> None:
        """Let go of who is still there, once all that was asked is answered."""
        until = monotonic() + 1.0
        while self._reception.connections and monotonic() < until:
            await asyncio.sleep(SOON)
        for connection in list(self._reception.connections):
            connection.cut()
        await asyncio.sleep(SOON)  # for the loop to take leave of them
        if self._sweeping is not None:
            self._sweeping.cancel()


def _passed(lines: bytes) -> Passed:
    passed: dict[str, str] = {}
    asked: dict[bytes, str] = {}
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        lower = name.lower()
        if not colon:
            continue
        text = value.strip(b" \t").decode("latin-1")
        if lower in OURS:
            asked[lower] = text
        else:
            shown = name.decode("latin-1")
            passed[shown] = f"{passed[shown]}, {text}" if shown in passed else text
    return Passed(passed, asked.get(DEADLINE), asked.get(CLASS))
