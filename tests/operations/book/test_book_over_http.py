"""The book over HTTP: what changes, what a step will do, forecasts against what came."""

from __future__ import annotations

from datetime import datetime

import pytest
from asking import Asking, counted
from sqlalchemy import delete, insert, update
from sqlalchemy.schema import DropTable

from sluicegate.operations.book import versions
from sluicegate.operations.book.campaigns import HOUR
from sluicegate.operations.book.effective import LONDON, microseconds
from sluicegate.operations.store import trail
from sluicegate.operations.store.book_tables import book_forecast
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.tables import operations
from sluicegate.operations.store.verify import verify

PATH = "/api/v1/book"
NOW = microseconds(datetime(2026, 11, 26, 12, tzinfo=LONDON))  # a Thursday
MONDAY = "2026-11-30T00:00:00.000Z"
BOOK = {"Large": 70.0, "Small": 20.0, "Network": 5.0}
FORECASTS = {"Large": {"2.2": 1000.0, "4.8.1": 100.0}, "Small": {"2.2": 500.0}}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time stands."""
    told = [NOW]
    monkeypatch.setattr(trail, "now", lambda: told[0])
    return told


@pytest.fixture
def ask(store, settings):
    return Asking(store, settings)


def problems(store):
    with store.reading() as connection:
        return verify(connection).problems


def in_force(store, book, at, **more):
    with store.changing() as connection:
        made = versions.put(connection, book, who="ann", at=at - 2 * HOUR, asked_at=at, **more)
        return versions.approve(connection, made.version, who="bob", at=at - HOUR).version


def test_a_diff_has_the_largest_change_first_with_sums_and_reasons(ask, store):
    with store.changing() as connection:
        versions.put(connection, BOOK, who="ann", at=NOW, reasons={"Large": "43 points"})
    status, told = ask("approver", "bob", "GET", f"{PATH}/diff?from=0&to=1")
    assert (status, told["from"], told["to"]) == (200, 0, 1)
    assert [(one["user"], one["change"]) for one in told["users"]] == [("Large", 10), ("Small", -10), ("Network", 0)]
    assert (told["sum"], told["maximum"]) == ({"from": 95, "to": 95}, 100)
    assert told["users"][0]["why"] == "43 points"
    assert ask("approver", "bob", "GET", f"{PATH}/diff")[1]["to"] == 0  # in force, against itself
    assert ask("approver", "bob", "GET", f"{PATH}/diff?to=9")[0] == 404
    assert ask("approver", "bob", "GET", f"{PATH}/diff?to=-1")[0] == 422
    assert ask("user", "Large", "GET", f"{PATH}/diff")[0] == 403


def test_a_diff_tells_the_highest_hour_of_last_month(ask, store):
    october = microseconds(datetime(2026, 10, 5, 8, tzinfo=LONDON))
    counted(
        store,
        [
            (october, "Large", {"2.2": (36_000, 36_000, 99)}),
            (october + HOUR, "Large", {"2.2": (3600, 0, 0)}),
            (microseconds(datetime(2026, 11, 2, tzinfo=LONDON)), "Large", {"2.2": (360_000, 0, 0)}),
        ],
    )
    told = ask("viewer", "eve", "GET", f"{PATH}/diff")[1]
    assert told["month"] == "2026-10"
    assert {one["user"]: one["highest_hour"] for one in told["users"]} == {
        "Large": 20.0, "Small": None, "Network": None,
    }  # fmt: skip


def test_what_a_step_will_do_is_told_before_it_is_done(ask, store):
    in_force(store, {**BOOK, "Large": 60.0}, NOW - HOUR)
    with store.changing() as connection:
        versions.put(connection, BOOK, who="ann", at=NOW)
    told = ask("approver", "bob", "GET", PATH)[1]
    assert (told["in_force"], told["rollback_to"]) == (1, 0)
    assert told["versions"][0]["would_come_at"] == MONDAY
    assert told["versions"][1]["would_come_at"] is None
    assert ask("approver", "bob", "POST", f"{PATH}/2/approve")[1]["effective_at"] == MONDAY
    assert ask("approver", "bob", "GET", PATH)[1]["next_change"] == MONDAY


def test_a_step_may_have_a_reason_and_it_stands_in_the_audit_trail(ask, store):
    with store.changing() as connection:
        versions.put(connection, BOOK, who="ann", at=NOW)
    status, told = ask("operator", "Ann", "POST", f"{PATH}/1/approve", {"reason": "me too"})
    assert (status, "a second account approves it" in told["detail"]) == (409, True)
    assert ask("approver", "bob", "POST", f"{PATH}/1/approve", {"reason": "checked"})[0] == 200
    assert ask("operator", "ann", "POST", f"{PATH}/1/withdraw", {"reason": "after all not"})[0] == 200
    assert ask("operator", "ann", "POST", f"{PATH}/1/withdraw", {"reason": "x" * 501})[0] == 422
    assert ask("operator", "ann", "POST", f"{PATH}/1/withdraw", {"reason": "a\x00b"})[0] == 422
    with store.reading() as connection:
        reasons = [trail.details_of(row).get("reason") for row in trail.rows(connection)]
    assert reasons == [None, "checked", "after all not"]
    assert problems(store) == []


def test_a_rollback_goes_where_it_was_said_to_go(ask, store):
    in_force(store, {**BOOK, "Large": 60.0}, NOW - 3 * HOUR)
    in_force(store, BOOK, NOW - HOUR)
    assert ask("operator", "ann", "POST", f"{PATH}/rollback", {"to": 7})[0] == 404
    assert ask("operator", "ann", "POST", f"{PATH}/rollback", {"to": 2})[0] == 409
    status, told = ask("operator", "ann", "POST", f"{PATH}/rollback", {"to": 1, "reason": "Small starves"})
    assert (status, told["restores"], told["note"], told["state"]) == (201, 1, "Small starves", "in force")
    assert ask("operator", "ann", "POST", f"{PATH}/rollback", {"to": 0})[1]["restores"] == 0
    assert ask("approver", "bob", "POST", f"{PATH}/rollback")[0] == 403


def test_forecasts_are_kept_with_a_book_and_a_month_is_held_against_them(ask, store, clock):
    put = {"allocations": BOOK, "forecasts": FORECASTS}
    assert ask("operator", "ann", "POST", PATH, put)[0] == 201
    assert ask("approver", "bob", "GET", f"{PATH}/forecast?month=2026-11")[0] == 404  # it does not count yet
    ask("approver", "bob", "POST", f"{PATH}/1/approve")
    december = microseconds(datetime(2026, 12, 1, tzinfo=LONDON))
    counted(
        store,
        [(december + hour * HOUR, "Large", {"2.2": (1, 1, 1)}) for hour in range(31 * 24)]
        + [(december, "Small", {"2.2": (549, 0, 7)})],
    )
    clock[0] = december + 40 * 24 * HOUR
    status, told = ask("viewer", "eve", "GET", f"{PATH}/forecast?month=2026-12")
    assert (status, told["version"], told["covered"]) == (200, 1, 1.0)
    large, small, network = told["users"]
    assert (large["user"], large["actual"], large["stands_out"]) == ("Large", 1488, True)
    assert (small["actual"], small["stands_out"]) == (549, False)
    assert (network["actual"], network["stands_out"]) == (0, False)
    assert ask("viewer", "eve", "GET", f"{PATH}/forecast")[1]["month"] == "2026-12"  # the last whole one
    assert ask("viewer", "eve", "GET", f"{PATH}/forecast?month=2026-13")[0] == 422
    assert ask("user", "Large", "GET", f"{PATH}/forecast")[0] == 403


@pytest.mark.parametrize(
    "wrong", [{"Nobody": {"2.2": 1.0}}, {"Large": {"top-up": 1.0}}, {"Large": {"2.2": -1.0}}, {"Large": {"2.2": 1e13}}]
)
def test_forecasts_that_cannot_be_are_refused_with_the_book(ask, store, wrong):
    assert ask("operator", "ann", "POST", PATH, {"allocations": BOOK, "forecasts": wrong})[0] == 422
    assert ask("viewer", "eve", "GET", PATH)[1]["versions"] == []


@pytest.mark.parametrize(
    "tampered",
    [
        update(book_forecast).values(forecasts="{}"),
        delete(book_forecast),
        insert(book_forecast).values(version=7, forecasts="{}"),
    ],
)
def test_forecasts_that_were_changed_are_found(store, tampered):
    in_force(store, BOOK, NOW, forecasts=FORECASTS)
    assert problems(store) == []
    with store.changing() as connection:
        connection.execute(tampered)
    assert len(problems(store)) == 1


def test_where_the_database_goes_while_a_book_is_approved_it_waits_as_before(ask, store):
    with store.changing() as connection:
        versions.put(connection, BOOK, who="ann", at=NOW)
    ask.worker.lost = True
    status, told = ask("approver", "bob", "POST", f"{PATH}/1/approve")
    assert (status, "is not known" in told["detail"]) == (503, True)
    ask.worker.lost = False
    assert ask("approver", "bob", "GET", PATH)[1]["versions"][0]["state"] == "waits for approval"
    assert ask.changes == 0
    assert problems(store) == []
    assert ask("approver", "bob", "POST", f"{PATH}/1/approve")[0] == 200


def test_a_database_of_before_gets_the_table_of_forecasts(tmp_path):
    where = str(tmp_path / "older.db")
    store = OperationsStore(where)
    with store.changing() as connection:
        connection.execute(DropTable(book_forecast))
        connection.execute(update(operations).where(operations.c.name == "schema").values(value="2"))
    store.close()
    store = OperationsStore(where)
    in_force(store, BOOK, NOW, forecasts=FORECASTS)
    assert problems(store) == []
    store.close()
