"""The book and the campaigns behind the screens: the real API on a real database, asked by whom the cookie names."""

from __future__ import annotations

from types import SimpleNamespace

from sluicegate.operations.book.api import BookApi
from sluicegate.operations.book.campaign_api import CampaignApi
from sluicegate.operations.history.counts import MINUTE
from sluicegate.operations.history.minute import Minute
from sluicegate.operations.history.writing import Closed, minutes_due, pack_due, summed, write
from sluicegate.operations.site.principal import Principal
from sluicegate.operations.site.refusal import FOREIGN, Refusal
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.worker import Worker


class Kept:
    """A database, and who may ask it. The cookie `as` is a role, `role/name` or `user:NAME`."""

    def __init__(self, folder) -> None:
        self.where = str(folder / "operations.db")
        self.store = OperationsStore(self.where)

    def routes(self, watched):
        """In the loop that serves."""

        async def catch_up():
            return True

        self.worker = Worker(self.where)
        governor = SimpleNamespace(catch_up=catch_up)
        book = BookApi(watched, self.worker, governor, lambda: None)
        return [*book.routes(), *CampaignApi(watched, self.worker).routes()]

    async def principal(self, request):
        if request.method not in ("GET", "HEAD") and request.headers.get("x-csrf-token") != "a-token":
            raise Refusal(FOREIGN, "a page of another site sent this")
        role, _, user = (request.cookies.get("as") or "operator").partition(":")
        role, _, name = role.partition("/")
        user = user.replace("_", " ") or None
        return Principal(f"User {user}" if user else name or role, role, user, "session")

    def close(self):
        self.worker.close()
        self.store.close()

    def counted(self, entries):
        """Usage in the history: `(at, user, srv, count)`, packed as a gateway does it."""
        minutes = {}
        for at, user, srv, count in entries:
            begins = at // MINUTE * MINUTE
            minutes.setdefault(begins, Minute(begins)).add(user, (count, 0, 0, 0, 0), {srv: (count, 0, 0)})
        numbered = enumerate(sorted(minutes.items()), 1)
        closed = [Closed(seq, begins, minute.requests, *minute.documents()) for seq, (begins, minute) in numbered]
        with self.store.changing() as connection:
            write(connection, "one", closed, max(minutes))
        while True:
            with self.store.reading() as connection:
                found = summed(minutes_due(connection, max(minutes) + 180 * MINUTE))
            if not found.rows:
                return
            with self.store.changing() as connection:
                pack_due(connection, found)
