"""What is over is deleted, in small steps: first the bodies, and later all that is known of a parcel."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Delete, bindparam, delete, func, insert, select, tuple_

from sluicegate.dispatch.store.dialects import Dialect
from sluicegate.dispatch.store.tables import body, is_finished, meta, parcel
from sluicegate.dispatch.store.work import Work

GOT_TO = "purged"
"""In `meta`: the end and the number of the last parcel whose body was deleted. So nobody looks for bodies among the
millions of parcels that are only remembered. A parcel that ended before that time but was told later (a clock that is
slow) keeps its body until it is forgotten itself."""

HIGHEST = "highest"
"""In `meta`: a number that was taken; the parcel may be gone."""

_ended = select(parcel.c.seq, parcel.c.finished_at).where(is_finished(), parcel.c.finished_at < bindparam("before"))
_FIRST = _ended.order_by(parcel.c.finished_at, parcel.c.seq).limit(bindparam("most"))
_NEXT = _FIRST.where(tuple_(parcel.c.finished_at, parcel.c.seq) > tuple_(bindparam("at"), bindparam("number")))


def purge(work: Work, bodies_before: float, rows_before: float, most: int) -> int:
    """See `Transaction.purge`."""
    if most <= 0:
        return 0
    work.change()
    count = _purge_rows(work, rows_before, most) + _purge_bodies(work, bodies_before, most)
    if count:
        work.dialect.shrink(work.connection, most)
    return count


def _purge_rows(work: Work, before: float, most: int) -> int:
    rows = work.connection.execute(_FIRST, {"before": before, "most": most}).all()
    if not rows:
        return 0
    seqs = [row.seq for row in rows]
    highest = work.connection.scalar(select(func.max(parcel.c.seq)))
    remember(work, HIGHEST, str(max(highest, int(recall(work, HIGHEST) or 0))))
    for statement in _deletes(work.dialect):
        work.connection.execute(statement, {"seqs": work.dialect.many(seqs)})
    return len(seqs)


def _purge_bodies(work: Work, before: float, most: int) -> int:
    room: dict[str, Any] = {"before": before, "most": most}
    got_to = recall(work, GOT_TO)
    if got_to is None:
        rows = work.connection.execute(_FIRST, room).all()
    else:
        at, _, number = got_to.partition(" ")
        rows = work.connection.execute(_NEXT, room | {"at": float(at), "number": int(number)}).all()
    if not rows:
        return 0
    of_bodies, _ = _deletes(work.dialect)
    work.connection.execute(of_bodies, {"seqs": work.dialect.many([row.seq for row in rows])})
    remember(work, GOT_TO, f"{rows[-1].finished_at!r} {rows[-1].seq}")
    return len(rows)


@cache
def _deletes(dialect: Dialect) -> tuple[Delete, Delete]:
    return (
        delete(body).where(dialect.among(body.c.seq, "seqs")),
        delete(parcel).where(dialect.among(parcel.c.seq, "seqs")),
    )


def recall(work: Work, name: str) -> str | None:
    """What the store knows of itself under a name."""
    value: str | None = work.connection.scalar(select(meta.c.value).where(meta.c.name == name))
    return value


def remember(work: Work, name: str, value: str) -> None:
    """Note something for `recall`."""
    work.connection.execute(delete(meta).where(meta.c.name == name))
    work.connection.execute(insert(meta).values(name=name, value=value))
