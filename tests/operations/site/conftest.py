"""Fixtures: a site over a real store, in this process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from site_client import Browser

from sluicegate.operations.site.app import site
from sluicegate.operations.site.gate import SiteGate, Terms
from sluicegate.operations.site.sign_in import SignIn
from sluicegate.operations.store import tokens, trail
from sluicegate.operations.store.store import OperationsStore


class Here:
    """The worker of a test: it works at once, in this thread."""

    def __init__(self, store):
        self._store = store

    async def do(self, work, patience=0):
        return work(self._store)


@dataclass
class Site:
    """A site, its store, and those who ask it."""

    store: OperationsStore
    terms: Terms = field(default_factory=lambda: Terms(secure=True))
    openid: object = None
    routes: tuple = ()
    users: frozenset = frozenset({"Large"})

    def __post_init__(self):
        worker = Here(self.store)
        self.gate = SiteGate(worker, self.users.__contains__, self.terms)
        routes = [*SignIn(worker, self.gate, self.openid).routes(), *self.routes]
        self.app = site(self.gate, routes, secure=self.terms.secure)

    def browser(self, url="https://site.example"):
        return Browser(self.app, url)

    def token(self, name="alice", role="operator", days=1.0):
        with self.store.changing() as connection:
            return tokens.create(connection, name=name, role=role, days=days, note="", who="op", at=trail.now())[0]

    def trail(self):
        with self.store.reading() as connection:
            return list(trail.rows(connection))


@pytest.fixture
def store(tmp_path):
    opened = OperationsStore(str(tmp_path / "operations.db"))
    yield opened
    opened.close()


@pytest.fixture
def make(store):
    """`make()` makes a site; what is given is handed on to it."""
    return lambda **more: Site(store, **more)


@pytest.fixture
def no_waiting(monkeypatch):
    """Offenders' answers do not wait."""

    async def at_once(_seconds):
        pass

    monkeypatch.setattr("sluicegate.operations.site.slowing.asyncio.sleep", at_once)
    return asyncio
