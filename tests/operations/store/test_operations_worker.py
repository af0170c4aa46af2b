"""The thread that has the database: what it says of it."""

from __future__ import annotations

import asyncio

import pytest

from sluicegate.database.errors import StoreError
from sluicegate.operations.store import tokens
from sluicegate.operations.store.worker import InDoubt, Worker


def looked(store):
    with store.reading() as connection:
        return tokens.every(connection)


def changed(store):
    with store.changing():
        pass


def filled(store):
    with store.changing():
        raise StoreError("the disk is full")


def test_a_database_that_takes_no_changes_fails_until_it_takes_one_however_often_it_is_read(tmp_path):
    async def go() -> None:
        worker = Worker(str(tmp_path / "operations.db"))
        await worker.do(looked)
        assert worker.failing == ""
        with pytest.raises(InDoubt):
            await worker.do(filled)
        for _ in range(3):
            assert await worker.do(looked) == []
            assert worker.failing == "the disk is full"
        await worker.do(changed)
        assert worker.failing == ""
        worker.close()
        await worker.ended(5.0)

    asyncio.run(go())
