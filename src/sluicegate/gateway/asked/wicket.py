"""The wicket: where proxies ask over HTTP. A front of its own, with the bounds of `[ask]`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sluicegate.front.identity import Sender
from sluicegate.front.offences import Offences
from sluicegate.gateway.asked.told import Told, told_by_fields
from sluicegate.http.heads import KnownHeads

if TYPE_CHECKING:
    from sluicegate.gateway.desk import Desk
    from sluicegate.http.heads import RequestHead
    from sluicegate.operations.tally import Totals
    from sluicegate.settings import Ask, Limits, Timeouts


class Proxies:
    """Who is on the other end of a connection: a proxy, let in by TLS or by being on this machine. See `Identities`."""

    mode = "forwarded-certificate"

    def of_connection(self, _address: str, _certificate: bytes | None) -> Sender | None:
        """A proxy sends for others: nothing is held against the connection."""
        return Sender("", {})

    def of_field(self, _field: bytes, address: str) -> Sender:
        """Not asked: what the fields say of a User is read with the rest of them."""
        raise NotImplementedError(address)

    def forwards(self, _address: str) -> bool:
        """Always."""
        return True


class Wicket:
    """See `front.house.House`.

    Attributes:
        desk: who decides.
        buffered: octets of questions that are being read.
    """

    half_is_gone = False

    def __init__(self, desk: Desk, ask: Ask, loop: asyncio.AbstractEventLoop) -> None:
        self.desk = desk
        self.loop = loop
        self.identities = Proxies()
        self.offences = Offences()
        self.max_body = ask.max_body_bytes
        self.most_buffered = ask.max_body_bytes * ask.connections
        self.buffered = 0
        self._connections = ask.connections
        self._told: KnownHeads[Told] = KnownHeads()
        self._generation = -1
        self._renew()

    def _renew(self) -> None:
        settings = self.desk.settings
        self._generation = self.desk.generation
        self._limits = settings.gateway.limits.model_copy(update={"connections": self._connections})
        field = settings.ask.certificate_field if settings.ask is not None else "client-cert"
        self._certificate_field = field.encode()
        self._told.clear()

    def told(self, head: RequestHead) -> Told:
        """What the fields of a question tell. Raises BadHead."""
        if self._generation != self.desk.generation:
            self._renew()
        key = head.passed + (head.certificate or b"")
        told = self._told.get(key)
        if told is None:
            told = told_by_fields(head, self._certificate_field)
            self._told.learn(key, told)
        return told

    def count(self) -> None:
        """One question more."""
        self.desk.totals.asked_http += 1

    @property
    def generation(self) -> int:
        """Of the desk."""
        return self.desk.generation

    @property
    def head_seconds(self) -> float:
        """For all fields of a question."""
        return self.desk.head_seconds

    @property
    def idle_seconds(self) -> float:
        """Without a question."""
        return self.desk.idle_seconds

    @property
    def draining(self) -> bool:
        """Whether the gateway is stopping."""
        return self.desk.draining

    @property
    def timeouts(self) -> Timeouts:
        """Those of the gateway."""
        return self.desk.timeouts

    @property
    def limits(self) -> Limits:
        """Those of the gateway, and the connections of `[ask]`."""
        if self._generation != self.desk.generation:
            self._renew()
        return self._limits

    @property
    def totals(self) -> Totals:
        """What is counted."""
        return self.desk.totals

    def tell_time(self) -> None:
        """The desk does."""
