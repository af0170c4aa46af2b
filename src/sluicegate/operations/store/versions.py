"""Versions of the profiles that Users set themselves. None is ever changed; the newest KEPT of each User are kept."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from sluicegate.operations.store import trail
from sluicegate.operations.store.tables import profile_version
from sluicegate.operations.store.trail import Row

KEPT: Final = 100
SET, DELETED, RESTORED = "profile set", "profile deleted", "profile restored"


class Version(NamedTuple):
    """One version. `document` is JSON; None: from here on the profile of the configuration counts."""

    seq: int
    user: str
    version: int
    document: str | None
    made_at: int
    who: str
    why: str


class Conflict(Exception):  # noqa: N818 - named after what it is
    """Somebody else was first: `current` is the version now."""

    def __init__(self, current: int) -> None:
        super().__init__(current)
        self.current = current


class NoSuchVersion(LookupError):  # noqa: N818
    """There is none of that number, or it is not kept any more."""


def put(
    connection: Connection, user: str, document: str | None, *, expected: int | None, who: str, at: int,
    did: str = SET, of: int | None = None,
) -> tuple[Version, Row]:  # fmt: skip
    """The next version, and the row of the audit trail that tells of it.

    Args:
        document: None takes back what the User has set.
        expected: the version that it is made from; None: whatever it is.
        who: does it.
        did: SET, DELETED or RESTORED.
        of: the version that is restored.

    Raises:
        Conflict: the version now is another one.
    """
    last = newest(connection, user)
    current = last.version if last is not None else 0
    if expected is not None and expected != current:
        raise Conflict(current)
    row = trail.append(
        connection, who=who, did=did, about=user, at=at, **{"from": current}, to=current + 1,
        sha256=digest(document), **({} if of is None else {"restored": of}),
    )  # fmt: skip
    why = did if of is None else f"{did}: version {of}"
    made = Version(row.seq, user, current + 1, document, at, who, why)
    connection.execute(insert(profile_version).values(made._asdict()))
    old = (profile_version.c.user == user) & (profile_version.c.version <= made.version - KEPT)
    connection.execute(delete(profile_version).where(old))
    return made, row


def restore(
    connection: Connection, user: str, version: int, *, expected: int | None, who: str, at: int
) -> tuple[Version, Row]:
    """An earlier version once more, as the next one. Raises NoSuchVersion or Conflict."""
    document = find(connection, user, version).document
    return put(connection, user, document, expected=expected, who=who, at=at, did=RESTORED, of=version)


def newest(connection: Connection, user: str) -> Version | None:
    """Of a User; None where it has never set any."""
    rows = select(profile_version).where(profile_version.c.user == user).order_by(profile_version.c.seq.desc())
    row = connection.execute(rows.limit(1)).first()
    return None if row is None else Version(*row)


def find(connection: Connection, user: str, version: int) -> Version:
    """One version. Raises NoSuchVersion."""
    if not 0 < version < 2**31:
        raise NoSuchVersion(version)
    same = (profile_version.c.user == user) & (profile_version.c.version == version)
    row = connection.execute(select(profile_version).where(same)).first()
    if row is None:
        raise NoSuchVersion(version)
    return Version(*row)


def history(connection: Connection, user: str) -> list[Version]:
    """What is kept of a User, the newest first."""
    rows = select(profile_version).where(profile_version.c.user == user).order_by(profile_version.c.seq.desc())
    return [Version(*row) for row in connection.execute(rows.limit(KEPT))]


def since(connection: Connection, seq: int, most: int) -> Sequence[Version]:
    """The newest version of each User that has one after row `seq` of the audit trail, in order; at most so many."""
    last = select(func.max(profile_version.c.seq)).where(profile_version.c.seq > seq).group_by(profile_version.c.user)
    rows = select(profile_version).where(profile_version.c.seq.in_(last)).order_by(profile_version.c.seq).limit(most)
    return [Version(*row) for row in connection.execute(rows)]


def digest(document: str | None) -> str | None:
    """What the audit trail says of a document."""
    return None if document is None else sha256(document.encode()).hexdigest()
