"""Where proxies ask: both listeners of `[ask]`, started, reloaded and stopped with the gateway."""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.front.listener import Door
from sluicegate.front.reception import Reception
from sluicegate.gateway.asked.exchange import AskedExchange
from sluicegate.gateway.asked.wicket import Wicket
from sluicegate.http.listening import listen

if TYPE_CHECKING:
    from sluicegate.gateway.asked.rls import RateLimitService
    from sluicegate.gateway.desk import Desk
    from sluicegate.settings import Ask

LOOK = 0.02  # seconds between looks at whether all have their answers


class Asked:
    """Both listeners.

    Attributes:
        port, grpc_port: where they listen; 0 where there is none.
    """

    def __init__(self, desk: Desk, ask: Ask) -> None:
        self._desk = desk
        self._ask = ask
        self._door: Door | None = None
        self._reception: Reception | None = None
        self._service: RateLimitService | None = None
        self.port = self.grpc_port = 0

    async def start(self, tls: ssl.SSLContext | None) -> None:
        """Listen. Raises OSError."""
        ask, desk = self._ask, self._desk
        if ask.listen is not None:
            loop = asyncio.get_running_loop()
            wicket = Wicket(desk, ask, loop)
            self._reception = Reception(loop, wicket, None, lambda front: AskedExchange(front, wicket))
            listening = listen("ask.listen", ask.listen.host, ask.listen.port)
            self.port = int(listening.getsockname()[1])
            self._door = Door(self._reception, listening, tls)
        if ask.grpc is not None:
            from sluicegate.gateway.asked.rls import RateLimitService  # noqa: PLC0415 - an extra of its own

            self._service = RateLimitService(desk, ask)
            self.grpc_port = await self._service.start()

    def reload(self, tls: ssl.SSLContext | None) -> None:
        """New connections are let in by other certificates."""
        if self._door is not None:
            self._door.tls = tls

    def sweep(self, now: float) -> None:
        """End what has taken too long."""
        if self._reception is not None:
            self._reception.sweep(now)

    async def drain(self, seconds: float) -> None:
        """Accept no more; what was asked is answered, within so many seconds."""
        stopping = self._service.stop(seconds) if self._service is not None else asyncio.sleep(0)
        await asyncio.gather(stopping, self._drain(monotonic() + seconds))

    async def _drain(self, until: float) -> None:
        if self._door is None or self._reception is None:
            return
        self._door.close()
        await asyncio.sleep(0)  # who was let in last makes its entrance
        for connection in list(self._reception.connections):
            connection.drain()
        while self._reception.connections and monotonic() < until:
            await asyncio.sleep(LOOK)
        for connection in list(self._reception.connections):
            connection.cut()
