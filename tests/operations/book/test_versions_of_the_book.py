"""Versions of the allocation book: two accounts, one time, one way back, and a trail that shows tampering."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import delete, update

from sluicegate.operations.book import versions
from sluicegate.operations.book.effective import next_monday
from sluicegate.operations.book.in_force import book_in_force, next_change, version_in_force
from sluicegate.operations.book.versions import BookRefused, NoSuchBook
from sluicegate.operations.store import trail
from sluicegate.operations.store.book_tables import book_version
from sluicegate.operations.store.verify import verify

AT = 1_790_000_000_000_000
WEEK = 7 * 86_400_000_000
FIRST, SECOND = {"Large": 60.0, "Small": 40.0}, {"Large": 50.0, "Small": 50.0}


def do(store, what, *args, at=AT, who="Ann", **rest):
    with store.changing() as connection:
        return what(connection, *args, who=who, at=at, **rest)


def asked(store, what, *args):
    with store.reading() as connection:
        return what(connection, *args)


def approved(store, book, at=AT):
    """Put by Ann and approved by Bob."""
    one = do(store, versions.put, book, at=at, reasons={"Large": "because"})
    return do(store, versions.approve, one.version, at=at, who="Bob")


def test_a_book_counts_from_the_monday_after_a_second_account_has_approved_it(store):
    assert asked(store, book_in_force, AT) is None
    one = do(store, versions.put, FIRST)
    assert asked(store, next_change, AT) is None
    one = do(store, versions.approve, one.version, who="Bob")
    monday = next_monday(AT)
    assert (one.effective_at, one.approver) == (monday, "Bob")
    assert asked(store, next_change, AT) == monday
    assert asked(store, book_in_force, monday - 1) is None
    assert asked(store, book_in_force, monday) == FIRST
    assert asked(store, version_in_force, monday) == 1
    assert asked(store, next_change, monday) is None


@pytest.mark.parametrize("who", ["Ann", "ann", " ANN ", "\uff21nn", "A nn"])
def test_who_put_it_does_not_approve_it_however_the_name_is_written(store, who):
    do(store, versions.put, FIRST)
    with pytest.raises(BookRefused, match="a second account approves it"):
        do(store, versions.approve, 1, who=who)
    assert asked(store, next_change, AT) is None
    assert len(asked(store, trail.newest, 10)) == 1


def test_a_time_that_was_asked_for_is_kept_and_one_that_has_passed_is_refused(store):
    do(store, versions.put, FIRST, asked_at=AT + 5)
    with pytest.raises(BookRefused, match="has passed"):
        do(store, versions.approve, 1, who="Bob", at=AT + 5)
    assert do(store, versions.approve, 1, who="Bob", at=AT + 4).effective_at == AT + 5
    with pytest.raises(BookRefused, match="in the future"):
        do(store, versions.put, FIRST, asked_at=AT)


def test_a_version_is_approved_once_and_one_that_is_withdrawn_never(store):
    approved(store, FIRST)
    with pytest.raises(BookRefused, match="approved already"):
        do(store, versions.approve, 1, who="Cid")
    do(store, versions.withdraw, 1)
    assert asked(store, next_change, AT) is None
    assert asked(store, book_in_force, AT + WEEK) is None
    for step in (versions.approve, versions.withdraw):
        with pytest.raises(BookRefused, match="withdrawn already"):
            do(store, step, 1, who="Cid")


def test_what_has_come_into_force_is_rolled_back_and_not_withdrawn(store):
    approved(store, FIRST)
    with pytest.raises(BookRefused, match="roll back instead"):
        do(store, versions.withdraw, 1, at=AT + WEEK)


def test_a_rollback_is_one_command_counts_at_once_and_goes_further_back_each_time(store):
    approved(store, FIRST)
    approved(store, SECOND, AT + WEEK)
    at = AT + 2 * WEEK
    assert asked(store, book_in_force, at) == SECOND
    back = do(store, versions.rollback, at=at)
    assert (back.version, back.restores, back.why) == (3, 1, {"Large": "because"})
    assert asked(store, book_in_force, at) == FIRST
    assert do(store, versions.rollback, at=at + 1).restores == 0
    assert asked(store, book_in_force, at + 1) is None
    assert asked(store, version_in_force, at + 1) == 4
    with pytest.raises(BookRefused, match="nothing before them"):
        do(store, versions.rollback, at=at + 2)
    assert do(store, versions.rollback, 2, at=at + 3).book == SECOND
    assert asked(store, book_in_force, AT + 2 * WEEK - 1) == SECOND  # the past stays what it was


def test_a_rollback_to_what_was_never_in_force_takes_two_accounts(store):
    with pytest.raises(BookRefused, match="nothing to roll back"):
        do(store, versions.rollback)
    approved(store, FIRST)
    do(store, versions.put, SECOND)
    at = AT + WEEK
    with pytest.raises(BookRefused, match="takes a second account"):
        do(store, versions.rollback, 2, at=at)
    with pytest.raises(BookRefused, match="is in force"):
        do(store, versions.rollback, 1, at=at)
    with pytest.raises(NoSuchBook):
        do(store, versions.rollback, 9, at=at)


@pytest.mark.parametrize("number", [0, -1, 7, 2**40])
def test_a_version_that_is_not_there_is_told_as_such(store, number):
    with pytest.raises(NoSuchBook, match="no version"):
        do(store, versions.approve, number, who="Bob")


def test_the_trail_tells_who_what_when_and_from_which_to_which(store):
    approved(store, FIRST)
    approved(store, SECOND, AT + WEEK)
    do(store, versions.rollback, at=AT + 2 * WEEK, by="command line")
    rows = asked(store, trail.newest, 10)[::-1]
    told = [(row.who, row.did, (d := json.loads(row.details))["from"], d["to"]) for row in rows]
    assert told == [
        ("Ann", "book put", 0, 1),
        ("Bob", "book approved", 0, 1),
        ("Ann", "book put", 1, 2),
        ("Bob", "book approved", 1, 2),
        ("Ann", "book rolled back", 2, 3),
    ]
    assert json.loads(rows[-1].details)["by"] == "command line"
    assert not asked(store, verify).problems


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"allocations": '{"Large":99.0}'}, "content"),
        ({"note": "another"}, "content"),
        ({"effective_at": 1}, "effective_at"),
        ({"withdrawn_at": 1}, "withdrawn_at"),
        ({"approver": "Eve"}, "approver"),
        ({"who": "Bob"}, "approved its own"),
    ],
)
def test_a_version_that_was_tampered_with_is_found(store, changed, said):
    approved(store, FIRST)
    do(store, versions.put, SECOND)
    do(store, versions.withdraw, 2)
    assert not asked(store, verify).problems
    with store.changing() as connection:
        connection.execute(update(book_version).where(book_version.c.version == 1).values(**changed))
    assert any("version 1 of the book" in one and said in one for one in asked(store, verify).problems)


def test_a_version_that_was_approved_behind_the_trail_or_is_gone_is_found(store):
    do(store, versions.put, FIRST)
    with store.changing() as connection:
        connection.execute(update(book_version).values(approved_at=1, approver="Bob", effective_at=2))
    assert asked(store, verify).count == 1
    with store.changing() as connection:
        connection.execute(delete(book_version))
    assert "it was made, and is not there" in asked(store, verify).problems[0]
    approved(store, SECOND)
    with store.changing() as connection:
        connection.execute(update(book_version).values(version=8))
    assert any("knows nothing" in one for one in asked(store, verify).problems)


def test_a_database_of_the_version_before_gets_the_table(store):
    from sqlalchemy import text

    with store.changing() as connection:
        connection.execute(text("DROP TABLE book_version"))
        connection.execute(text("UPDATE operations SET value = '1'"))
    from sluicegate.operations.store.store import _prepare

    with store.changing() as connection:
        _prepare(connection, "it")
    assert approved(store, FIRST).version == 1
