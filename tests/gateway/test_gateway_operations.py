"""The book and the notices at a running gateway: what was approved counts, and Users are told."""

from __future__ import annotations

import http.client
import http.server
import json
import sqlite3
import threading

import pytest
from rig import LARGE, SMALL, Client, fetch, message, request, wait_for
from rig_api import answer_to
from test_gateway_controls import CAPACITY, USERS, put

from sluicegate.operations.book import versions
from sluicegate.operations.controls import kept
from sluicegate.operations.store import tokens, trail
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.verify import verify

SECOND = 1_000_000
ADMIN = {"listen": "127.0.0.1:0"}
TABLES = {"operations": {"database": "operations.db"}, "users": USERS, "capacity": CAPACITY}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("sluicegate.operations.running.TICK", 0.02)
    monkeypatch.setattr("sluicegate.operations.running.EVERY", 0.02)


@pytest.fixture
def store(tmp_path):
    made = OperationsStore(str(tmp_path / "operations.db"))
    yield made
    made.close()


def approved(store, at, **allocations):
    with store.changing() as connection:
        made = versions.put(connection, allocations, who="alice", at=at - 3 * SECOND, asked_at=at)
        return versions.approve(connection, made.version, who="bob", at=at - 2 * SECOND)


def allocations(running):
    return [running.gateway.ledger.account(name).allocation for name in ("Large", "Small")]


def test_a_book_that_is_in_force_counts_before_the_first_request_and_wins_over_the_file(gateway, store):
    approved(store, trail.now() - SECOND, Large=3, Small=5)
    running = gateway(**TABLES)
    assert allocations(running) == [3, 5]
    running.reload(running.text)
    assert allocations(running) == [3, 5]


def test_an_approved_book_comes_into_force_on_time_and_a_rollback_at_once_without_a_restart(gateway, store):
    running = gateway(**TABLES)
    with Client(running.port) as client:
        for counter in range(3):
            client.send(request(message(LARGE, counter=counter))).answer()
        level = running.gateway.ledger.account("Large").level
        approved(store, trail.now() + 2 * SECOND, Large=3, Small=5)
        wait_for(lambda: allocations(running) == [3, 5])
        assert running.gateway.ledger.account("Large").level <= 3
        assert running.gateway.ledger.account("Large").level >= min(level, 3) - 1e-6
        with store.changing() as connection:
            versions.rollback(connection, who="alice", at=trail.now())
        wait_for(lambda: allocations(running) == [4, 2])
        assert client.send(request(message(SMALL))).answer().status == 200


@pytest.fixture
def hook():
    """Where webhooks arrive."""
    came = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.came = came
    yield server
    server.shutdown()
    server.server_close()


def told_of(running):
    return json.loads(fetch(running.admin_port, "/api/v1/status").body)["notices"]


def test_everybody_is_told_of_an_emergency_capacity_and_that_it_is_over(gateway, store, tmp_path, hook):
    (tmp_path / "secret").write_text("x" * 32)
    channel = {"name": "duty", "webhook": f"http://127.0.0.1:{hook.server_address[1]}/", "secret": "file:secret"}
    running = gateway(**TABLES | {"users": (USERS[0] | {"channel": [channel]}, USERS[1])}, admin=ADMIN)
    made = put(store, "emergency-capacity", None, 3.0)
    wait_for(lambda: hook.came)
    assert "The maximum capacity is 3 SR/s" in json.dumps(hook.came[0])
    assert "a test" in json.dumps(hook.came[0])
    assert allocations(running)[0] == pytest.approx(2)
    with store.changing() as connection:
        kept.end(connection, made.seq, who="alice", reason="over", at=trail.now())
    wait_for(lambda: len(hook.came) > 1)
    assert "Over: the maximum capacity is 3 SR/s" in json.dumps(hook.came[1])
    wait_for(lambda: told_of(running)["channels"][0]["sent"] == 2)
    assert told_of(running)["told"] == {"announcement": 2}
    text = fetch(running.admin_port, "/metrics").body.decode()
    assert 'sluicegate_notices_sent_total{channel="duty",user="Large"} 2.0' in text


@pytest.fixture
def ask(gateway, store):
    """Asks the book of a running gateway, as somebody."""
    running = gateway(**TABLES, account={"listen": "127.0.0.1:0"})

    def asking(role, name, method="GET", path="", body=None):
        return answer_to(running, store, role, name, method, f"/api/v1/book{path}", body)

    asking.running = running
    return asking


BOOK = {"allocations": {"Large": 3, "Small": 5}, "note": "spring"}


def test_a_book_that_one_account_puts_a_second_one_approves_over_the_api(ask, store):
    status, told = ask("operator", "alice", "POST", body=BOOK)
    assert (status, told["state"], told["by"]) == (201, "waits for approval", "alice")
    status, told = ask("operator", "Alice", "POST", "/1/approve")
    assert status == 409
    assert "a second account approves it" in told["detail"]
    status, told = ask("approver", "bob", "POST", "/1/approve")
    assert (status, told["state"], told["approved_by"]) == (200, "approved", "bob")
    assert allocations(ask.running) == [4, 2]  # until Monday
    assert ask("viewer", "carol", path="/1")[1]["allocations"] == {"Large": 3, "Small": 5}
    assert [one["version"] for one in ask("viewer", "carol")[1]["versions"]] == [1]
    assert ask("approver", "bob", "POST", "/1/withdraw")[1]["state"] == "withdrawn"
    with store.reading() as connection:
        assert verify(connection).problems == []


def test_a_book_that_no_longer_fits_the_configuration_is_not_approved(ask, store):
    with store.changing() as connection:
        versions.put(connection, {"Large": 3}, who="alice", at=trail.now())
    status, told = ask("approver", "bob", "POST", "/1/approve")
    assert (status, "does not fit the configuration" in told["detail"]) == (409, True)
    assert ask("viewer", "carol", path="/1")[1]["state"] == "waits for approval"


def test_where_the_database_is_locked_a_step_is_refused_and_the_gateway_goes_on_deciding(ask, store, tmp_path):
    ask("operator", "alice", "POST", body=BOOK)
    with store.changing() as connection:
        shown, _, _ = tokens.create(connection, role="approver", name="bob", days=1, note="", who="op", at=trail.now())
    locking = sqlite3.connect(tmp_path / "operations.db", isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    made = http.client.HTTPConnection("127.0.0.1", ask.running.gateway.site.port)
    made.request("POST", "/api/v1/book/1/approve", None, {"Authorization": f"Bearer {shown}"})
    with Client(ask.running.port) as client:
        assert client.send(request(message(SMALL))).answer().status == 200
    answer = made.getresponse()
    assert (answer.status, b"try again" in answer.read()) == (503, True)
    made.close()
    locking.execute("ROLLBACK")
    locking.close()
    assert ask("viewer", "carol", path="/1")[1]["state"] == "waits for approval"
    assert ask("approver", "bob", "POST", "/1/approve")[0] == 200
    with store.reading() as connection:
        assert verify(connection).problems == []


def test_a_rollback_over_the_api_is_in_force_when_the_answer_comes(ask, store):
    approved(store, trail.now() - SECOND, Large=3, Small=5)
    wait_for(lambda: allocations(ask.running) == [3, 5])
    assert ask("operator", "alice", "POST", "/rollback")[0] == 201
    assert allocations(ask.running) == [4, 2]
    assert ask("operator", "alice", "POST", "/rollback")[0] == 409


def test_a_book_that_cannot_be_is_refused_whole_and_nobody_else_may_change_it(ask):
    status, told = ask("operator", "alice", "POST", body={"allocations": {"Large": 9, "Other": 5}})
    assert status == 422
    assert len(told["problems"]) == 3  # a stranger, one who is missing, and the sum
    assert ask("operator", "alice", "POST", body={"allocations": []})[0] == 422
    assert ask("viewer", "carol", "POST", body=BOOK)[0] == 403
    assert ask("approver", "bob", "POST", body=BOOK)[0] == 403
    assert ask("user", "Large")[0] == 403
    assert ask("operator", "alice", "POST", "/7/approve")[0] == 404
    assert ask("viewer", "carol")[1]["versions"] == []
