"""Tokens, versions of profiles and the audit trail: what must hold on SQLite as on PostgreSQL."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, insert, text, update

from sluicegate.database.errors import StoreError
from sluicegate.operations.store import tokens, trail, versions
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.tables import audit, operations, profile_version, token
from sluicegate.operations.store.verify import verify

DAY = 86_400_000_000
AT = 1_790_000_000_000_000


def made(store, user="Large", days=1.0, at=AT):
    with store.changing() as connection:
        shown, one, _ = tokens.create(connection, name=user, days=days, note="a note", who="op", at=at)
    return shown, one


def put(store, document, expected=None, user="Large"):
    with store.changing() as connection:
        return versions.put(connection, user, document, expected=expected, who="User", at=AT)[0]


def holder(store, shown, at=AT):
    with store.reading() as connection:
        return tokens.holder(connection, shown, at)


def checked(store, known=None):
    with store.reading() as connection:
        return verify(connection, known)


def test_a_token_counts_until_it_ends_and_for_its_user_alone(store):
    shown, one = made(store)
    assert holder(store, shown, AT + DAY - 1) == one
    assert holder(store, shown, AT + DAY) is None
    other, _ = made(store, "Small")
    assert holder(store, other).name == "Small"


def test_a_revoked_token_counts_no_more_and_revoking_twice_writes_one_row(store):
    shown, one = made(store)
    for _ in range(2):
        with store.changing() as connection:
            found, row = tokens.revoke(connection, one.id, who="op", at=AT + 1)
    assert row is None
    assert found.revoked_at == AT + 1
    assert holder(store, shown, AT + 2) is None
    assert checked(store).rows == 2


@pytest.mark.parametrize(
    "shown", ["", "sluicegate_1_", "sluicegate_1_" + "A" * 43, "sluicegate_2_" + "A" * 43, "x" * 99]
)
def test_what_is_no_token_is_nobodys(store, shown):
    made(store)
    assert holder(store, shown) is None


def test_the_database_does_not_hold_the_secret_of_a_token(store, where):
    shown, one = made(store)
    secret = shown.split("_", 2)[2]
    with store.reading() as connection:
        for table in (token, audit):
            assert secret not in repr(connection.execute(table.select()).all())
    assert one.id == 1


def test_versions_follow_each_other_and_a_version_that_was_not_looked_at_is_not_replaced(store):
    assert put(store, "{1}", 0).version == 1
    assert put(store, "{2}", 1).version == 2
    with pytest.raises(versions.Conflict) as conflict:
        put(store, "{3}", 1)
    assert conflict.value.current == 2
    assert put(store, None).version == 3
    with store.reading() as connection:
        assert [one.document for one in versions.history(connection, "Large")] == [None, "{2}", "{1}"]


def test_of_two_who_change_the_same_version_one_is_told(opener):
    stores, told = [opener(), opener()], []

    def change(store):
        try:
            told.append(put(store, "{}", 0).version)
        except versions.Conflict as conflict:
            told.append(("conflict", conflict.current))

    threads = [threading.Thread(target=change, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told, key=str) == [("conflict", 1), 1]
    assert checked(stores[0]).problems == []


def test_a_version_that_is_restored_is_the_next_one(store):
    put(store, "{1}")
    put(store, "{2}")
    with store.changing() as connection:
        again, row = versions.restore(connection, "Large", 1, expected=2, who="User", at=AT)
    assert (again.version, again.document, again.why) == (3, "{1}", "profile restored: version 1")
    assert trail.details_of(row)["restored"] == 1
    with pytest.raises(versions.NoSuchVersion), store.changing() as connection:
        versions.restore(connection, "Large", 9, expected=None, who="User", at=AT)


def test_old_versions_go_and_verify_knows_it(store, monkeypatch):
    monkeypatch.setattr(versions, "KEPT", 3)
    for number in range(7):
        put(store, f"{{{number}}}")
    with store.reading() as connection:
        assert [one.version for one in versions.history(connection, "Large")] == [7, 6, 5]
    assert checked(store).problems == []


def test_since_tells_the_newest_of_each_user_in_order(store):
    put(store, "{1}")
    seq = put(store, "{2}", user="Small").seq
    put(store, "{3}")
    with store.reading() as connection:
        assert [one.document for one in versions.since(connection, 0, 10)] == ["{2}", "{3}"]
        assert [one.document for one in versions.since(connection, seq, 10)] == ["{3}"]


def some(store):
    made(store)
    for document in ("{1}", "{2}", None):
        put(store, document)
    made(store, "Small")
    return checked(store)


def test_a_trail_that_nobody_touched_is_right(store):
    found = some(store)
    assert (found.rows, found.problems) == (5, [])
    assert checked(store, found.last).problems == []


TAMPERING = {
    "a row of the trail is changed": update(audit).where(audit.c.seq == 2).values(who="somebody else"),
    "its time is": update(audit).where(audit.c.seq == 5).values(at=AT + 1),
    "a row is taken out": delete(audit).where(audit.c.seq == 3),
    "the first row is taken out": delete(audit).where(audit.c.seq == 1),
    "the last row is taken out": delete(audit).where(audit.c.seq == 5),
    "a token lives longer": update(token).where(token.c.id == 1).values(expires_at=AT + 99 * DAY),
    "a token is another's": update(token).where(token.c.id == 1).values(name="Small"),
    "a token is put in": insert(token).values(
        id=9, scope="user", name="Large", digest=bytes(32), note="", made_at=AT, expires_at=AT + DAY
    ),
    "a token is taken out": delete(token).where(token.c.id == 2),
    "a profile is changed": update(profile_version).where(profile_version.c.version == 2).values(document="{9}"),
    "a profile is taken out": delete(profile_version).where(profile_version.c.version == 3),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found(store, how):
    some(store)
    with store.changing() as connection:
        connection.execute(TAMPERING[how])
    assert checked(store).problems


def test_a_row_that_is_changed_with_all_hashes_after_it_is_found_by_a_hash_that_was_noted(store):
    noted = some(store).last
    with store.changing() as connection:
        found, before = list(trail.rows(connection)), trail.ORIGIN
        for row in found:
            changed = row._replace(at=row.at + (1 if row.seq == 4 else 0), before=before, hash=b"")
            before = changed.hashed()
            connection.execute(
                update(audit).where(audit.c.seq == row.seq).values(at=changed.at, before=changed.before, hash=before)
            )
        connection.execute(update(profile_version).where(profile_version.c.version == 3).values(made_at=AT + 1))
    assert checked(store).problems == []
    (said,) = checked(store, noted).problems
    assert said == "audit row 5, which was noted earlier, has another hash now"


def test_rows_taken_from_the_end_are_found_by_a_hash_that_was_noted(store):
    put(store, "{1}")
    noted = checked(store).last
    with store.changing() as connection:
        connection.execute(delete(audit))
        connection.execute(delete(profile_version))
    assert checked(store).problems == []
    (said,) = checked(store, noted).problems
    assert "rows were taken from the end" in said


def test_what_fails_in_a_transaction_leaves_nothing(store):
    def broken():
        with store.changing() as connection:
            versions.put(connection, "Large", "{}", expected=0, who="User", at=AT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert checked(store).rows == 0


def test_a_database_of_a_later_version_is_not_touched(store, where):
    with store.changing() as connection:
        connection.execute(update(operations).values(value="99"))
    with pytest.raises(StoreError, match="its tables are of version 99"):
        OperationsStore(where)


def test_a_table_of_somebody_else_is_not_taken(store, where):
    with store.changing() as connection:
        connection.execute(text("DROP TABLE operations"))
    with pytest.raises(StoreError, match="is not Sluicegate's"):
        OperationsStore(where)
