"""What all connections of a gateway have in common."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sluicegate.http.heads import KnownHeads, KnownRequest

if TYPE_CHECKING:
    from sluicegate.front.connection import FrontConnection
    from sluicegate.front.exchange import Answered, Making
    from sluicegate.front.house import House
    from sluicegate.http.pool import Pool


class Reception:
    """What all connections of a gateway have in common.

    Attributes:
        loop: the event loop.
        desk: the rules in force.
        make: makes the exchange of a request.
        pool: the connections to the upstream, if its exchanges use one. A reload may put another one in its place.
        prefix: what stands before every path at the upstream.
        connections: those that are open.
        of_certificate: how many of them there are of each certificate, where the gateway itself ends TLS.
        orphans: requests at the upstream whose senders have gone.
        known: request heads that were read before.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, desk: House, pool: Pool | None, make: Making) -> None:
        self.loop = loop
        self.desk = desk
        self.make = make
        self.pool = pool
        self.prefix = pool.upstream.prefix.encode() if pool is not None else b""
        self.connections: set[FrontConnection] = set()
        self.of_certificate: dict[str, int] = {}
        self.orphans: set[Answered] = set()
        self.known: KnownHeads[KnownRequest] = KnownHeads()

    def sweep(self, now: float) -> None:
        """End what has taken too long. Called a few times a second; nothing on the path of a request keeps a timer."""
        for connection in [c for c in self.connections if c.deadline <= now]:
            connection.overdue(now)
        carried = [c.exchange for c in self.connections if c.exchange is not None]
        self.orphans = {exchange for exchange in self.orphans if exchange.waits}
        for exchange in (*carried, *self.orphans):
            if exchange.overdue(now):
                exchange.too_slow()
        if self.pool is not None:
            self.pool.sweep(now)
        self.desk.tell_time()


def one_less(counts: dict[str, int], key: str) -> None:
    """Count one less of something; what there is none of is not kept."""
    left = counts.get(key, 0) - 1
    if left > 0:
        counts[key] = left
    else:
        counts.pop(key, None)
