"""The relay as a service: started, run, drained, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import uvicorn

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.depot import MOST_DUE
from sluicegate.dispatch.rounds import Rounds, purge
from sluicegate.dispatch.store.opening import open_store
from sluicegate.dispatch.writer import Writer
from sluicegate.http.bounded import BoundedProtocol
from sluicegate.http.listening import listen
from sluicegate.http.post import Caller
from sluicegate.http.tls import client_context
from sluicegate.log import logger
from sluicegate.relay import demand as demands
from sluicegate.relay.admin import admin_app
from sluicegate.relay.callback import courier_of, post_office
from sluicegate.relay.classes import Classes
from sluicegate.relay.clock import Clock
from sluicegate.relay.demand import Demand, Minute
from sluicegate.relay.desk import Desk
from sluicegate.relay.door import Door
from sluicegate.relay.outbox import CALLBACK, Outbox
from sluicegate.relay.pace import Pace
from sluicegate.relay.sending import Sending
from sluicegate.relay.tally import Arriving, Tally
from sluicegate.relay.waiting import WaitingLine
from sluicegate.settings.relaying import Relay

if TYPE_CHECKING:
    from sluicegate.log import BoundedQueue

LEASE = 15.0  # seconds: a file has one process, and its lease never ends
TICK = 0.1  # seconds between looks at deadlines, and at what waits for its own next attempt
SWEEP = 0.25  # ... at letters that are due
LOOK = 1.0  # ... at what is over: letters, minutes
COUNT = 30.0  # ... at what the store has
PURGE = 30.0  # ... at what may be deleted
GRACE = 2.0  # seconds after the drain, for what was settled last to be written
DAY = 86_400


@dataclass(frozen=True, slots=True)
class _Waits:
    upstream_connect: float
    upstream_idle: float


class RelayService:
    """One relay in one event loop, and its writer's thread.

    Args:
        relay: checked settings.
        log: where lines that nobody took are counted.
    """

    def __init__(self, relay: Relay, log: BoundedQueue | None = None, clock: Clock | None = None) -> None:
        self.relay = relay
        self.clock = clock or Clock()
        self._log = log
        self._stop = asyncio.Event()
        self._rounds = Rounds()
        self._next_count = 0.0
        self.draining = False
        self.started_at = self.clock.at()

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        Raises:
            OSError: an address cannot be listened on, or a TLS file cannot be used.
            StoreError: the store cannot be used, or is not durable.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._start()
        logger().info(
            "relaying",
            listen=f"{self.relay.listen.host}:{self.port}",
            admin=f"{self.relay.admin.host}:{self.admin_port}",
            gateway=str(self.relay.gateway),
            waiting=self.desk.pending.count,
        )
        if ready is not None:
            ready()
        await self._stop.wait()
        await self._drain()
        logger().info("stopped")

    def stop(self) -> None:
        """Begin to drain, as SIGTERM does."""
        self._stop.set()

    async def _start(self) -> None:
        relay, clock = self.relay, self.clock
        listening = listen("relay.listen", relay.listen.host, relay.listen.port)
        admin_listening = listen("relay.admin", relay.admin.host, relay.admin.port)
        self.port = int(listening.getsockname()[1])
        self.admin_port = int(admin_listening.getsockname()[1])
        way = self._way()
        self.store = await asyncio.to_thread(open_store, str(relay.store), lease_seconds=LEASE)
        await asyncio.to_thread(self.store.take_over, clock.at())
        self.letters = post_office()
        self.letters.writer = self.writer = Writer(self.store, self.letters, LEASE)
        if relay.callback is not None:
            self.letters.couriers[CALLBACK] = courier_of(relay.callback, self.letters)
        give_up = relay.callback.give_up_days * DAY if relay.callback is not None else DAY
        outbox = Outbox(self.writer, clock.both, give_up)
        self.classes = Classes(relay)
        self.demand = Demand(relay.user, clock.at())
        self.arriving = Arriving(len(self.classes.places))
        self.tally = Tally(len(self.classes.places), self.demand)
        self.desk = Desk(
            relay, self.classes, outbox, self.tally, self.letters if relay.callback is not None else None, clock
        )
        self.sending = Sending(
            WaitingLine(),
            Pace(bulk=self.classes.bulk),
            way,
            self.tally,
            connections=relay.connections,
            timeout=relay.timeouts.upstream_total,
            body=outbox.body,
            concluded=self.desk.course.concluded,
            expired=self.desk.course.expired,
            clock=clock,
        )
        self.desk.send_by(self.sending)
        self.writer.start()
        await self.desk.recover()
        self.letters.restart(await asyncio.to_thread(self.store.look))
        self.door = Door(relay, self.desk)
        await self.door.open(listening)
        self._admin = self._serve(admin_app(self, self._log), admin_listening)
        for every, work in (
            (TICK, self._tick),
            (SWEEP, self._sweep),
            (LOOK, self._look),
            (LOOK, self._count),
            (LOOK, self._minutes),
            (PURGE, self._purge),
        ):
            self._rounds.every(every, work)

    def _way(self) -> Caller:
        """To the gateway, with the User's certificate. Raises OSError."""
        relay = self.relay
        context = None
        if relay.gateway.scheme == "https":
            tls = relay.gateway_tls
            context = client_context(*((tls.ca, tls.certificate, tls.key) if tls is not None else (None, None, None)))
        waits = _Waits(relay.timeouts.upstream_connect, relay.timeouts.upstream_idle)
        loop = asyncio.get_running_loop()
        return Caller(loop, relay.gateway, waits, context, most_body=relay.max_body_bytes)

    def _serve(self, app: object, listening: object) -> uvicorn.Server:
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]
            http=BoundedProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        self._rounds.spawn(server.serve(sockets=[listening]))  # type: ignore[list-item]
        return server

    # --- what is done again and again

    async def _tick(self) -> None:
        self.sending.tick()

    async def _sweep(self) -> None:
        self.letters.refill_soon()
        if self.letters.couriers:
            await self.letters.claim_due()

    async def _look(self) -> None:
        """Letters, and what nobody holds, past their time."""
        at = self.clock.at()
        for courier in self.letters.couriers.values():
            courier.overdue(at)
        found = await self.writer.claim_by(lambda store: store.claim_overdue(at, MOST_DUE))
        for parcel in found:
            if parcel.destination == CALLBACK:
                self.letters.taken_out(parcel)
                self.letters.send_back(parcel, "deadline", parcel.attempts)
        self.desk.adopt(parcel for parcel in found if parcel.destination != CALLBACK)

    async def _count(self) -> None:
        """A commit was in doubt: what it has stored nobody knows of. And now and then, all of it."""
        now = monotonic()
        if now < self._next_count and not self.letters.look_again:
            return
        self.letters.look_again = False
        try:
            await self.desk.recover()
            self.letters.restart(await asyncio.to_thread(self.store.look))
        except StoreError:
            self.letters.look_again = True
            raise
        self._next_count = now + COUNT

    async def _minutes(self) -> None:
        self.arriving.look(self.clock.now(), [of.came for of in self.tally.classes])
        await self._write(self.demand.turn(*self.clock.both()))

    async def _write(self, rows: list[Minute]) -> None:
        where = self.relay.demand
        if where is None or not rows:
            return
        try:
            await asyncio.to_thread(demands.append, where.folder, rows, where.keep_days)
        except OSError as error:
            logger().error("held-back demand is not written", why=str(error), rows=len(rows))

    async def _purge(self) -> None:
        await purge(self.writer, self.relay.retention, self.clock.at())

    # --- the end

    async def _drain(self) -> None:
        """Take no more, let attempts end, tell who waits, give back what is held."""
        self.draining = self.desk.draining = self.letters.closing = True
        logger().info("draining", in_flight=self.sending.in_flight, waiting=self.desk.pending.count)
        until = monotonic() + self.relay.timeouts.drain
        self.door.stop_listening()
        await self.sending.end(until)
        self.desk.send_away()
        await asyncio.gather(*(courier.end(until) for courier in self.letters.couriers.values()))
        with contextlib.suppress(TimeoutError):  # a store that fails: what is not written is sent again, marked
            async with asyncio.timeout(max(0.0, until - monotonic()) + GRACE):
                await self.desk.course.quiet()
                await self.letters.quiet()
        await self.door.close()
        await self._write(self.demand.rows(*self.clock.both()))
        self._rounds.stop()
        self._admin.should_exit = True
        await self._rounds.ended(timeout=2.0)
        await self.writer.close()
