"""The dispatcher as a service: started, run, drained, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, TypeVar

import uvicorn

from sluicegate.database.errors import StoreError, StoreLost
from sluicegate.dispatch.admin import admin_app
from sluicegate.dispatch.depot import Depot
from sluicegate.dispatch.fitting import backlogs, couriers, intake_of, window_of
from sluicegate.dispatch.operator import Operator
from sluicegate.dispatch.rounds import Rounds, purge
from sluicegate.dispatch.server import Server
from sluicegate.dispatch.store.opening import open_store
from sluicegate.dispatch.writer import Writer
from sluicegate.http.bounded import BoundedProtocol
from sluicegate.http.listening import listen
from sluicegate.log import logger
from sluicegate.routing import Routes
from sluicegate.settings import Settings
from sluicegate.settings.dispatching import Dispatch

if TYPE_CHECKING:
    from sluicegate.log import BoundedQueue

SWEEP = 0.25  # seconds between looks at what is due
LOOK = 1.0  # ... at deadlines and ages
COUNT, COUNT_ALONE = 2.0, 30.0  # ... at what the store has, where other dispatchers use it too, and where not
PURGE = 30.0  # ... at what may be deleted
TRIES = 3  # of each step of the start
GRACE = 2.0  # seconds after the drain, for what was settled last to be written


T = TypeVar("T")


class Dispatcher:
    """One dispatcher in one event loop, and its writer's thread.

    Args:
        settings: checked settings, with `[dispatch]`.
        log: where lines that nobody took are counted.
    """

    def __init__(self, settings: Settings, log: BoundedQueue | None = None) -> None:
        if settings.dispatch is None:
            raise ValueError("there is no [dispatch] in the configuration")
        self.settings = settings
        self.dispatch: Dispatch = settings.dispatch
        self._log = log
        self._stop = asyncio.Event()
        self._rounds = Rounds()
        self.draining = False
        self.started_at = time()
        self._next_count = 0.0

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        Raises:
            OSError: an address cannot be listened on, or a TLS file cannot be used.
            StoreError: the store cannot be used, or is not durable.
            RoutesError: the table of devices cannot be read.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._start()
        logger().info(
            "dispatching",
            listen=f"{self.dispatch.listen.host}:{self.port}",
            admin=f"{self.dispatch.admin.host}:{self.admin_port}",
            csps=[csp.name for csp in self.settings.csps],
            open_parcels=self.depot.window.spilled_total + self.depot.window.count,
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
        settings, dispatch = self.settings, self.dispatch
        listening = listen("dispatch.listen", dispatch.listen.host, dispatch.listen.port)
        admin_listening = listen("dispatch.admin", dispatch.admin.host, dispatch.admin.port)
        self.port = int(listening.getsockname()[1])
        self.admin_port = int(admin_listening.getsockname()[1])
        routes = await asyncio.to_thread(Routes.from_settings, settings)
        opened = partial(asyncio.to_thread, open_store, dispatch.store, lease_seconds=dispatch.lease_seconds)
        self.store = store = await _patiently(opened)
        await _patiently(lambda: asyncio.to_thread(store.take_over, time()))
        intake = intake_of(settings, routes)
        self.depot = Depot(window_of(settings, dispatch), backlogs(settings), intake)
        self.depot.writer = self.writer = Writer(store, self.depot, dispatch.lease_seconds)
        self.depot.couriers.update(couriers(settings, self.depot))
        self.writer.dispatchers = max(1, await _patiently(lambda: asyncio.to_thread(store.dispatchers)))
        self.writer.start()
        self.operator = Operator(self.depot)
        await _patiently(self.operator.remember)
        self.depot.restart(await _patiently(lambda: asyncio.to_thread(store.look)))
        self.server = Server(intake, self.depot, settings)
        self._listener = self._serve(self.server, listening, self._tls())
        self._admin = self._serve(admin_app(self, self._log), admin_listening, None)
        for every, work in (
            (SWEEP, self._sweep),
            (SWEEP, self._due),
            (LOOK, self._look),
            (COUNT, self._count),
            (PURGE, self._purge),
        ):
            self._rounds.every(every, work)

    def _tls(self) -> tuple[str, str, str | None] | None:
        tls = self.dispatch.tls
        if tls is None:
            return None
        return str(tls.certificate), str(tls.key), str(tls.client_ca) if tls.client_ca else None

    def _serve(self, app: object, listening: object, tls: tuple[str, str, str | None] | None) -> uvicorn.Server:
        certificate, key, client_ca = tls or (None, None, None)
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]
            http=BoundedProtocol,
            limit_concurrency=self.dispatch.connections,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=75,
            server_header=False,
            proxy_headers=False,
            date_header=True,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            ssl_ca_certs=client_ca,
            ssl_cert_reqs=ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE,
        )
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        self._rounds.spawn(server.serve(sockets=[listening]))  # type: ignore[list-item]
        return server

    # --- what is done again and again

    async def _sweep(self) -> None:
        self.depot.refill_soon()
        now = monotonic()
        may_send = self.depot.may_send()
        for name, courier in self.depot.couriers.items():
            if not may_send:
                courier.break_off()
            courier.pace.share(self.writer.dispatchers)
            backlog = self.depot.backlogs.get(name)
            if backlog is not None:
                backlog.hint(courier.circuit.next_probe(now))

    async def _due(self) -> None:  # apart from `_sweep`: it waits for the store, which may hang
        await self.depot.claim_due()

    async def _look(self) -> None:
        await self.depot.claim_overdue()
        names = list(self.depot.backlogs)
        oldest = await self.writer.do(lambda transaction: [transaction.oldest(name) for name in names])
        for name, accepted_at in zip(names, oldest, strict=True):
            self.depot.backlogs[name].oldest(accepted_at)

    async def _count(self) -> None:
        """What others accepted, freed, or left behind is in the store: nobody told this dispatcher."""
        now = monotonic()
        if now < self._next_count and not self.depot.look_again:
            return
        self.depot.look_again = False
        for backlog in self.depot.backlogs.values():
            backlog.counting()
        try:
            self.depot.restart(await asyncio.to_thread(self.store.look))
        except StoreError:
            self.depot.look_again = True
            raise
        took = monotonic() - now
        if self.writer.dispatchers > 1:
            await self.operator.remember()
        self._next_count = now + max(COUNT if self.writer.dispatchers > 1 else COUNT_ALONE, 20 * took)

    async def _purge(self) -> None:
        await purge(self.writer, self.dispatch.retention, time())

    # --- the end

    async def _drain(self) -> None:
        """Accept no more, let attempts end, give back what is held."""
        self.draining = self.server.draining = self.depot.closing = True
        logger().info("draining", in_flight=sum(courier.in_flight for courier in self.depot.couriers.values()))
        self._listener.should_exit = True
        until = monotonic() + self.dispatch.drain_seconds
        await asyncio.gather(*(courier.end(until) for courier in self.depot.couriers.values()))
        with contextlib.suppress(TimeoutError):  # a store that fails: what is not written is sent again, marked
            await asyncio.wait_for(self.depot.quiet(), max(0.0, until - monotonic()) + GRACE)
        self._rounds.stop()
        self.server.close()
        self._admin.should_exit = True
        await self._rounds.ended(timeout=2.0)
        await self.writer.close()


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """At the start: a connection that broke is no reason to end, a database that is not there is one."""
    for _ in range(TRIES - 1):
        try:
            return await work()
        except StoreLost as error:
            logger().warning("the connection to the store broke: once more", why=str(error))
            await asyncio.sleep(SWEEP)
    return await work()
