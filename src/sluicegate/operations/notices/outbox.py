"""Notices in the database: written, lent to one process at a time, read, and deleted when they are old.

Several gateways may share the database: each delivers what it holds, and takes what nobody holds any more.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from sluicegate.operations.notices.notice import SENT, WAITING, Notice
from sluicegate.operations.store.notice_tables import notice

MOST_CLAIMED: Final = 1000
MOST_PURGED: Final = 1000

_COLUMNS: Final = [notice.c[name] for name in Notice._fields]


def write(connection: Connection, notices: Sequence[Notice], holder: str, held_until: int) -> None:
    """As they are now, whether they were written before or not: to do it twice is as good as once.

    Args:
        holder: who delivers those that wait.
        held_until: microseconds since 1970; until then nobody else does.
    """
    there = set(connection.scalars(select(notice.c.id).where(notice.c.id.in_([one.id for one in notices]))))
    for one in notices:
        row = one._asdict() | {"holder": holder, "held_until": held_until}
        if one.id in there:
            connection.execute(update(notice).where(notice.c.id == one.id).values(row))
    new = [one._asdict() | {"holder": holder, "held_until": held_until} for one in notices if one.id not in there]
    if new:
        connection.execute(insert(notice), new)


def write_once(
    connection: Connection, notices: Sequence[Notice], holder: str, held_until: int, doubtful: Container[str] = ()
) -> list[Notice]:
    """Write those that nobody has written before. Returns what this holder, and no other, is to deliver.

    In a transaction that changes, and by the key of the table: of several that tell the same, one is first.

    Args:
        doubtful: ids that this holder may have written, in a transaction of which that is not known.
    """
    wanted = select(notice.c.id, notice.c.holder).where(notice.c.id.in_([one.id for one in notices]))
    there = {row.id: row.holder for row in connection.execute(wanted)}
    new = [one._asdict() | {"holder": holder, "held_until": held_until} for one in notices if one.id not in there]
    if new:
        connection.execute(insert(notice), new)
    return [one for one in notices if one.id not in there or (one.id in doubtful and there[one.id] == holder)]


def claim(connection: Connection, holder: str, at: int, held_until: int) -> list[Notice]:
    """Hold on to one's own, and take what waits and is held by nobody any more: what was taken, the oldest first."""
    own = (notice.c.state == WAITING) & (notice.c.holder == holder)
    connection.execute(update(notice).where(own).values(held_until=held_until))
    free = (notice.c.state == WAITING) & (notice.c.held_until < at) & (notice.c.holder != holder)
    rows = connection.execute(select(*_COLUMNS).where(free).order_by(notice.c.made_at, notice.c.id).limit(MOST_CLAIMED))
    taken = [Notice(*row) for row in rows]
    if taken:
        ours = notice.c.id.in_([one.id for one in taken])
        connection.execute(update(notice).where(ours).values(holder=holder, held_until=held_until))
    return taken


def release(connection: Connection, holder: str) -> None:
    """Whoever comes next may deliver what waits here."""
    own = (notice.c.state == WAITING) & (notice.c.holder == holder)
    connection.execute(update(notice).where(own).values(held_until=0, holder=""))


def purge(connection: Connection, before: int) -> int:
    """Delete what was made before then and waits no more, a little at a time; how many there were."""
    old = select(notice.c.id).where((notice.c.made_at < before) & (notice.c.state != WAITING)).limit(MOST_PURGED)
    return connection.execute(delete(notice).where(notice.c.id.in_(old))).rowcount


def newest(
    connection: Connection, most: int, user: str | None = None, states: Iterable[str] | None = None
) -> list[Notice]:
    """The last ones, the newest first; `user`: only its own, and what everybody is told."""
    wanted = select(*_COLUMNS).order_by(notice.c.made_at.desc(), notice.c.id).limit(most)
    if user is not None:
        wanted = wanted.where(or_(notice.c.user == user, notice.c.user == ""))
    if states is not None:
        wanted = wanted.where(notice.c.state.in_(list(states)))
    return [Notice(*row) for row in connection.execute(wanted)]


def last_sent(connection: Connection, since: int, user: str | None = None) -> dict[tuple[str, str], int]:
    """When something last arrived, by User and channel, of what was made since then; `user`: only of this one."""
    last = func.max(notice.c.ended_at).label("last")
    sent = (notice.c.state == SENT) & (notice.c.made_at >= since)
    wanted = select(notice.c.user, notice.c.channel, last).where(sent).group_by(notice.c.user, notice.c.channel)
    if user is not None:
        wanted = wanted.where(notice.c.user == user)
    return {(row.user, row.channel): row.last for row in connection.execute(wanted)}


def told_since(connection: Connection, since: int) -> list[tuple[str, str, int]]:
    """User, kind and time of what was told last since then, in the order of time: for who begins."""
    last = func.max(notice.c.made_at).label("last")
    wanted = select(notice.c.user, notice.c.kind, last).where(notice.c.made_at >= since)
    rows = connection.execute(wanted.group_by(notice.c.user, notice.c.kind).order_by(last))
    return [(row.user, row.kind, row.last) for row in rows]
