"""Each question is answered from its index: however much there is, nothing is looked through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from store_material import ANN, BOB, NORTH, NOW, SOUTH, accept, ask, hold, key, settle, sr

from sluicegate.dispatch.parcel import State, Want
from sluicegate.dispatch.store.interface import Store, Transaction
from sluicegate.dispatch.store.opening import open_store

QUESTIONS: dict[str, tuple[Callable[[Transaction], Any], str]] = {
    "claim": (lambda it: it.claim([Want(NORTH, ANN, 1, 5)], NOW), "parcel_ready"),
    "claim_due": (lambda it: it.claim_due([NORTH, SOUTH], NOW + 1e6, 5), "parcel_due"),
    "claim_overdue": (lambda it: it.claim_overdue(NOW + 1e9, 5), "parcel_deadline"),
    "claim_all": (lambda it: it.claim_all(NORTH, [State.PARKED, State.BLOCKED], 5), "parcel_open"),
    "lanes": (lambda it: it.accept([sr(9_000, lane=3)]), "parcel_lane"),
    "standing": (lambda it: it.standing(), "parcel_open"),
    "oldest": (lambda it: it.oldest(NORTH), "parcel_open"),
    "parked": (lambda it: it.parked(NORTH, 5), "parcel_parked"),
    "requeue": (lambda it: it.requeue(NORTH, None), "parcel_parked"),
    "purge": (lambda it: it.purge(NOW + 1e9, NOW, 5), "parcel_finished"),
    "ended": (lambda it: it.ended(NORTH, NOW - 9, NOW + 9, 5), "parcel_finished"),
    "ends": (lambda it: it.ends(NORTH, NOW - 9, NOW + 9), "parcel_finished"),
    "links": (lambda it: it.finish([(key(2_000), "I0")], NOW), "link"),
    "find": (lambda it: it.find(key(1)), "key"),
}


class Undone(Exception):
    """A transaction is rolled back."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Some of everything, and much that has ended."""
    if request.param == "sqlite":
        store = open_store(str(tmp_path_factory.mktemp("full") / "dispatch.db"))
    else:
        store = open_store(request.getfixturevalue("server").schema("full"))
    ended = hold(store, *(sr(number, lane=number) for number in range(1_500)))
    settle(store, [one.seq for one in ended])
    several = (sr(2_000 + number, lane=number % 90, user=BOB if number % 2 else ANN) for number in range(300))
    held = [one.seq for one in hold(store, *several) if one.state is State.CLAIMED]
    settle(store, held[:30], State.DELAYED, due=NOW, attempts=1)
    settle(store, held[30:60], State.PARKED)
    accept(store, *(sr(3_000 + number) for number in range(50)))
    yield store
    store.close()


def plans(store: Store, question: Callable[[Transaction], Any]) -> str:
    """How each of its statements is carried out."""
    statements: list[tuple[str, Any]] = []

    def note(_1: object, _2: object, statement: str, parameters: Any, _3: object, many: bool) -> None:
        if not many and statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH")) and "advisory" not in statement:
            statements.append((statement, parameters))

    lines: list[str] = []

    def ask_and_explain(transaction: Transaction) -> None:
        connection = transaction._work.connection
        event.listen(connection, "before_cursor_execute", note)
        question(transaction)
        event.remove(connection, "before_cursor_execute", note)
        sqlite = connection.dialect.name == "sqlite"
        words = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
        for statement, parameters in statements:
            rows = connection.exec_driver_sql(words + statement, parameters).all()
            lines.extend(str(row[-1]) for row in rows)
        raise Undone

    with pytest.raises(Undone):
        ask(store, ask_and_explain)
    assert statements
    return "\n".join(lines)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_answered_from_its_index(full: Store, name: str) -> None:
    question, index = QUESTIONS[name]
    plan = plans(full, question)
    assert index in plan, plan
    scans = [line for line in plan.splitlines() if line.startswith("SCAN") or "Seq Scan" in line]
    bare = [line for line in scans if "USING" not in line and not _is_small(line)]
    assert bare == [], plan


def _is_small(line: str) -> bool:
    """Lists of parameters, what a query has just found, and the tables with a row for each dispatcher or name."""
    return any(
        word in line for word in ("listed", "named", "up", "CONSTANT ROW", "(subquery", "anon", "meta", "dispatcher")
    )
