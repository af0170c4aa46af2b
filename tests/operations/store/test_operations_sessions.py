"""Sessions: one cookie each, of which the database holds no secret, and which end."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, update

from sluicegate.operations.store import sessions, tokens, trail
from sluicegate.operations.store.site_tables import session
from sluicegate.operations.store.verify import verify

AT, LASTS, IDLE = 1_000_000_000, 100_000_000, 10_000_000


def begun(store, who="alice", role="operator", token=None, at=AT):
    with store.changing() as connection:
        return sessions.begin(
            connection, who=who, role=role, user=None, how="token 1", token=token, at=at, ends_at=at + LASTS
        )


def held(store, shown, at=AT, idle=IDLE):
    with store.reading() as connection:
        return sessions.holder(connection, shown, at=at, idle=idle)


def verified(store):
    with store.reading() as connection:
        return verify(connection).problems


def test_a_session_is_of_who_signed_in_and_of_nobody_without_its_cookie(store):
    shown, made = begun(store)
    assert held(store, shown) == made
    for other in ("", "x" * 43, shown[:-1], shown + "x", shown + "\n", made.digest.hex()):
        assert held(store, other) is None
    assert verified(store) == []


def test_a_session_ends_after_its_time_and_after_a_time_of_silence(store):
    shown, made = begun(store)
    assert held(store, shown, AT + IDLE - 1) is not None
    assert held(store, shown, AT + IDLE) is None
    with store.changing() as connection:
        sessions.seen(connection, made, AT + LASTS - 1)
    assert held(store, shown, AT + LASTS - 1) is not None
    assert held(store, shown, AT + LASTS) is None


def test_a_session_ends_with_the_token_that_it_was_made_with(store):
    with store.changing() as connection:
        _, token, _ = tokens.create(connection, name="alice", role="operator", days=1, note="", who="op", at=AT)
    shown, _ = begun(store, token=token.id)
    assert held(store, shown) is not None
    with store.changing() as connection:
        tokens.revoke(connection, token.id, who="op", at=AT + 1)
    assert held(store, shown) is None


def test_who_has_signed_out_is_out(store):
    shown, made = begun(store)
    with store.changing() as connection:
        sessions.end(connection, made, AT + 1)
    assert held(store, shown) is None
    with store.reading() as connection:
        assert [row.did for row in trail.rows(connection)] == [sessions.SIGNED_IN, sessions.SIGNED_OUT]
    assert verified(store) == []


def test_one_person_has_a_bounded_number_of_sessions_and_what_has_ended_goes(store):
    first, _ = begun(store)
    other, _ = begun(store, who="bob")
    for number in range(sessions.MOST_OF_ONE):
        begun(store, at=AT + 1 + number)
    assert (held(store, first), held(store, other) is not None) == (None, True)
    with store.reading() as connection:
        assert len(sessions.every(connection)) == sessions.MOST_OF_ONE + 1
    begun(store, who="carol", at=AT + 2 * LASTS)
    with store.reading() as connection:
        assert [one.who for one in sessions.every(connection)] == ["carol"]
    assert verified(store) == []


def test_the_database_does_not_hold_the_cookie(store):
    shown, made = begun(store)
    with store.reading() as connection:
        assert shown not in repr(list(trail.rows(connection))) + repr(sessions.every(connection))
    assert shown not in made.digest.hex()


@pytest.mark.parametrize("how", ["put in", "role", "who", "ends_at", "after a sign-out"])
def test_a_session_that_nobody_signed_in_for_is_found(store, how):
    _, made = begun(store, role="viewer")
    with store.changing() as connection:
        if how == "put in":
            forged = made._replace(seq=9, digest=b"x" * 32)
            connection.execute(insert(session).values(forged._asdict()))
        elif how == "after a sign-out":
            sessions.end(connection, made, AT)
            connection.execute(insert(session).values(made._asdict()))
        else:
            value = {"role": "operator", "who": "bob", "ends_at": AT + 10 * LASTS}[how]
            connection.execute(update(session).values({how: value}))
    assert len(verified(store)) == 1
    with store.changing() as connection:
        connection.execute(delete(session))
    assert verified(store) == []
