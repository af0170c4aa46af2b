"""Opening: only what keeps its word, what is nobody else's, and what we understand. No password is shown."""

from __future__ import annotations

import stat
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event
from store_material import accept, ask, sr, states

from postgres import Server
from sluicegate.database import connecting
from sluicegate.database.durable import assert_durable
from sluicegate.database.errors import NotDurable, StoreError, StoreLost
from sluicegate.dispatch.parcel import State
from sluicegate.dispatch.store.interface import Store
from sluicegate.dispatch.store.opening import open_store

Opener = Callable[..., Store]


@pytest.fixture(scope="module")
def careless() -> Iterator[Server]:
    """A PostgreSQL that does not wait for the disk."""
    made = Server(fsync="off")
    yield made
    made.stop()


def scalar(store: Store, statement: str) -> Any:
    return ask(store, lambda it: it._work.connection.exec_driver_sql(statement).scalar())


def test_what_was_stored_is_there_when_it_is_opened_again(where: str, opener: Opener) -> None:
    store = opener(where)
    accept(store, sr(1))
    store.close()
    assert states(opener(where), 1) == [State.READY]


def test_a_store_that_is_closed_says_so(where: str, opener: Opener) -> None:
    store = opener(where)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        accept(store, sr(1))


def test_sqlite_is_opened_so_that_it_keeps_what_it_says(tmp_path: Path, opener: Opener) -> None:
    path = tmp_path / "dispatch.db"
    store = opener(str(path))
    assert scalar(store, "PRAGMA journal_mode") == "wal"
    assert scalar(store, "PRAGMA synchronous") == 2
    assert scalar(store, "PRAGMA auto_vacuum") == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_postgresql_with_synchronous_commit_off_is_told_otherwise_for_our_commits(
    server: Server, opener: Opener
) -> None:
    assert server.execute("SHOW synchronous_commit") == [("off",)]
    store = opener(server.schema("told_otherwise"))
    assert scalar(store, "SHOW synchronous_commit") == "on"
    assert scalar(store, "SHOW application_name") == "sluicegate-dispatch"


def test_remote_apply_is_left_as_it_is(server: Server, opener: Opener) -> None:
    place = server.schema("remote_apply")
    store = opener(place.replace("options=", "options=-csynchronous_commit%3Dremote_apply%20"))
    assert scalar(store, "SHOW synchronous_commit") == "remote_apply"


def test_a_postgresql_without_fsync_is_not_used(careless: Server) -> None:
    with pytest.raises(NotDurable, match="set fsync = on"):
        open_store(careless.schema("careless"))
    assert careless.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'careless'") == [(0,)]


@pytest.mark.parametrize("level", ["off", "local"])
def test_a_postgresql_session_that_does_not_wait_is_not_durable(server: Server, level: str) -> None:
    engine = create_engine(server.url().replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET synchronous_commit = {level}")
        with pytest.raises(NotDurable, match=f"synchronous_commit is {level}"):
            assert_durable(connection)
    engine.dispose()


def test_a_table_that_a_crash_would_empty_is_not_used(server: Server, opener: Opener) -> None:
    place = server.schema("unlogged")
    opener(place).close()
    server.execute("ALTER TABLE unlogged.body SET UNLOGGED")
    with pytest.raises(NotDurable, match="body is not logged"):
        open_store(place)


@pytest.mark.parametrize(
    ("pragma", "told"),
    [
        ("synchronous = OFF", "synchronous is 0"),
        ("synchronous = NORMAL", "synchronous is 1"),
        ("journal_mode = DELETE", "journal_mode is delete"),
    ],
)
def test_an_sqlite_connection_that_does_not_wait_is_not_durable(tmp_path: Path, pragma: str, told: str) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'some.db'}")
    event.listen(engine, "connect", lambda made, _: made.execute("PRAGMA journal_mode = WAL").fetchall())
    event.listen(engine, "connect", lambda made, _: made.execute(f"PRAGMA {pragma}").fetchall())
    with engine.connect() as connection, pytest.raises(NotDurable, match=told):
        assert_durable(connection)
    engine.dispose()


def test_an_sqlite_in_memory_is_not_durable() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(NotDurable, match="in memory"):
        assert_durable(connection)
    engine.dispose()


def test_durability_is_asked_again_of_each_connection(where: str, opener: Opener, monkeypatch: Any) -> None:
    store = opener(where)
    accept(store, sr(1))

    def refuse(*_: object) -> None:
        raise NotDurable("not any more")

    monkeypatch.setattr(connecting, "assert_durable", refuse)
    store._disconnect()
    with pytest.raises(NotDurable, match="not any more"):
        accept(store, sr(2))
    monkeypatch.undo()
    assert states(store, 1, 2) == [State.READY, None]


@pytest.mark.parametrize(("version", "told"), [("2", "version 2.*install"), ("0x1", "not Sluicegate's")])
def test_tables_of_a_later_version_are_not_touched(where: str, opener: Opener, version: str, told: str) -> None:
    store = opener(where)
    scalar_free(store, f"UPDATE meta SET value = '{version}' WHERE name = 'schema'")
    store.close()
    with pytest.raises(StoreError, match=told):
        open_store(where)


def scalar_free(store: Store, statement: str) -> None:
    ask(store, lambda it: it._work.connection.exec_driver_sql(statement))


def test_tables_that_are_somebody_elses_are_not_touched(server: Server) -> None:
    place = server.schema("foreign_tables")
    server.execute("CREATE TABLE foreign_tables.parcel (weight int)")
    with pytest.raises(StoreError, match="a table parcel that is not"):
        open_store(place)


def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 200)
    with pytest.raises(StoreError, match=r"notes\.txt.*not a database"):
        open_store(str(path))
    assert path.read_text() == "dear diary, " * 200


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "such.db", tmp_path):
        with pytest.raises(StoreError, match=str(path)):
            open_store(str(path))


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("postgresql://ann:secret@127.0.0.1:1/db", "postgresql://127.0.0.1:1/db"),
        ("postgresql://ann:secret@127.0.0.1:1/db?password=secret", "postgresql://127.0.0.1:1/db"),
        ("postgresql://ann:very@secret@127.0.0.1:1/db", "%40"),
        ("postgresql://ann:secret@127.0.0.1:secret/db", "the store's URL is none"),
        ("postgresql://ann:secret@127.0.0.1:1/db?secret=secret", ""),
        ("mysql://ann:secret@127.0.0.1/db", "not mysql://"),
    ],
)
def test_no_password_is_shown(where: str, told: str) -> None:
    with pytest.raises(StoreError) as error:
        open_store(where)
    assert told in str(error.value)
    text = "".join(traceback.format_exception_only(error.value))
    assert "secret" not in text.replace('"secret"', "")  # the name of an option that there is not


def test_a_missing_driver_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "find_spec", lambda name: None)
    with pytest.raises(StoreError, match=r"pip install 'sluicegate\[postgres\]'"):
        open_store("postgresql://127.0.0.1:1/db")


def test_a_server_that_is_not_there_is_lost(tmp_path: Path) -> None:
    with pytest.raises(StoreLost):
        open_store(f"postgresql:///db?host={tmp_path}")
