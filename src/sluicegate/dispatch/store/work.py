"""One transaction at work: what its steps share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection

from sluicegate.dispatch.parcel import Kind, Parcel
from sluicegate.dispatch.store.dialects import Dialect
from sluicegate.dispatch.store.lease import Lease
from sluicegate.dispatch.store.tables import parcel

BATCH = 1_000
"""Parcels that go into one statement; more are taken in several."""


class Numbers(Protocol):
    """Where parcels get their numbers."""

    def take(self, connection: Connection, count: int) -> Sequence[int]:
        """The next numbers, rising: larger than all that were committed before."""


@dataclass(slots=True)
class Work:
    """One transaction."""

    connection: Connection
    dialect: Dialect
    lease: Lease
    numbers: Numbers
    hurried: dict[int, int] = field(default_factory=dict)
    failed: bool = False
    _locked: bool = False
    _standing: bool = False

    @property
    def owner(self) -> int:
        """This dispatcher."""
        return self.lease.owner

    def change(self) -> bool:
        """Before anything is changed. False: others have taken this dispatcher for dead, so it must claim nothing."""
        if not self._locked:
            self.dialect.lock(self.connection)
            self._standing = self.lease.stands(self.connection)
            self._locked = True
        return self._standing


COLUMNS: list[ColumnElement[Any]] = [
    parcel.c[name]
    for name in (
        "seq", "kind", "key", "destination", "user", "rank", "path", "lane", "srv", "accepted_at", "deadline",
        "attempts", "repeated", "octets", "fields",
    )
]  # fmt: skip
"""Of a parcel, as `as_parcel` reads them."""


def as_parcel(row: Any, body: bytes | None = None) -> Parcel:
    """A parcel from COLUMNS."""
    (
        seq,
        kind,
        key,
        destination,
        user,
        rank,
        path,
        lane,
        srv,
        accepted_at,
        deadline,
        attempts,
        repeated,
        octets,
        fields,
    ) = row[: len(COLUMNS)]
    return Parcel(
        seq=seq,
        kind=Kind(kind),
        key=key,
        destination=destination,
        user=user,
        rank=rank,
        path=path,
        lane=lane,
        srv=srv,
        accepted_at=accepted_at,
        deadline=deadline,
        attempts=attempts,
        repeated=repeated,
        octets=octets,
        body=body,
        fields=json.loads(fields) if fields else {},
    )
