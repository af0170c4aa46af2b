"""A dispatcher's lease: while it lasts, what the dispatcher has claimed is its own.

With PostgreSQL the server's clock counts. With SQLite nobody else is there: the lease never ends, and every other
dispatcher that the table knows is an earlier process.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, Double, cast, delete, extract, func, insert, literal, select, update

from sluicegate.dispatch.store.dialects import Dialect
from sluicegate.dispatch.store.tables import dispatcher


class Lease:
    """One dispatcher's place among them.

    Args:
        dialect: of the store.
        clock: seconds since 1970 (SQLite).
    """

    def __init__(self, dialect: Dialect, clock: Callable[[], float]) -> None:
        self._single = dialect.single
        self._clock = clock
        self.owner = 0

    def _now(self) -> ColumnElement[float]:
        if self._single:
            return literal(self._clock(), Double)
        return cast(extract("epoch", func.clock_timestamp()), Double)

    def register(self, connection: Connection, seconds: float) -> None:
        """Begin a lease, under a number that nobody ever had."""
        owner = secrets.randbits(62)
        row = insert(dispatcher).values(id=owner, lease_until=self._now() + seconds, host=socket.gethostname())
        connection.execute(row)
        self.owner = owner

    def renew(self, connection: Connection, seconds: float) -> bool:
        """Make it last so long from now. False: it had ended, and another one has begun.

        What was claimed under the old one is released by whoever takes over next: its row stays until then.
        """
        mine = update(dispatcher).where(dispatcher.c.id == self.owner).values(lease_until=self._now() + seconds)
        if not self._single:
            mine = mine.where(dispatcher.c.lease_until > self._now())
        if connection.execute(mine).rowcount:
            return True
        self.register(connection, seconds)
        return False

    def stands(self, connection: Connection) -> bool:
        """Whether nobody has taken over from this dispatcher. Without its row, nobody would find its claims."""
        if self._single:
            return True
        return bool(connection.scalar(select(dispatcher.c.id).where(dispatcher.c.id == self.owner)))

    def dead(self, connection: Connection) -> list[int]:
        """Other dispatchers, whose leases have ended."""
        others = select(dispatcher.c.id).where(dispatcher.c.id != self.owner)
        if not self._single:
            others = others.where(dispatcher.c.lease_until <= self._now())
        return list(connection.scalars(others.with_for_update()))  # one that is just being renewed is not among them

    def forget(self, connection: Connection, owner: int) -> None:
        """Its claims are released."""
        connection.execute(delete(dispatcher).where(dispatcher.c.id == owner))

    def count(self, connection: Connection) -> int:
        """How many dispatchers have a lease."""
        if self._single:
            return 1
        living = select(func.count()).select_from(dispatcher).where(dispatcher.c.lease_until > self._now())
        return connection.scalar(living) or 0
