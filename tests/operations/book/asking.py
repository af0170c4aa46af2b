"""Asks the book and the campaigns over HTTP as somebody, in this process, on whichever database the test has."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace

import httpx

from sluicegate.database.errors import StoreLost
from sluicegate.operations.book.api import BookApi
from sluicegate.operations.book.campaign_api import CampaignApi
from sluicegate.operations.history.counts import MINUTE
from sluicegate.operations.history.minute import Minute
from sluicegate.operations.history.writing import Closed, minutes_due, pack_due, summed, write
from sluicegate.operations.site.app import site
from sluicegate.operations.site.principal import Principal
from sluicegate.operations.store.worker import InDoubt


class Here:
    """The worker of a test: it works at once, in this thread. `lost`: the database goes before the commit."""

    def __init__(self, store):
        self.store = store
        self.lost = False

    async def do(self, work, patience=0):
        if not self.lost:
            return work(self.store)
        try:
            with self.store.changing() as connection:
                _work_and_fail(work, connection)
        except StoreLost as error:
            raise InDoubt(str(error)) from None


def _work_and_fail(work, connection):
    work(SimpleNamespace(changing=lambda: nullcontext(connection), reading=lambda: nullcontext(connection)))
    raise StoreLost("the disk is full")


class Asking:
    """`ask("operator", "ann", "POST", "/api/v1/campaigns", {...})`: the status, and what was told."""

    def __init__(self, store, settings):
        self.worker = Here(store)
        self.gateway = SimpleNamespace(settings=settings, file=settings)
        self.changes = 0

        async def catch_up():
            self.changes += 1
            return True

        governor = SimpleNamespace(catch_up=catch_up)
        book = BookApi(self.gateway, self.worker, governor, lambda: None)
        self.who = None
        gate = SimpleNamespace(principal=self._principal)
        self.site = site(gate, [*book.routes(), *CampaignApi(self.gateway, self.worker).routes()], secure=False)

    async def _principal(self, _request):
        return self.who

    def __call__(self, role, name, method, path, body=None):
        user = name if role == "user" else None
        self.who = Principal(f"User {name}" if user else name, role, user, "token 1")
        return asyncio.run(self._ask(method, path, body))

    async def _ask(self, method, path, body):
        transport = httpx.ASGITransport(self.site)
        async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as client:
            answer = await client.request(method, path, json=body)
            return answer.status_code, answer.json()


def counted(store, entries):
    """Usage in the history: `(at, user, {srv: (within, excess, throttled)})`, packed as a gateway does it."""
    minutes = {}
    for at, user, srvs in entries:
        begins = at // MINUTE * MINUTE
        counts = tuple(map(sum, zip(*srvs.values(), strict=True)))
        minutes.setdefault(begins, Minute(begins)).add(user, (*counts, 0, 0), srvs)
    closed = [
        Closed(seq, begins, minute.requests, *minute.documents())
        for seq, (begins, minute) in enumerate(sorted(minutes.items()), 1)
    ]
    last = max(minutes)
    with store.changing() as connection:
        write(connection, "one", closed, last)
    while True:
        with store.reading() as connection:
            found = summed(minutes_due(connection, last + 3 * 60 * MINUTE))
        if not found.rows:
            return
        with store.changing() as connection:
            pack_due(connection, found)
