"""The store over SQLAlchemy Core, for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from sluicegate.database.errors import StoreError, StoreHeld, StoreLost, translating
from sluicegate.dispatch.parcel import Incoming, Parcel, Receipt, Settlement, State, Want
from sluicegate.dispatch.store import accepting, claiming, purging, reading, settling
from sluicegate.dispatch.store.databases import Database
from sluicegate.dispatch.store.interface import Finished, Settled, Standing, Transaction
from sluicegate.dispatch.store.lease import Lease
from sluicegate.dispatch.store.work import Work
from sluicegate.log import logger

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class SqlTransaction:
    """See `Transaction`. After an error nothing of it is committed, whoever has caught that error."""

    def __init__(self, work: Work, name: str) -> None:
        self._work = work
        self._name = name

    def _do(self, step: Callable[Concatenate[Work, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with translating(self._name):
                return step(self._work, *args, **kwargs)
        except BaseException:
            self._work.failed = True
            raise

    def accept(self, incoming: Sequence[Incoming]) -> list[Receipt]:
        return self._do(accepting.accept, incoming)

    def hurried(self) -> Mapping[int, int]:
        return dict(self._work.hurried)

    def settle(self, settlements: Sequence[Settlement]) -> Settled:
        return self._do(settling.settle, settlements)

    def claim(self, wants: Sequence[Want], at: float) -> list[Parcel]:  # noqa: ARG002 - the contract's
        return self._do(claiming.claim, wants)

    def claim_due(self, destinations: Iterable[str], at: float, most: int) -> list[Parcel]:
        return self._do(claiming.claim_due, destinations, at, most)

    def claim_overdue(self, at: float, most: int) -> list[Parcel]:
        return self._do(claiming.claim_overdue, at, most)

    def claim_all(self, destination: str, states: Sequence[State], most: int) -> list[Parcel]:
        return self._do(claiming.claim_all, destination, states, most)

    def body(self, seq: int) -> bytes | None:
        return self._do(reading.body, seq)

    def head(self, seq: int) -> bytes | None:
        return self._do(reading.head, seq)

    def standing(self) -> list[Standing]:
        return self._do(reading.standing)

    def oldest(self, destination: str) -> float | None:
        return self._do(reading.oldest, destination)

    def finish(self, told: Sequence[tuple[bytes, str]], at: float) -> Finished:
        return self._do(settling.finish, told, at)

    def requeue(self, destination: str, seqs: Sequence[int] | None) -> int:
        return self._do(settling.requeue, destination, seqs)

    def parked(self, destination: str, most: int) -> list[tuple[Parcel, str]]:
        return self._do(reading.parked, destination, most)

    def find(self, key: bytes) -> list[tuple[Parcel, State, str]]:
        return self._do(reading.find, key)

    def ended(
        self, destination: str, since: float, until: float, most: int, but: str = ""
    ) -> list[tuple[Parcel, State, str, float]]:
        return self._do(reading.ended, destination, since, until, most, but)

    def ends(self, destination: str, since: float, until: float) -> Mapping[tuple[int, str], int]:
        return self._do(reading.ends, destination, since, until)

    def set_flag(self, name: str, value: str | None) -> None:
        self._do(reading.set_flag, name, value)

    def flags(self) -> Mapping[str, str]:
        return self._do(reading.flags)

    def purge(self, bodies_before: float, rows_before: float, most: int) -> int:
        return self._do(purging.purge, bodies_before, rows_before, most)


class SqlStore:
    """See `Store`. It has one connection, and makes another after StoreLost.

    Args:
        database: where it is.
        connection: to it; its tables are there.
        lease: this dispatcher's.
        seconds: that the lease lasts at first.
    """

    def __init__(self, database: Database, connection: Connection, lease: Lease, seconds: float) -> None:
        self._database = database
        self._connection: Connection | None = connection
        self._lease = lease
        self._closed = False
        self._look_lock = Lock()
        with self._working() as work:
            lease.register(work.connection, seconds)

    @contextmanager
    def transaction(self) -> Iterator[SqlTransaction]:
        """See `Store.transaction`."""
        with self._working() as work:
            yield SqlTransaction(work, self._database.name)

    def look(self) -> list[Standing]:
        """See `Store.look`."""
        return self.read(lambda transaction: transaction.standing())

    def read(self, question: Callable[[Transaction], R]) -> R:
        """See `Store.read`."""
        name = self._database.name
        with self._look_lock, translating(name), self._database.reader() as connection:
            work = Work(connection, self._database.dialect, self._lease, self._database)
            return question(SqlTransaction(work, name))

    @contextmanager
    def _working(self) -> Iterator[Work]:
        name = self._database.name
        try:
            with translating(name):
                connection = self._connected()
                with connection.begin():
                    work = Work(connection, self._database.dialect, self._lease, self._database)
                    yield work
                    if work.failed:
                        raise StoreError(f"the store {name}: a step of this transaction failed, so none of it is kept")
        except StoreLost:
            self._disconnect()
            raise
        except StoreHeld:
            with translating(name):
                if self._database.free():
                    logger().error("a dispatcher that held the store and did not go on was ended", store=name)
            raise

    def _connected(self) -> Connection:
        if self._connection is None and self._closed:
            raise StoreError(f"the store {self._database.name} is closed")
        if self._connection is None:
            self._connection = self._database.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.invalidate()
            with suppress(SQLAlchemyError):
                connection.close()

    def take_over(self, at: float) -> int:  # noqa: ARG002 - the contract's
        """See `Store.take_over`."""
        released = 0
        with self._working() as work:
            work.change()
            for owner in self._lease.dead(work.connection):
                released += settling.release(work, owner)
                self._lease.forget(work.connection, owner)
        return released

    def release_all_but(self, held: frozenset[int]) -> int:
        """See `Store.release_all_but`."""
        with self._working() as work:
            work.change()
            return settling.release(work, self._lease.owner, held)

    def renew(self, seconds: float) -> bool:
        """See `Store.renew`."""
        with self._working() as work:
            return self._lease.renew(work.connection, seconds)

    def dispatchers(self) -> int:
        """See `Store.dispatchers`."""
        with self._working() as work:
            return self._lease.count(work.connection)

    def close(self) -> None:
        """See `Store.close`. Where the connection is lost, the lease ends by itself. Twice is as good as once."""
        if self._closed:
            return
        self._closed = True
        try:
            with suppress(StoreError), self._working() as work:
                work.change()
                settling.release(work, self._lease.owner)
                self._lease.forget(work.connection, self._lease.owner)
        finally:
            self._disconnect()
            self._database.close()
