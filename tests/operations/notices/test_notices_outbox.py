"""Notices in the database: written as often as one likes, lent to one process at a time; on SQLite as on PostgreSQL."""

from __future__ import annotations

import pytest

from postgres import Server
from sluicegate.operations.notices import outbox
from sluicegate.operations.notices.notice import GIVEN_UP, SENT, SHOWN, WAITING, made
from sluicegate.operations.store.store import OperationsStore

AT = 1_790_000_000_000_000
MINUTE = 60_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    if request.param == "sqlite":
        where = str(tmp_path / "operations.db")
    else:
        server: Server = request.getfixturevalue("postgres")
        where = server.schema("notices")
    opened = OperationsStore(where)
    yield opened
    opened.close()


def a_notice(kind="80%", at=AT, user="A", channel="duty"):
    return made(kind, {"title": "ü", "text": "t", "data": {"share": 0.8}}, at, user, channel)


def write(store, *notices, holder="me", until=AT + MINUTE):
    with store.changing() as connection:
        outbox.write(connection, notices, holder, until)


def claim(store, holder, at, until):
    with store.changing() as connection:
        return outbox.claim(connection, holder, at, until)


def newest(store, **how):
    with store.reading() as connection:
        return outbox.newest(connection, 100, **how)


def test_a_notice_is_read_as_it_was_written_and_writing_twice_is_as_good_as_once(store):
    one, shown = a_notice(), a_notice(channel="", at=AT + 1)
    write(store, one, shown)
    write(store, one)
    assert newest(store) == [shown, one]
    assert shown.state == SHOWN
    write(store, one.failed("no", AT + 5).sent(AT + 9))
    assert newest(store)[1].state == SENT
    assert (newest(store)[1].attempts, newest(store)[1].ended_at) == (2, AT + 9)
    assert newest(store, states=[WAITING]) == []


def test_a_user_sees_its_own_and_what_everybody_is_told(store):
    own, other, all_of_them = a_notice(), a_notice(user="B"), a_notice("active", user="", channel="")
    write(store, own, other, all_of_them)
    assert {one.id for one in newest(store, user="A")} == {own.id, all_of_them.id}


def test_what_one_holds_no_other_takes_until_it_is_silent_for_too_long(store):
    one, ended = a_notice(), a_notice().given_up("no", AT)
    write(store, one, ended)
    assert claim(store, "other", AT + 1, AT + 2 * MINUTE) == []
    assert claim(store, "me", AT + MINUTE // 2, AT + 2 * MINUTE) == []  # held on to
    assert claim(store, "other", AT + MINUTE + 1, AT + 3 * MINUTE) == []
    assert claim(store, "other", AT + 2 * MINUTE + 1, AT + 4 * MINUTE) == [one]
    assert claim(store, "me", AT + 3 * MINUTE, AT + 5 * MINUTE) == []
    assert ended.state == GIVEN_UP


def test_what_is_let_go_of_is_taken_at_once(store):
    one = a_notice()
    write(store, one)
    with store.changing() as connection:
        outbox.release(connection, "me")
    assert claim(store, "other", AT + 1, AT + MINUTE) == [one]


def test_what_is_old_is_deleted_but_for_what_waits(store):
    waits, old, new = a_notice(), a_notice().sent(AT), a_notice(at=AT + MINUTE).sent(AT + MINUTE)
    write(store, waits, old, new)
    with store.changing() as connection:
        assert outbox.purge(connection, AT + 1) == 1
        assert outbox.purge(connection, AT + 1) == 0
    assert {one.id for one in newest(store)} == {waits.id, new.id}


def test_what_was_told_last_is_told_in_the_order_of_time(store):
    write(
        store, a_notice("80%", AT), a_notice("80%", AT + 9), a_notice("active", AT + 3, user="", channel=""),
        a_notice("normal", AT + 4, user="", channel=""), a_notice("90%", AT - 1),
    )  # fmt: skip
    with store.reading() as connection:
        told = outbox.told_since(connection, AT)
    assert told == [("", "active", AT + 3), ("", "normal", AT + 4), ("A", "80%", AT + 9)]
