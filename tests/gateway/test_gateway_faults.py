"""The operations database breaks under a running gateway: it goes on deciding, shows it, and writes what waited."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import contextmanager
from secrets import token_hex

import pytest
from rig import LARGE, SMALL, Client, fetch, message, request, wait_for

from postgres import Server
from sluicegate.database import connecting
from sluicegate.database.errors import StoreError
from sluicegate.operations.book import campaigns, versions
from sluicegate.operations.history import writing
from sluicegate.operations.notices import outbox
from sluicegate.operations.notices.notice import made
from sluicegate.operations.notices.wording import announcement
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.verify import verify

USERS = (
    {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},
    {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 0},
)
ADMIN = {"listen": "127.0.0.1:0"}
HOUR = 3_600_000_000
AT = 500_000 * HOUR


def changes(number):
    """What each part writes, so that a page of each table is filled."""
    many = str(number)
    return {
        "a book": lambda at: versions.put(at, {"Large": 1.0}, who="alice", at=AT, note=many * 20),
        "a campaign": lambda at: campaigns.announce(
            at, user="Large", srv="2.2", volume=9, starts_at=AT, ends_at=AT + HOUR, who="alice", at=AT
        ),
        "a notice": lambda at: outbox.write(at, [made("announcement", announcement(many, "x" * 99), AT)], "nobody", AT),
        "a minute": lambda at: writing.write(at, f"run {number}", [writing.Closed(1, AT, 1, b"x" * 60, b"x" * 60)], AT),
    }  # fmt: skip


def changed(store, work):
    with store.changing() as connection:
        work(connection)


def fill(store, kind):
    for number in range(3000):
        changed(store, changes(number)[kind])


def loop_of(running):
    return running.gateway.history._tasks[0].get_loop()


def again(running):
    """Its thread has another connection."""
    work = running.gateway.operations._worker.do(lambda store: store._disconnect())
    asyncio.run_coroutine_threadsafe(work, loop_of(running)).result(60)


@contextmanager
def full(where, monkeypatch, running):
    """No file may grow: as on a disk without room."""
    store = OperationsStore(where)
    with monkeypatch.context() as patched:
        patched.setattr(connecting, "PRAGMAS", (*connecting.PRAGMAS, "max_page_count = 1"))
        store._disconnect()
        again(running)
        for kind in changes(0):
            with pytest.raises(StoreError, match="full"):
                fill(store, kind)
        yield
        for work in changes(9999).values():
            with pytest.raises(StoreError):
                changed(store, work)
    for work in changes(10_000).values():
        changed(store, work)
    with store.reading() as connection:
        assert verify(connection).problems == []  # nothing was half done
    store.close()


@contextmanager
def locked(where, monkeypatch, running):
    """Another process is in a transaction."""
    other = sqlite3.connect(where, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def seen(running):
    told = json.loads(fetch(running.admin_port, "/api/v1/status").body)
    return told["operations"]["database"], told["history"]["minutes"]["waiting"], told["notices"]["unwritten"]


def works_through(running, breaks):
    """Decides while it is broken, shows what waits, and has written all of it afterwards."""
    operations, history = running.gateway.operations, running.gateway.history
    loop = loop_of(running)
    wait_for(lambda: seen(running)[0] != "failing")
    running.call(history._tasks[0].cancel)  # it looks when this test says so: one minute has it all
    srvs = running.gateway.tallies["Large"].srvs
    with breaks:
        with Client(running.port) as client:
            answers = [client.send(request(message())).answer().status for _ in range(5)]
        assert sum(running.gateway.tallies["Large"].outcomes()) == len(answers)
        loop.call_soon_threadsafe(operations.notices.announce, "Drill", "x" * 4000)
        running.call(
            lambda: srvs.update({token_hex(16): [1, 0, 0] for _ in range(200)})
        )  # more than a page has room for
        loop.call_soon_threadsafe(lambda: (history.look(AT / 1e6), history._close()))
        wait_for(lambda: seen(running) == ("failing", 1, 1))
        assert b"sluicegate_operations_failing 1.0" in fetch(running.admin_port, "/metrics").body
    wait_for(lambda: seen(running)[1:] == (0, 0))
    wait_for(lambda: seen(running)[0] != "failing")
    assert (history.lost_minutes, operations.notices.unrecorded) == (0, 0)


@pytest.mark.parametrize("breaks", [full, locked])
def test_a_database_without_room_or_locked_stops_no_decision_and_what_waited_is_written(
    gateway, tmp_path, monkeypatch, breaks
):
    monkeypatch.setattr("sluicegate.operations.store.store.WAIT", 0.05)
    monkeypatch.setattr("sluicegate.operations.history.history.AGAIN", 0.1)
    where = str(tmp_path / "operations.db")
    OperationsStore(where).close()
    running = gateway(users=USERS, operations={"database": "operations.db"}, admin=ADMIN)
    works_through(running, breaks(where, monkeypatch, running))


def test_a_postgresql_that_is_stopped_and_started_stops_no_decision_and_what_waited_is_written(gateway, monkeypatch):
    monkeypatch.setattr("sluicegate.operations.history.history.AGAIN", 0.1)
    server = Server()

    @contextmanager
    def stopped():
        server.kill()
        yield
        server.start()

    try:
        running = gateway(users=USERS, operations={"database": server.schema("operations")}, admin=ADMIN)
        works_through(running, stopped())
    finally:
        server.stop()
