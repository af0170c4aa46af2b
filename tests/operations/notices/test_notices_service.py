"""Notices whole: from the counters to a real receiver, over restarts, dead channels and a database that is lost."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from dataclasses import dataclass

import pytest
from notice_receivers import Receiver, answer, until, webhook

from sluicegate.operations.notices import outbox, showing
from sluicegate.operations.notices.notice import GIVEN_UP, SENT, SHOWN, WAITING
from sluicegate.operations.notices.service import Notices
from sluicegate.operations.notices.testing import TESTED, TooSoon
from sluicegate.operations.store import trail
from sluicegate.operations.store.worker import Unavailable, Worker

A = "Large Supplier A"
FAST = "window_seconds = 3\n[notices.retry]\nfirst = 0.01\nceiling = 0.02\njitter = 0"


@dataclass
class Counts:
    within: int = 0
    excess: int = 0
    throttled: int = 0


class Site:
    """Notices, their worker, and two receivers."""

    def __init__(self, configured):
        self._configured = configured
        self.tally, self.now = Counts(), 100.0
        self.first, self.second = Receiver(), Receiver()

    async def __aenter__(self):
        await self.first.start()
        await self.second.start()
        return self

    async def __aexit__(self, *_):
        await self.end()

    async def begin(self, *channels, notices=FAST):
        self.settings = self._configured(
            *(channels or (webhook("one", self.first.port), webhook("two", self.second.port))), notices=notices
        )
        self.worker = Worker(str.__str__(self.settings.operations.database))
        self.notices = Notices(self.settings, self.worker)
        await self.notices.start()
        await until(lambda: len(self.notices.lanes) == len(self.settings.users[0].channels))
        return self.notices

    async def end(self):
        await self.notices.stop()
        self.worker.close()
        await self.worker.ended(5)

    async def look(self, active=False, tell=True):
        await self.notices.look(self.now, {A: self.tally}, {A: 100.0}, active, tell=tell)

    async def busy(self, rate=95, tell=True):
        """Four seconds of so many SR/s."""
        for _ in range(4):
            await self.look(tell=tell)
            self.now += 1
            self.tally.excess += rate
        await self.look(tell=tell)

    async def stored(self, most=100):
        def read(store):
            with store.reading() as connection:
                return outbox.newest(connection, most)

        return await self.worker.do(read)

    async def settled(self):
        await until(lambda: self.notices.waiting == 0 and self.notices.unwritten == 0 and not self.notices._events)


@pytest.fixture
def site(run, configured):
    """Runs a coroutine function that is given a site."""

    def runs(work):
        async def whole():
            async with Site(configured) as made:
                await work(made)

        run(whole)

    return runs


def kinds(receiver):
    return [json.loads(body)["data"]["kind"] for _, body in receiver.got]


def test_a_level_and_the_state_reach_every_channel_that_wants_them_and_are_kept(site):
    async def work(site):
        await site.begin(webhook("one", site.first.port), webhook("two", site.second.port, 'notices = ["active"]'))
        await site.busy()
        await site.look(active=True)
        site.now += 1
        await site.look(active=True)
        await until(lambda: len(site.first.got) == 2 and len(site.second.got) == 1)
        assert (kinds(site.first), kinds(site.second)) == (["90%", "active"], ["active"])
        await site.settled()
        kept = [(one.user, one.channel, one.kind, one.state) for one in await site.stored()]
        assert sorted(kept) == [
            ("", "", "active", SHOWN), (A, "one", "90%", SENT), (A, "one", "active", SENT), (A, "two", "active", SENT),
        ]  # fmt: skip
        assert dict(site.notices.told) == {"90%": 1, "active": 1}

    site(work)


def test_a_user_without_a_channel_has_its_notices_to_be_seen(site):
    async def work(site):
        await site.begin(webhook("one", site.first.port, 'notices = ["normal"]'))
        await site.busy()
        await until(lambda: site.notices.told)
        await asyncio.sleep(0)
        await site.settled()
        (one,) = await site.stored()
        assert (one.channel, one.kind, one.state) == ("", "90%", SHOWN)
        assert site.first.got == []

    site(work)


def test_a_channel_that_answers_500_gets_the_same_again_until_it_takes_it(site):
    async def work(site):
        site.first.answers = [answer(500), answer(500), answer(200)]
        await site.begin(webhook("one", site.first.port))
        await site.busy()
        await until(lambda: len(site.first.got) == 3)
        await site.settled()
        assert len({fields["webhook-id"] for fields, _ in site.first.got}) == 1
        assert len({body for _, body in site.first.got}) == 1
        (lane,) = site.notices.lanes.values()
        assert (lane.counts.sent, lane.counts.failed) == (1, 2)

    site(work)


def test_a_channel_that_hangs_and_one_that_is_dead_hold_up_no_other(site):
    async def work(site):
        site.first.answers = [None]
        await site.begin(
            webhook("hangs", site.first.port), webhook("dead", 9), webhook("works", site.second.port),
            'name = "no secret"\nwebhook = "http://127.0.0.1:9"\nsecret = "env:NOT_SET_ANYWHERE"',
        )  # fmt: skip
        await site.busy()
        await until(lambda: site.notices.lanes[A, "works"].counts.sent == 1)
        await until(lambda: site.notices.lanes[A, "no secret"].failing and site.notices.lanes[A, "dead"].failing)
        told = {one["channel"]: one for one in showing.status(site.notices)["channels"]}
        assert told["works"]["state"] == "working"
        assert "NOT_SET_ANYWHERE" in told["no secret"]["why"]
        assert told["dead"]["failing_since"] is not None
        assert site.notices.waiting == 3
        names = {metric.name for metric in showing.metrics(site.notices)}
        assert "sluicegate_notices_channel_failing" in names

    site(work)


def test_what_waited_at_a_stop_is_delivered_by_the_next_process(site):
    async def work(site):
        site.first.answers = [answer(500)] * 3
        slow = FAST.replace("first = 0.01\nceiling = 0.02", "first = 3600\nceiling = 3600")
        await site.begin(webhook("one", site.first.port), notices=slow)
        await site.busy()
        await until(lambda: len(site.first.got) == 1)
        await site.end()
        site.first.answers = []
        await site.begin(webhook("one", site.first.port), notices=slow)
        await until(lambda: site.notices.waiting == 1)
        site.notices.reload(site.settings)  # mended: it is tried now
        await until(lambda: len(site.first.got) == 2)
        assert site.first.got[0][0]["webhook-id"] == site.first.got[1][0]["webhook-id"]

    site(work)


def test_what_was_told_before_a_restart_is_not_told_again_at_once(site):
    async def work(site):
        await site.begin(webhook("one", site.first.port))
        await site.busy()
        await until(lambda: len(site.first.got) == 1)
        await site.end()
        await site.begin(webhook("one", site.first.port))
        await until(lambda: site.notices._watching._told)
        await site.busy()
        assert site.notices.held_back == 1
        assert not site.notices.told

    site(work)


def test_what_is_for_a_channel_that_is_no_more_is_given_up_and_counted(site):
    async def work(site):
        site.first.answers = [answer(500)] * 1000
        await site.begin(webhook("one", site.first.port), webhook("two", site.second.port))
        await site.busy()
        await until(lambda: len(site.first.got) > 1)
        site.notices.reload(site._configured(webhook("two", site.second.port), notices=FAST))
        await until(lambda: site.notices.given_up_without_channel == 1)
        await site.settled()
        states = {one.channel: (one.state, one.why) for one in await site.stored()}
        assert states["one"] == (GIVEN_UP, "the channel is no more")
        assert states["two"][0] == SENT

    site(work)


def test_a_secret_that_is_written_later_counts_from_the_reload(site):
    async def work(site):
        lines = webhook("one", site.first.port).replace("file:secret", "env:SECRET_OF_A_TEST")
        await site.begin(lines)
        await site.busy()
        await until(lambda: site.notices.lanes[A, "one"].failing)
        assert site.first.got == []
        os.environ["SECRET_OF_A_TEST"] = "x" * 24
        try:
            site.notices.reload(site.settings)
            await until(lambda: len(site.first.got) == 1)
        finally:
            del os.environ["SECRET_OF_A_TEST"]

    site(work)


def test_a_database_that_is_lost_holds_up_no_channel_and_what_is_not_written_is_shown(site, tmp_path):
    async def work(site):
        await site.begin(webhook("one", site.first.port))
        await until(lambda: not site.worker.failing)
        for name in tmp_path.glob("operations.db*"):
            name.unlink()
        await site.busy()
        await until(lambda: len(site.first.got) == 1)
        assert site.notices.unwritten == 1
        assert site.worker.failing

    site(work)


def test_a_database_that_is_locked_holds_up_no_channel_and_is_written_when_it_is_free(site, tmp_path):
    async def work(site):
        await site.begin(webhook("one", site.first.port))
        await until(lambda: not site.worker.failing)
        other = sqlite3.connect(tmp_path / "operations.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await site.busy()
        await until(lambda: len(site.first.got) == 1)
        assert site.notices.unwritten == 1
        other.execute("ROLLBACK")
        other.close()
        await site.settled()
        assert [one.state for one in await site.stored()] == [SENT]

    site(work)


def test_a_database_that_cannot_be_opened_holds_up_neither_start_nor_channel(site, tmp_path):
    async def work(site):
        (tmp_path / "operations.db").write_bytes(b"this is no database, and it is long enough to be sure" * 100)
        await site.begin(webhook("one", site.first.port))
        await site.busy()
        await until(lambda: len(site.first.got) == 1)
        assert site.worker.failing

    site(work)


def test_the_operator_tells_everybody_or_one(site):
    async def work(site):
        await site.begin()
        site.notices.announce("Capacity is cut", "Every allocation counts 0.8 from now on.")
        site.notices.announce("A drill", "At noon.", ["Small Supplier C"])
        await until(lambda: len(site.first.got) == 1 and len(site.second.got) == 1)
        await site.settled()
        kept = sorted((one.user, one.channel, one.state) for one in await site.stored())
        assert kept == [
            ("", "", SHOWN), (A, "one", SENT), (A, "two", SENT), ("Small Supplier C", "", SHOWN),
        ]  # fmt: skip

    site(work)


def test_the_test_button_tries_each_channel_once_tells_what_became_of_it_and_leaves_a_row_in_the_trail(site):
    async def work(site):
        site.second.answers = [answer(403)]
        await site.begin()
        tested = {one.channel: one.why for one in await site.notices.test(A, "operator jo")}
        assert tested == {"one": "", "two": "it answered 403"}
        assert kinds(site.first) == kinds(site.second) == ["test"]
        with pytest.raises(TooSoon):
            await site.notices.test(A, "operator jo")
        with pytest.raises(LookupError):
            await site.notices.test("Small Supplier C", "operator jo")
        await site.settled()
        assert {(one.channel, one.state) for one in await site.stored()} == {("one", SENT), ("two", GIVEN_UP)}

        def rows(store):
            with store.reading() as connection:
                return trail.newest(connection, 10)

        (row,) = await site.worker.do(rows)
        assert (row.did, row.about, row.who) == (TESTED, A, "operator jo")

    site(work)


def test_without_an_audit_trail_nothing_is_tested(site, tmp_path):
    async def work(site):
        (tmp_path / "operations.db").write_bytes(b"this is no database, and it is long enough to be sure" * 100)
        await site.begin()
        with pytest.raises(Unavailable):
            await site.notices.test(A, "operator jo")
        assert site.first.got == []

    site(work)


def test_a_look_never_raises_and_too_many_events_are_counted_and_not_kept(site, monkeypatch):
    async def work(site):
        await site.begin()
        await site.notices.look(1.0, {A: object()}, {A: 1.0}, False)
        monkeypatch.setattr("sluicegate.operations.notices.service.MOST_EVENTS", 3)
        for number in range(5):
            site.notices.announce(f"{number}", "", ["Small Supplier C"])
        assert site.notices.lost == 2
        assert site.notices.told["announcement"] == 3

    site(work)


def test_what_was_never_written_is_bounded_and_counted(site, monkeypatch, tmp_path):
    async def work(site):
        monkeypatch.setattr("sluicegate.operations.notices.scribe.MOST_UNWRITTEN", 5)
        (tmp_path / "operations.db").write_bytes(b"this is no database, and it is long enough to be sure" * 100)
        await site.begin()
        for number in range(9):
            site.notices.announce(f"{number}", "", ["Small Supplier C"])
        await until(lambda: site.notices.unrecorded == 4)
        assert site.notices.unwritten == 5

    site(work)


def test_a_notice_is_shown_whole_and_a_waiting_one_says_when_it_is_due(site):
    async def work(site):
        site.first.answers = [answer(500)] * 1000
        await site.begin(webhook("one", site.first.port))
        await site.busy()
        await until(lambda: len(site.first.got) > 1)
        await until(lambda: site.notices.unwritten == 0)
        (one,) = await site.stored()
        told = showing.notice(one)
        assert (told["state"], told["kind"], told["why"]) == (WAITING, "90%", "it answered 500")
        assert told["due_at"].endswith("Z")
        assert told["data"]["allocation"] == 100

    site(work)


def test_of_a_fleet_who_has_not_the_turn_watches_and_tells_nothing(site):
    async def work(made):
        notices = await made.begin()
        await made.busy(tell=False)
        assert notices.told == {}
        await made.busy()
        assert notices.told == {}, "the other one has told it"

    site(work)
