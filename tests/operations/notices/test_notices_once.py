"""What several gateways on one database see alike is told by one of them: once over each channel, whatever breaks."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from time import monotonic
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notice_receivers import Receiver, answer, until, webhook

from sluicegate.allocation import Book, Overlay, overlaid
from sluicegate.ledger import LocalLedger
from sluicegate.operations.controls import kept
from sluicegate.operations.controls.governor import NEWS
from sluicegate.operations.controls.kinds import Wanted
from sluicegate.operations.notices import outbox
from sluicegate.operations.notices.notice import SENT, SHOWN, made
from sluicegate.operations.notices.service import Notices
from sluicegate.operations.running import Operations
from sluicegate.operations.status import Rates
from sluicegate.operations.store import trail
from sluicegate.operations.store.worker import InDoubt, Unavailable, Worker
from sluicegate.operations.tally import Tally

AT = 1_790_000_000_000_000
MINUTE = 60_000_000
A = "Large Supplier A"
FAST = "[notices.retry]\nfirst = 0.01\nceiling = 0.02\njitter = 0"


def told(key, channel="duty", at=AT):
    return made("announcement", {"title": "t", "text": "t", "data": {}}, at, A, channel, key)


def once(store, holder, *notices, doubtful=()):
    with store.changing() as connection:
        return outbox.write_once(connection, notices, holder, AT + MINUTE, doubtful)


def kept_notices(store):
    with store.reading() as connection:
        return outbox.newest(connection, 100)


# --- the table


def test_who_writes_a_key_first_delivers_it_and_nobody_else(store):
    mine, yours = told("control 1 put"), told("control 1 put", at=AT + 1)
    assert mine.id == yours.id
    assert once(store, "me", mine) == [mine]
    assert once(store, "you", yours) == []
    assert kept_notices(store) == [mine]


def test_another_key_channel_or_user_is_another_notice(store):
    others = [told("control 1 put"), told("control 1 over"), told("control 2 put"), told("control 1 put", "chat")]
    assert once(store, "me", *others) == others


def test_what_was_written_by_a_transaction_of_which_that_was_not_known_is_delivered(store):
    mine = told("key")
    once(store, "me", mine)
    assert once(store, "me", mine) == []
    assert once(store, "me", mine, doubtful=[mine.id]) == [mine]
    assert once(store, "you", mine, doubtful=[mine.id]) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sets(st.integers(1, 5), min_size=1)), max_size=8))
def test_whoever_sees_what_and_when_each_key_is_delivered_by_one(store, seen):
    case, delivered = uuid4().hex, []  # the store lasts over all cases
    for holder, numbers in seen:
        mine = once(store, f"{holder} {case}", *(told(f"{case} {number}") for number in sorted(numbers)))
        delivered += [(holder, one.id) for one in mine]
    by_key = {told(f"{case} {number}").id for _, numbers in seen for number in numbers}
    assert {key for _, key in delivered} == by_key
    assert len({(holder, key) for holder, key in delivered}) == len(by_key)


# --- two gateways


class Gateway:
    """What Operations govern, without sockets."""

    colleagues = None

    def __init__(self, settings):
        self.settings = self._file = settings
        self.ledger = LocalLedger(settings.capacity, Book.from_settings(settings), 0.0)
        self.tallies = {user.name: Tally() for user in settings.users}

    def set_overlay(self, overlay: Overlay) -> None:
        self.settings = overlaid(self._file, overlay)

    def set_profiles(self, own) -> None:
        pass


@asynccontextmanager
async def operations(configured, where, receiver, monkeypatch, count=2):
    """So many gateways on one database, with one channel; they look all the time."""
    monkeypatch.setattr("sluicegate.operations.running.TICK", 0.01)
    monkeypatch.setattr("sluicegate.operations.running.EVERY", 0.01)
    running = []
    for _ in range(count):
        made_settings = configured(webhook("duty", receiver.port), notices=FAST, where=where)
        running.append(Operations(Gateway(made_settings), where, Rates(monotonic())))
    try:
        for one in running:
            await one.start()
        await until(lambda: all(one.notices.lanes for one in running))
        yield running
    finally:
        for one in running:
            await one.stop()


def titles(receiver):
    return [json.loads(body)["data"]["title"] for _, body in receiver.got]


def put(store, *wanted, at=None):
    with store.changing() as connection:
        return kept.put(connection, Wanted(*wanted), who="alice", reason="a test", at=at or trail.now())[0]


def end(store, one):
    with store.changing() as connection:
        kept.end(connection, one.seq, who="alice", reason="over", at=trail.now())


async def all_told(running, seen):
    """Each has seen so many, and nothing is left to be told."""
    await until(lambda: all(one.notices.told["announcement"] == seen for one in running))
    await until(lambda: not any(one.notices._events or one.notices.unwritten for one in running))
    await until(lambda: not any(one.notices.waiting or one.notices.unwritten for one in running))


def test_two_gateways_tell_of_a_control_once_when_it_is_put_and_once_when_it_is_over(
    run, configured, where, store, monkeypatch
):
    async def work():
        receiver = Receiver()
        await receiver.start()
        async with operations(configured, where, receiver, monkeypatch) as running:
            made_one = put(store, "emergency-capacity", None, 500.0)
            await all_told(running, 1)
            put(store, "temporary-allocation", A, 10.0, 600.0)
            await all_told(running, 2)
            end(store, made_one)
            await all_told(running, 3)
        assert titles(receiver) == [
            "The maximum capacity is 500 SR/s", "Your allocation is 10 SR/s for a time",
            "Over: the maximum capacity is 500 SR/s",
        ]  # fmt: skip
        assert sorted((one.user, one.channel, one.state) for one in kept_notices(store)) == [
            ("", "", SHOWN), ("", "", SHOWN), (A, "duty", SENT), (A, "duty", SENT), (A, "duty", SENT),
        ]  # fmt: skip

    run(work)


def test_a_gateway_that_starts_tells_of_what_was_put_shortly_before_unless_it_was_told(
    run, configured, where, store, monkeypatch
):
    async def work():
        receiver = Receiver()
        await receiver.start()
        put(store, "lowered-threshold", None, 500.0, 600.0)
        put(store, "observe-user", A, at=trail.now() - NEWS - 1)
        async with operations(configured, where, receiver, monkeypatch, 1) as running:
            await all_told(running, 1)
        async with operations(configured, where, receiver, monkeypatch, 2) as running:
            await all_told(running, 1)
        assert titles(receiver) == ["Traffic management begins at 500 SR/s"]

    run(work)


# --- what breaks


def test_what_was_written_though_the_answer_was_lost_is_told_once(run, configured, where, store, monkeypatch):
    async def work():
        receiver = Receiver()
        await receiver.start()
        notices = Notices(configured(webhook("duty", receiver.port), notices=FAST), worker := Deaf(where))
        await notices.start()
        await until(lambda: notices.lanes)
        notices.announce("t", "t", [A], "key")
        await until(lambda: kept_notices(store))
        assert notices.unwritten == 1
        assert receiver.got == []
        worker.deaf = False
        await until(lambda: notices.lanes[A, "duty"].counts.sent == 1)
        await until(lambda: not notices.unwritten)
        await notices.stop()
        worker.close()
        await worker.ended(5)
        assert len(receiver.got) == 1

    monkeypatch.setattr("sluicegate.operations.notices.scribe.REST", 0.02)
    run(work)


class Deaf(Worker):
    """A worker that does what it is asked, and whose answers are lost."""

    deaf = True

    async def do(self, work, patience=3.0):
        result = await super().do(work, patience)
        if self.deaf:
            raise InDoubt("lost")
        return result


def test_what_is_told_once_waits_for_a_database_that_is_lost_and_is_let_go_of_at_a_stop(
    run, configured, where, store, monkeypatch
):
    async def work():
        receiver = Receiver()
        await receiver.start()
        notices = Notices(configured(webhook("duty", receiver.port), notices=FAST), worker := Lost(where))
        await notices.start()
        notices.announce("t", "t", [A], "key")
        await until(lambda: notices.unwritten == 1)
        assert receiver.got == []
        worker.lost = False
        await until(lambda: len(receiver.got) == 1)
        worker.lost = True
        notices.announce("t", "t", [A], "another")
        await until(lambda: notices.unwritten)
        worker.lost = False
        await notices.stop()
        worker.close()
        await worker.ended(5)
        assert len(receiver.got) == 1

        def claimed():
            with store.changing() as connection:
                return outbox.claim(connection, "next", trail.now(), trail.now() + MINUTE)

        assert [one.id for one in claimed()] == [told("another").id]

    monkeypatch.setattr("sluicegate.operations.notices.scribe.REST", 0.02)
    run(work)


class Lost(Worker):
    """A worker whose database is lost until it is not."""

    lost = True

    async def do(self, work, patience=3.0):
        if self.lost:
            raise Unavailable("lost")
        return await super().do(work, patience)


def test_what_waits_for_the_database_is_bounded_and_what_is_more_is_counted(run, configured, where, monkeypatch):
    async def work():
        monkeypatch.setattr("sluicegate.operations.notices.scribe.MOST_UNWRITTEN", 5)
        notices = Notices(configured(webhook("duty", 9)), worker := Lost(where))
        await notices.start()
        for number in range(9):
            notices.announce("t", "t", [A], f"{number}")
        await until(lambda: notices.unrecorded == 4)
        assert notices.unwritten == 5
        await notices.stop()
        worker.close()
        await worker.ended(5)

    run(work)


def test_a_channel_that_fails_gets_what_is_told_once_again_with_one_id(run, configured, where, store, monkeypatch):
    async def work():
        receiver = Receiver()
        await receiver.start()
        receiver.answers = [answer(500), answer(500)]
        async with operations(configured, where, receiver, monkeypatch) as running:
            put(store, "drill", A, 0.5, 600.0)
            await until(lambda: len(receiver.got) == 3)
            await all_told(running, 1)
        assert len({fields["webhook-id"] for fields, _ in receiver.got}) == 1

    run(work)
