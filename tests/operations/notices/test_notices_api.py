"""Notices, channels and the test button over HTTP: each in its role, nobody's to another, no secret in any answer."""

from __future__ import annotations

from contextlib import asynccontextmanager

import httpx
import jsonschema_rs
import pytest
from notice_receivers import Receiver, answer, until, webhook

from sluicegate.operations.notices import outbox, testing
from sluicegate.operations.notices.api import NoticesApi
from sluicegate.operations.notices.described import CHANNELS, NOTICES, PATHS
from sluicegate.operations.notices.notice import made
from sluicegate.operations.notices.service import Notices
from sluicegate.operations.notices.testing import Button, TooSoon
from sluicegate.operations.site.app import site
from sluicegate.operations.site.gate import SiteGate, Terms
from sluicegate.operations.site.principal import ROLES, STAFF
from sluicegate.operations.store import tokens, trail
from sluicegate.operations.store.worker import Worker

A, B = "Large Supplier A", "Network Operator B"
AT = trail.now() - 60_000_000
"""A minute ago: what is older than `keep_days` is deleted."""
TEST = f"{CHANNELS}/test"
MAIL = 'name = "duty"\nemail = "duty@large-supplier-a.example"\nnotices = ["100%", "active"]'
OF_LAST = '\n[[user.channel]]\nname = "chat"\napprise = "env:NOT_SET_ANYWHERE"\n'
SMTP = '[notices.smtp]\nhost = "127.0.0.1"\nport = 9\nsender = "sluicegate@operator.example"\nsecurity = "none"'


class Api:
    """The API of notices behind a gate, and the channels of A and B."""

    def __init__(self, settings, where, store):
        self.settings, self._store = settings, store
        self.worker = Worker(where)
        self.notices = Notices(settings, self.worker)
        gate = SiteGate(self.worker, lambda name: any(user.name == name for user in settings.users), Terms())
        self._app = site(gate, NoticesApi(self, self.worker, self.notices).routes(), secure=False)
        self._tokens = {}

    def _token(self, role, user):
        if (role, user) not in self._tokens:
            name = user if role == "user" else "alice"
            with self._store.changing() as connection:
                self._tokens[role, user] = tokens.create(
                    connection, name=name, role=role, days=1, note="", who="op", at=trail.now()
                )[0]
        return self._tokens[role, user]

    async def ask(self, method, path, role="user", user=A, **more):
        shown = self._token(role, user)
        transport = httpx.ASGITransport(self._app, client=("192.0.2.1", 40000))
        async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as client:
            return await client.request(method, path, headers={"Authorization": f"Bearer {shown}"}, **more)

    async def get(self, path, role="user", user=A, **query):
        """What it says, which is as it is described."""
        answered = await self.ask("GET", path, role, user, params=query)
        assert answered.status_code == 200, answered.text
        jsonschema_rs.validate(schema(path, "get"), answered.json())
        return answered.json()

    def trail(self):
        with self._store.reading() as connection:
            return [row for row in trail.rows(connection) if row.did == testing.TESTED]

    def write(self, *notices):
        with self._store.changing() as connection:
            outbox.write(connection, notices, "another gateway", trail.now() + 3_600_000_000)


def schema(path, method):
    return PATHS[path][method]["responses"]["200"]["content"]["application/json"]["schema"]


@pytest.fixture
def api(run, configured, where, store):
    """Runs a coroutine function that is given the API, and a receiver."""

    @asynccontextmanager
    async def begun():
        receiver = Receiver()
        await receiver.start()
        hook = f'name = "room"\nwebhook = "http://127.0.0.1:{receiver.port}/hook/9f3a"\nsecret = "file:secret"'
        settings = configured(hook, MAIL, where=where, notices=SMTP, others=OF_LAST)
        one = Api(settings, where, store)
        await one.notices.start()
        await until(lambda: len(one.notices.lanes) == 3)
        yield one, receiver
        await one.notices.stop()
        one.worker.close()
        await one.worker.ended(5)

    def runs(work):
        async def whole():
            async with begun() as (one, receiver):
                await work(one, receiver)

        run(whole)

    return runs


def notice(user=A, channel="room", at=AT, kind="90%"):
    return made(kind, {"title": f"{kind} of {user}", "text": "t", "data": {}}, at, user, channel)


def titles(told):
    return [one["title"] for one in told["notices"]]


# --- what was told


def test_a_user_sees_its_own_notices_and_everybody_s_with_what_became_of_each(api):
    async def work(api, _receiver):
        waits = notice(at=AT + 1).failed("it answered 500", AT + 9)
        api.write(
            notice().sent(AT + 5), waits, notice(at=AT + 2).given_up("it answered 410", AT + 7), notice(B, at=AT + 3),
            made("active", {"title": "active", "text": "t", "data": {}}, AT + 4),
        )  # fmt: skip
        told = await api.get(NOTICES)
        assert [(one["user"], one["state"], one["why"]) for one in told["notices"]] == [
            (None, "shown", None), (A, "given up", "it answered 410"), (A, "waiting", "it answered 500"),
            (A, "sent", None),
        ]  # fmt: skip
        assert (told["notices"][2]["attempts"], told["notices"][2]["due_at"][-1]) == (1, "Z")

    api(work)


@pytest.mark.parametrize("role", sorted(STAFF))
def test_who_works_there_sees_everybody_s_notices_or_one_user_s(api, role):
    async def work(api, _receiver):
        api.write(notice(), notice(B, at=AT + 1))
        assert titles(await api.get(NOTICES, role)) == [f"90% of {B}", f"90% of {A}"]
        assert titles(await api.get(NOTICES, role, user=None, limit=1)) == [f"90% of {B}"]
        answered = await api.ask("GET", NOTICES, role, params={"user": A})
        assert titles(answered.json()) == [f"90% of {A}"]

    api(work)


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1e2", "٣", "99999"])
def test_a_limit_that_is_none_is_refused_with_what_it_may_be(api, limit):
    async def work(api, _receiver):
        for path in (NOTICES, CHANNELS):
            answered = await api.ask("GET", path, params={"limit": limit})
            assert answered.status_code == 422
            assert answered.json()["detail"] == "`limit` is a number from 1 to 1,000"

    api(work)


@pytest.mark.parametrize("path", [NOTICES, CHANNELS])
def test_another_user_s_are_refused_and_a_user_that_there_is_not_is_not_found(api, path):
    async def work(api, _receiver):
        assert (await api.ask("GET", path, params={"user": B})).status_code == 403
        assert (await api.ask("GET", path, params={"user": "Nobody"})).status_code == 403
        assert (await api.ask("GET", path, params={"user": A})).status_code == 200
        assert (await api.ask("GET", path, "viewer", params={"user": "Nobody\0"})).status_code == 404

    api(work)


# --- the channels


def test_a_user_sees_its_own_channels_masked(api):
    async def work(api, receiver):
        told = await api.get(CHANNELS)
        assert [(one["channel"], one["way"], one["address"], one["state"]) for one in told["channels"]] == [
            ("duty", "email", "d…@large-supplier-a.example", "unused"),
            ("room", "webhook", f"http://127.0.0.1:{receiver.port}/…", "unused"),
        ]
        assert (told["count"], told["failing"], told["users_without"]) == (2, 0, 0)
        assert told["channels"][0]["notices"] == ["100%", "active"]

    api(work)


def test_what_fails_is_first_for_who_works_there_and_no_answer_holds_a_secret(api):
    async def work(api, receiver):
        receiver.answers = [answer(500)]
        await api.ask("POST", TEST, json={"channel": "room"})
        answered = await api.ask("GET", CHANNELS, "viewer")
        first, *others = answered.json()["channels"]
        assert (first["user"], first["channel"], first["state"], first["why"]) == (
            A, "room", "failing", "it answered 500",
        )  # fmt: skip
        assert [one["channel"] for one in others] == ["duty", "chat"]
        assert others[1]["address"] is None
        assert (answered.json()["count"], answered.json()["failing"], answered.json()["users_without"]) == (3, 1, 1)
        for secret in ("whsec_", "9f3a", "duty@", "NOT_SET_ANYWHERE"):
            assert secret not in answered.text
        assert (await api.get(CHANNELS, "operator", limit=1))["count"] == 3

    api(work)


def test_what_another_gateway_delivered_counts_as_delivered(api):
    async def work(api, _receiver):
        at = trail.now() - 60_000_000
        api.write(notice(at=at).sent(at + 1_000_000), notice(B, at=at).sent(at + 2_000_000))
        (room,) = [one for one in (await api.get(CHANNELS))["channels"] if one["channel"] == "room"]
        assert (room["state"], room["sent_at"]) == ("working", trail.shown(at + 1_000_000))

    api(work)


# --- the test button


def test_a_user_tests_its_channels_and_hears_what_became_of_each(api):
    async def work(api, receiver):
        answered = await api.ask("POST", TEST, json={})
        jsonschema_rs.validate(schema(TEST, "post"), answered.json())
        tested = {one["channel"]: (one["delivered"], one["why"]) for one in answered.json()["tested"]}
        assert tested["room"] == (True, None)
        assert tested["duty"][0] is False
        assert len(receiver.got) == 1
        (row,) = api.trail()
        assert (row.about, row.who) == (A, f"User {A}, token 1")
        await until(lambda: api.notices.unwritten == 0)
        told = await api.get(NOTICES)
        assert sorted((one["kind"], one["state"]) for one in told["notices"]) == [
            ("test", "given up"),
            ("test", "sent"),
        ]
        rooms = {one["channel"]: one["state"] for one in (await api.get(CHANNELS))["channels"]}
        assert rooms == {"room": "working", "duty": "failing"}

    api(work)


def test_a_channel_is_tested_once_in_ten_seconds_and_the_refusal_says_so(api):
    async def work(api, receiver):
        assert (await api.ask("POST", TEST, json={"channel": "room"})).status_code == 200
        answered = await api.ask("POST", TEST, json={"channel": "room"})
        assert (answered.status_code, answered.headers["Retry-After"]) == (429, "10")
        assert "a channel may be tested once in 10 s, so again in 10 s" in answered.json()["detail"]
        assert (await api.ask("POST", TEST, "operator", json={"user": A})).status_code == 429
        assert (await api.ask("POST", TEST, json={"channel": "duty"})).status_code == 200  # another one
        assert len(receiver.got) == 1
        assert len(api.trail()) == 2

    api(work)


def test_an_operator_tests_anybody_s_and_must_say_whose(api):
    async def work(api, receiver):
        assert (await api.ask("POST", TEST, "operator", json={"user": A, "channel": "room"})).status_code == 200
        assert len(receiver.got) == 1
        assert api.trail()[0].who == "alice, token 1"
        assert (await api.ask("POST", TEST, "operator", json={})).status_code == 422
        assert (await api.ask("POST", TEST, "operator", json={"user": "Nobody"})).status_code == 404
        none = await api.ask("POST", TEST, "operator", json={"user": B, "channel": "room"})
        assert (none.status_code, none.json()["detail"]) == (
            404, "Network Operator B has no channel room: add a [[user.channel]]",
        )  # fmt: skip

    api(work)


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"operator", "user"}))
def test_who_only_looks_tests_nothing(api, role):
    async def work(api, receiver):
        assert (await api.ask("POST", TEST, role, json={"user": A})).status_code == 403
        assert receiver.got == api.trail() == []

    api(work)


def test_a_user_tests_nobody_else_s_channels(api):
    async def work(api, receiver):
        assert (await api.ask("POST", TEST, user=B, json={"user": A})).status_code == 403
        assert (await api.ask("POST", TEST, user=B, json={"channel": "room"})).status_code == 404
        assert receiver.got == api.trail() == []

    api(work)


@pytest.mark.parametrize(
    "body", ["", "[]", '{"user": 3}', '{"channel": ""}', '{"all": true}', '{"user": "' + "x" * 5000]
)
def test_what_is_no_question_is_refused_and_nothing_is_sent(api, body):
    async def work(api, receiver):
        assert (await api.ask("POST", TEST, content=body)).status_code in (413, 422)
        assert receiver.got == api.trail() == []

    api(work)


def test_a_test_that_works_mends_the_state_and_what_waits_is_tried_now(run, configured, where, store):
    async def work():
        receiver = Receiver()
        await receiver.start()
        slow = "[notices.retry]\nfirst = 3600\nceiling = 3600"
        api = Api(configured(webhook("room", receiver.port), where=where, notices=slow), where, store)
        await api.notices.start()
        await until(lambda: api.notices.lanes)
        receiver.answers = [answer(500)]
        api.notices.announce("t", "t", [A])
        await until(lambda: api.notices.lanes[A, "room"].failing and not api.notices.lanes[A, "room"]._trying)
        assert (await api.ask("POST", TEST, json={})).json()["tested"][0]["delivered"]
        await until(lambda: len(receiver.got) == 3)
        await until(lambda: not api.notices.waiting)
        (told,) = (await api.get(CHANNELS))["channels"]
        assert (told["state"], told["why"], told["failing_since"]) == ("working", None, None)
        await api.notices.stop()
        api.worker.close()
        await api.worker.ended(5)

    run(work)


def test_the_button_is_each_channel_s_own_and_a_refusal_presses_none():
    button = Button()
    button.press(A, ["room"], 100.0)
    with pytest.raises(TooSoon) as refused:
        button.press(A, ["duty", "room"], 103.0)
    assert refused.value.seconds == 7
    button.press(A, ["duty"], 103.0)
    button.press(B, ["room"], 103.0)
    button.press(A, ["room"], 110.0)
    button.press(A, [], 110.0)
