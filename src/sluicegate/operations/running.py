"""Operations beside a running gateway: what operators and Users have set comes into force, is kept, and is told."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from sluicegate.log import logger
from sluicegate.operations.account.governed import Governed
from sluicegate.operations.account.service import Accounts
from sluicegate.operations.book import campaign_described
from sluicegate.operations.book import described as book_described
from sluicegate.operations.book.api import BookApi
from sluicegate.operations.book.campaign_api import CampaignApi
from sluicegate.operations.book.in_force import books
from sluicegate.operations.controls import described
from sluicegate.operations.controls.api import ControlsApi
from sluicegate.operations.controls.governor import Governor
from sluicegate.operations.controls.telling import announcement
from sluicegate.operations.history.history import History
from sluicegate.operations.notices import described as notices_described
from sluicegate.operations.notices.api import NoticesApi
from sluicegate.operations.notices.service import Notices
from sluicegate.operations.site.app import Part
from sluicegate.operations.store.worker import Unavailable, Worker

EVERY: Final = 2.0  # seconds between looks at what others have written
TICK: Final = 1.0  # seconds between looks at the clock
AT_START: Final = 5.0  # seconds that a start waits for the database


class Operations:
    """All that stands on the operations database. For the event loop of the gateway.

    Where the database cannot be asked, the gateway serves all the same: at a start as the file says, later with what it
    knows.

    Attributes:
        accounts: of the Users, and their API.
        governor: the book in force, and the controls.
        notices: who tells Users.
        history: usage by User and SRV.
    """

    def __init__(self, gateway: Governed, database: str) -> None:
        self._worker = Worker(database)
        self._gateway = gateway
        self.governor = Governor(gateway, self._worker, books)
        self.accounts = Accounts(gateway, self._worker)
        controls = ControlsApi(gateway, self._worker, self.governor, self.accounts.reloaded)
        self.accounts.offer(Part(controls.routes(), described.PATHS))
        book = BookApi(gateway, self._worker, self.governor, self.accounts.reloaded)
        self.accounts.offer(Part(book.routes(), book_described.PATHS))
        campaigns = CampaignApi(gateway, self._worker)
        self.accounts.offer(Part(campaigns.routes(), campaign_described.PATHS))
        self.notices = Notices(gateway.settings, self._worker)
        told = NoticesApi(gateway, self._worker, self.notices)
        self.accounts.offer(Part(told.routes(), notices_described.PATHS))
        self.history = History(gateway, self._worker)
        self._allocations: dict[str, float] = {}
        self._of: object = None
        self._task: asyncio.Task[None] | None = None

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
        await self.accounts.start()
        await self.notices.start()
        await self.history.start()
        self._task = asyncio.get_running_loop().create_task(self._look())

    def reloaded(self) -> None:
        """The file is another one, and the files of TLS may be."""
        self.accounts.reloaded()
        self.notices.reload(self._gateway.settings)

    async def stop(self) -> None:
        """Answer what was asked, and end."""
        if self._task is not None:
            self._task.cancel()
        await self.accounts.stop()
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
                await self._watch()
                if self.governor.tick():
                    self.accounts.reloaded()
                if waited >= EVERY:
                    waited = 0.0
                    await self._govern()
                    await self.accounts.look()
            except Exception:  # everything that operators set hangs on this loop: it goes on whatever happens in it
                logger().exception("operations failed to look")

    async def _watch(self) -> None:
        """Once a second: who comes close to its allocation, and what there is to tell."""
        gateway = self._gateway
        if self._of is not gateway.settings:  # allocations change with them, and with nothing else
            self._of = gateway.settings
            self._allocations = {name: gateway.ledger.account(name).allocation for name in gateway.tallies}
        now = monotonic()
        await self.notices.look(now, gateway.tallies, self._allocations, gateway.ledger.state(now).active)
        for control, put in self.governor.news:
            self.notices.announce(*announcement(control, put=put))
        self.governor.news.clear()

    async def _govern(self) -> None:
        try:
            if await self.governor.catch_up():
                self.accounts.reloaded()
        except Unavailable:
            return  # the worker has said why
