"""Operations beside a running gateway: what operators and Users have set comes into force, is kept, and is told."""

from __future__ import annotations

import asyncio
from time import monotonic, time
from typing import TYPE_CHECKING, Final, Protocol

from sluicegate.log import logger
from sluicegate.operations.account.governed import Governed
from sluicegate.operations.account.service import Accounts
from sluicegate.operations.admin import watching
from sluicegate.operations.book import campaign_described
from sluicegate.operations.book import described as book_described
from sluicegate.operations.book.api import BookApi
from sluicegate.operations.book.campaign_api import CampaignApi
from sluicegate.operations.book.in_force import books
from sluicegate.operations.controls import described
from sluicegate.operations.controls.api import ControlsApi
from sluicegate.operations.controls.governor import Governor
from sluicegate.operations.controls.telling import announcement
from sluicegate.operations.history import described as history_described
from sluicegate.operations.history.api import UsageApi
from sluicegate.operations.history.counting import always
from sluicegate.operations.history.day import day
from sluicegate.operations.history.history import History
from sluicegate.operations.history.minute import Unreadable
from sluicegate.operations.notices import described as notices_described
from sluicegate.operations.notices.api import NoticesApi
from sluicegate.operations.notices.lane import AT_ONCE
from sluicegate.operations.notices.service import Notices
from sluicegate.operations.screens import described as screens_described
from sluicegate.operations.screens.api import routes as screens_routes
from sluicegate.operations.screens.pulse import Pulse
from sluicegate.operations.screens.throttled import Throttled
from sluicegate.operations.site.app import Part
from sluicegate.operations.site.guarded import guarded, still_in
from sluicegate.operations.site.service import CONNECTIONS, Site
from sluicegate.operations.store.worker import Unavailable, Worker
from sluicegate.operations.watch import Watched

if TYPE_CHECKING:
    from sluicegate.log import BoundedQueue
    from sluicegate.operations.status import Rates
    from sluicegate.settings import Settings

EVERY: Final = 2.0  # seconds between looks at what others have written
TICK: Final = 1.0  # seconds between looks at the clock
AT_START: Final = 5.0  # seconds that a start waits for the database
AT_CHANNELS: Final = 2 * AT_ONCE  # notices under way, each with a connection


def descriptors(settings: Settings) -> int:
    """How many of the process's descriptors operations may take."""
    at_site = CONNECTIONS if settings.account is not None else 0
    return at_site + (AT_CHANNELS if settings.operations is not None else 0)


class Running(Governed, Watched, Protocol):
    """The gateway: it is looked at, and governed."""


class Operations:
    """All that stands on the operations database. For the event loop of the gateway.

    Where the database cannot be asked, the gateway serves all the same: at a start as the file says, later with what it
    knows.

    Args:
        first: of several workers on one machine, whether it is the one that writes and answers. Others only put in
            force what the database says.

    Attributes:
        site: what is answered, and to whom.
        accounts: what Users have set themselves.
        governor: the book in force, and the controls.
        notices: who tells Users.
        history: usage by User and SRV.
        screens: what the pages show; None where there is no site, so that nobody could look.
    """

    def __init__(
        self, gateway: Running, database: str, rates: Rates, log: BoundedQueue | None = None, *, first: bool = True
    ) -> None:
        self._worker = Worker(database)
        self._gateway = gateway
        self.governor = Governor(gateway, self._worker, books)
        self.accounts = Accounts(gateway, self._worker)
        self.site = Site(gateway, self._worker, self.accounts.knows)
        self.notices = Notices(gateway.settings, self._worker)
        fleet = gateway.colleagues
        self._first = first
        self._tells = always if fleet is None else fleet.tells
        self.history = History(gateway, self._worker, writes=always if fleet is None else fleet.writes)
        self.screens: Pulse | None = None
        if gateway.settings.account is not None:
            ring = Throttled(gateway.settings.screens.throttled_kept)
            self.screens = Pulse(gateway, rates, ring, self.history.mix())
        self._offer(rates, log)
        self._allocations: dict[str, float] = {}
        self._of: object = None
        self._task: asyncio.Task[None] | None = None
        self._began = int(time())
        self._remembers = False

    def _offer(self, rates: Rates, log: BoundedQueue | None) -> None:
        """Everything that the site answers."""
        gateway, worker, offer = self._gateway, self._worker, self.site.offer
        offer(self.accounts.part)
        controls = ControlsApi(gateway, worker, self.governor, self.accounts.reloaded)
        offer(Part(controls.routes(), described.PATHS))
        book = BookApi(gateway, worker, self.governor, self.accounts.reloaded)
        offer(Part(book.routes(), book_described.PATHS))
        offer(Part(CampaignApi(gateway, worker).routes(), campaign_described.PATHS))
        offer(Part(NoticesApi(gateway, worker, self.notices).routes(), notices_described.PATHS))
        offer(Part(UsageApi(worker).routes(), history_described.PATHS))
        offer(watching(gateway, rates, log))
        if self.screens is not None:
            offer(Part(screens_routes(gateway, self.screens, guarded, still_in), screens_described.PATHS))

    @property
    def throttled(self) -> Throttled | None:
        """Where throttled decisions are kept; None: nobody wants them."""
        return self.screens.throttled if self.screens is not None and self.screens.throttled.most else None

    @property
    def failing(self) -> str:
        """Why the database cannot be used now; empty where it can."""
        return self._worker.failing

    async def start(self) -> None:
        """What was set counts before the first request. Raises OSError: an address, or a TLS file."""
        try:
            async with asyncio.timeout(AT_START):
                await self._govern()
                await self.accounts.look()
        except TimeoutError:
            logger().error("the operations database does not answer: the file counts as it is so far")
        if self._first:
            await self.site.start()
            await self.notices.start()
            await self.history.start()
        self._task = asyncio.get_running_loop().create_task(self._look())
        if self.screens is not None:
            await self.screens.start()

    def reloaded(self) -> None:
        """The file is another one, and the files of TLS may be."""
        self.accounts.reloaded()
        if self._first:
            self.site.reloaded()
            self.notices.reload(self._gateway.settings)

    async def stop(self) -> None:
        """Answer what was asked, and end."""
        if self._task is not None:
            self._task.cancel()
        if self.screens is not None:
            await self.screens.stop()
        self.accounts.stop()
        if self._first:
            await self.site.stop()
            await self.history.stop()
            await self.notices.stop()
        self._worker.close()
        await self._worker.ended(2.0)

    async def _look(self) -> None:
        waited = 0.0
        while True:
            await asyncio.sleep(TICK)
            waited += TICK
            try:
                if self._first:
                    await self._watch()
                else:
                    self.governor.news.clear()
                if self.governor.tick():
                    self.accounts.reloaded()
                if waited >= EVERY:
                    waited = 0.0
                    await self._govern()
                    await self.accounts.look()
                    await self._remember()
            except Exception:  # everything that operators set hangs on this loop: it goes on whatever happens in it
                logger().exception("operations failed to look")

    async def _watch(self) -> None:
        """Once a second: who comes close to its allocation, and what there is to tell."""
        gateway = self._gateway
        if self._of is not gateway.settings:  # allocations change with them, and with nothing else
            self._of = gateway.settings
            self._allocations = {name: gateway.ledger.shown(name).allocation for name in gateway.tallies}
        now = monotonic()
        active = gateway.ledger.state(now).active
        await self.notices.look(now, gateway.tallies, self._allocations, active, tell=self._tells())
        for control, put in self.governor.news:
            self.notices.announce(*announcement(control, put=put))
        self.governor.news.clear()

    async def _remember(self) -> None:
        """What the screens show of the day begins with what was counted before this start, once it can be read."""
        if self.screens is None or self._remembers:
            return
        try:
            self.screens.series.begin_with(await day(self._worker, self._began), self._began)
        except Unavailable:
            return  # the next time
        except Unreadable as error:
            logger().error("the screens begin without the last day", why=str(error))
        self._remembers = True

    async def _govern(self) -> None:
        try:
            if await self.governor.catch_up():
                self.accounts.reloaded()
        except Unavailable:
            return  # the worker has said why
