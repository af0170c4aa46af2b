"""The gateway as a service: started, reloaded, drained, stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.front.listener import Door, descriptors_for_senders
from sluicegate.front.reception import Reception
from sluicegate.gateway.asked.service import Asked
from sluicegate.gateway.backpressure import BackPressure, Refusals
from sluicegate.gateway.desk import Desk
from sluicegate.gateway.exchange import Exchange
from sluicegate.gateway.news import MOST_OCTETS
from sluicegate.gateway.note import Noting
from sluicegate.gateway.prepared import Prepared, prepare
from sluicegate.gateway.seen import Seen
from sluicegate.gateway.telling import colleagues_of, telling
from sluicegate.gateway.unchangeable import refuse_the_unchangeable
from sluicegate.http.listening import listen
from sluicegate.http.pool import Pool
from sluicegate.http.post import Caller
from sluicegate.log import Log, logger
from sluicegate.operations.admin import admin_server
from sluicegate.operations.record import Recorder
from sluicegate.operations.running import Operations, descriptors
from sluicegate.operations.status import Above, Rates, above
from sluicegate.settings import Settings

if TYPE_CHECKING:
    import uvicorn

    from sluicegate.allocation import Overlay, Profile
    from sluicegate.log import BoundedQueue
    from sluicegate.operations.telemetry.service import Telemetry

SWEEP = 0.25  # seconds
LOOK = 1.0  # seconds
FIRST_WORD = 2.0  # seconds for a ledger to answer a gateway that starts


class Gateway(Seen):
    """One gateway in one event loop.

    Args:
        settings: checked settings.
        load: reads the settings again, for a reload; raises SettingsError.
        log: where lines go.
        called: its name in the fleet, where who started it has given it one.
        first: of several workers on one machine, whether it is the one that shows them and writes for them.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        log: Log | None = None,
        called: str | None = None,
        *,
        first: bool = True,
    ) -> None:
        self._load = load
        self._log = log
        self.desk = Desk(settings, called)
        self.colleagues = colleagues_of(self, settings, first=first)
        self._first = first
        self.rates = Rates(monotonic())
        self.backpressure: BackPressure | None = None
        self.asked: Asked | None = None
        self.operations: Operations | None = None
        self.telemetry: Telemetry | None = None
        self._asking: asyncio.Task[None] | None = None
        self.last_reload_error: str | None = None
        self._active = self._reloading = self._reload_wanted = False
        self._were_above = Above()
        self._reachable = True
        self._stop = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()

    # --- its life

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        Raises:
            OSError: an address cannot be listened on, or a TLS file cannot be used.
            RoutesError: the table of devices cannot be used.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):  # before anybody can connect: who can, must not be lost
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        prepared = await asyncio.to_thread(prepare, self.settings)
        await self._start_operations()
        if self.desk.joined is not None:
            self.desk.joined.start()
            if not await self.desk.joined.heard(FIRST_WORD):
                logger().error("the ledger does not answer: nothing is admitted until it does")
        if self.colleagues is not None:
            self.colleagues.start()
        self._start(loop, prepared)
        await self._start_asked(prepared)
        self._listen_to_dispatcher(prepared)
        await self._start_telemetry()
        admin = self._start_admin()
        sweeper = self._spawn(self._sweep())
        settings = self.settings
        logger().info(
            "serving",
            listen=str(settings.gateway.listen),
            upstream=str(settings.gateway.upstream),
            admin=str(settings.admin.listen) if settings.admin else None,
            users=len(self.desk.users),
            maximum=settings.capacity.maximum,
            operating_threshold=settings.capacity.operating_threshold,
            enforce=settings.capacity.enforce,
        )
        if ready is not None:
            ready()
        await self._stop.wait()
        await self._drain()
        if self.desk.joined is not None:
            await self.desk.joined.stop()
        if self.colleagues is not None:
            await self.colleagues.settle()
        if self.recorder is not None:
            await asyncio.to_thread(self.recorder.close)
        if self.telemetry is not None:
            await self.telemetry.stop()
        if self.operations is not None:
            await self.operations.stop()
        if self.colleagues is not None:  # what it had to write is written
            await self.colleagues.leave()
        if self.desk.joined is not None:
            await self.desk.joined.close()
        sweeper.cancel()
        self._stop_listening_to_dispatcher()
        if admin is not None:
            admin.should_exit = True
            await asyncio.wait(self._background, timeout=2.0)
        logger().info("stopped")

    def set_overlay(self, overlay: Overlay) -> None:
        """What lies over the file from now on. For the event loop. Raises ValueError: it cannot be."""
        self.desk.set_overlay(overlay)

    def set_profiles(self, own: Mapping[str, Profile | None]) -> None:
        """What Users have set themselves; None: the profile of the file counts again. For the event loop.

        Raises:
            ValueError: one of them cannot be.
        """
        self.desk.set_profiles(own)

    def stop(self) -> None:
        """Begin to drain, as SIGTERM does."""
        self._stop.set()

    async def _start_operations(self) -> None:
        """What operators and Users have set counts before the first request."""
        if self.settings.operations is not None:
            database = str.__str__(self.settings.operations.database)
            self.operations = Operations(self, database, self.rates, self._log_lines, first=self._first)
            self.desk.throttled = self.operations.throttled
            await self.operations.start()

    def _start(self, loop: asyncio.AbstractEventLoop, prepared: Prepared) -> None:
        settings = self.settings
        gateway = settings.gateway
        pool = Pool(loop, gateway.upstream, gateway.timeouts, self.desk.breaker, prepared.upstream_tls)
        address = settings.gateway.listen
        self._pool = pool
        self._reception = Reception(loop, self.desk, pool, lambda front: Exchange(front, self.desk))
        listening = listen("gateway.listen", address.host, address.port)
        self.port = int(listening.getsockname()[1])
        others = settings.capacity.max_in_flight + descriptors(settings)
        others += 2 * settings.ask.connections if settings.ask is not None else 0
        senders = descriptors_for_senders(gateway.limits.connections, others)
        self._door = Door(self._reception, listening, prepared.tls, senders)
        if settings.record is not None:
            self.desk.recorder = Recorder(settings.record, together=self.desk.joined is not None)
            self.desk.recorder.start()
            self.desk.noting = Noting(self.desk.recorder, None)

    async def _start_telemetry(self) -> None:
        if self.settings.telemetry is not None:
            self.telemetry, tracing = telling(self, self.settings.telemetry, self._log, metrics=self._first)
            if tracing is not None:
                self.desk.noting = Noting(self.desk.recorder, tracing)
            await self.telemetry.start()

    async def _start_asked(self, prepared: Prepared) -> None:
        ask = self.settings.ask
        if ask is not None:
            self.asked = Asked(self.desk, ask)
            await self.asked.start(prepared.ask_tls)
            logger().info("proxies may ask", listen=str(ask.listen or ""), grpc=str(ask.grpc or ""))

    def _listen_to_dispatcher(self, prepared: Prepared) -> None:
        """Ask the dispatcher which CSPs are full, as the settings in force say."""
        wanted, asked = self.settings.gateway.backpressure, self.backpressure
        if asked is not None and asked.settings == wanted and prepared.backpressure_tls is None and prepared.region:
            asked.reroute(prepared.region)
            return
        self._stop_listening_to_dispatcher()
        if wanted is not None and prepared.region is not None:
            loop, timeouts = asyncio.get_running_loop(), self.settings.gateway.timeouts
            caller = Caller(loop, wanted.url, timeouts, prepared.backpressure_tls, most_body=MOST_OCTETS)
            self.backpressure = BackPressure(wanted, caller, prepared.region, self._refuse)
            self._asking = self._spawn(self.backpressure.run())

    def _stop_listening_to_dispatcher(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        if self.backpressure is not None:
            self.backpressure.stop()
            self.backpressure = None

    def _refuse(self, refusals: Refusals | None) -> None:
        self.desk.refusals = refusals

    def _start_admin(self) -> uvicorn.Server | None:
        admin = self.settings.admin
        if admin is None:
            return None
        listening = listen("admin.listen", admin.listen.host, admin.listen.port)
        self.admin_port = int(listening.getsockname()[1])
        server = admin_server(self, self.rates, self._log_lines)
        self._spawn(server.serve(sockets=[listening]))
        return server

    @property
    def _log_lines(self) -> BoundedQueue | None:
        return self._log.handler if self._log is not None else None

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _sweep(self) -> None:
        looked_at = monotonic()
        while True:
            await asyncio.sleep(SWEEP)
            now = monotonic()
            try:
                self._reception.sweep(now)
                if self.backpressure is not None:
                    self.backpressure.sweep(now)
                if self.asked is not None:
                    self.asked.sweep(now)
                if self._look(now, now - looked_at >= LOOK):
                    looked_at = now
            except Exception:  # every deadline hangs on this loop: it goes on whatever happens in it
                logger().exception("the sweep failed")

    def _look(self, now: float, due: bool) -> bool:
        """Look at the counters where it is time, or where the state has changed; returns whether it did."""
        reachable = self.breaker_state == "closed"
        if reachable != self._reachable:
            self._reachable = reachable
            event = "upstream reached again: breaker closed" if reachable else "upstream unreachable: breaker open"
            logger().warning(event, upstream=str(self.settings.gateway.upstream))
        active = self.ledger.state(now).active
        if active == self._active and not due:
            return False
        self.rates.look(self.tallies, self.counted_at)
        if active or self._active:
            self._were_above.take(above(self, self.rates))
        if active != self._active:
            self._announce(active)
        return True

    def _announce(self, active: bool) -> None:
        """One line when traffic management goes active (with who is above) or normal (with who was, meanwhile)."""
        self._active = active
        event = "traffic management active" if active else "traffic management normal"
        logger().warning(event, above=self._were_above.most(), enforce=self.settings.capacity.enforce)
        if not active:
            self._were_above = Above()

    def reload(self) -> None:
        """Read the settings again, as SIGHUP does. What cannot be used changes nothing, and the log says why."""
        self._reload_wanted = True
        if not self._reloading:
            self._reloading = True
            self._spawn(self._reload())

    async def _reload(self) -> None:
        """Reads beside the event loop (a large file takes a second), and swaps in it; one reload at a time."""
        while self._reload_wanted:
            self._reload_wanted = False
            try:
                self._swap(*await asyncio.to_thread(self._read))
            except Exception as error:
                self.last_reload_error = str(error) or repr(error)
                logger().error("reload refused: nothing has changed", why=str(error))
            else:
                self.last_reload_error = None
                logger().info("reloaded", users=len(self.desk.users))
        self._reloading = False

    def _read(self) -> tuple[Settings, Prepared]:
        settings = self._load()
        refuse_the_unchangeable(self.settings, settings)
        return settings, prepare(settings)

    def _swap(self, settings: Settings, prepared: Prepared) -> None:
        before, reception, upstream_tls = self.settings, self._reception, prepared.upstream_tls
        self.desk.reload(settings)
        self.desk.identities.revoked = prepared.revoked
        self._door.tls = prepared.tls
        if self.asked is not None:
            self.asked.reload(prepared.ask_tls)
        self._listen_to_dispatcher(prepared)
        if upstream_tls is not None or _way(settings) != _way(before):  # the files may hold something else now
            self._pool.close()
            self.desk.breaker.connected()  # another way, of which nothing bad is known yet
            gateway = settings.gateway
            self._pool = Pool(reception.loop, gateway.upstream, gateway.timeouts, self.desk.breaker, upstream_tls)
            reception.pool = self._pool
            reception.prefix = gateway.upstream.prefix.encode()
        if self.operations is not None:
            self.operations.reloaded()

    async def _drain(self) -> None:
        """Accept no more, let every request that was taken have its answer, for `drain` seconds at the most."""
        desk, reception = self.desk, self._reception
        desk.draining = True
        logger().info("draining", connections=len(reception.connections))
        self._door.close()
        await asyncio.sleep(0)  # who was let in last makes its entrance
        for connection in list(reception.connections):
            connection.drain()
        until = monotonic() + self.settings.gateway.timeouts.drain
        if self.asked is not None:  # who asks is answered at once, and then forwards: it goes first
            await self.asked.drain(self.settings.gateway.timeouts.drain)
        while reception.connections and monotonic() < until:
            await asyncio.sleep(0.02)
        if reception.connections:
            logger().error("requests were cut off: they took longer than the drain", count=len(reception.connections))
        for connection in list(reception.connections):
            connection.cut()
        self._pool.cut()
        await asyncio.sleep(0.02)  # for the loop to take leave of them: it cannot be closed before
        for orphan in reception.orphans:
            orphan.unanswered()


def _way(settings: Settings) -> tuple[object, ...]:
    gateway = settings.gateway
    return gateway.upstream, gateway.upstream_tls, gateway.timeouts
