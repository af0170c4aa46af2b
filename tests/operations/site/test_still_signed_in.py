"""Who was let in for an answer that lasts is looked up again: it ends with the session, the token, or the User."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import JSONResponse

from sluicegate.operations.site.guarded import guarded, routed, still_in
from sluicegate.operations.site.principal import EVERYBODY
from sluicegate.operations.store import sessions, tokens, trail
from sluicegate.operations.store.worker import Unavailable


@pytest.fixture
def looking(make):
    """A site, a browser that has signed in, and a way to ask whether who has sent that request still is."""
    came = []

    async def look(request, _principal):
        came.append(request)
        return JSONResponse({})

    site = make(routes=(routed("/api/v1/live", {"GET": guarded(look, EVERYBODY)}),))

    def start(by="session", **more):
        browser, shown = site.browser(), site.token(**more)
        fields = {"Authorization": f"Bearer {shown}"}
        if by == "session":
            browser.post("/sign-in", data={"token": shown})
            fields = {}
        assert browser.get("/api/v1/live", headers=fields).status_code == 200
        return browser, lambda: asyncio.run(still_in(came[-1]))

    start.site = site
    return start


def test_it_ends_with_the_sign_out(looking):
    browser, still = looking()
    assert still()
    csrf = browser.get("/api/v1/session").json()["csrf"]
    assert browser.request("DELETE", "/api/v1/session", headers={"X-CSRF-Token": csrf}).status_code == 204
    assert not still()


@pytest.mark.parametrize("by", ["session", "token"])
def test_it_ends_when_the_token_is_revoked(looking, by):
    _, still = looking(by)
    assert still()
    with looking.site.store.changing() as connection:
        tokens.revoke(connection, 1, who="op", at=trail.now())
    assert not still()


def test_it_ends_when_the_session_does_and_looking_keeps_none_alive(looking, monkeypatch):
    _, still = looking()
    later = trail.now() + looking.site.terms.idle
    monkeypatch.setattr(trail, "now", lambda: later - 5_000_000)
    assert still()
    with looking.site.store.reading() as connection:
        (session,) = sessions.every(connection)
    assert session.seen_at < later - 60_000_000, "it was not in use"
    monkeypatch.setattr(trail, "now", lambda: later + 1)
    assert not still()


def test_it_ends_when_the_user_is_not_in_the_configuration_any_more(looking):
    _, still = looking("token", name="Large", role="user")
    assert still()
    looking.site.gate._knows = lambda _name: False
    assert not still()


def test_while_the_database_is_lost_who_was_let_in_goes_on(looking):
    _, still = looking()

    async def lost(_work):
        raise Unavailable("the disk is full")

    looking.site.gate._worker.do = lost
    assert still()
