"""Who has signed in with a browser: 32 random octets in a cookie, of which only the SHA-256 is kept.

A session ends by itself, after a time in which nothing was asked, with the token that it was made with, and at a
sign-out. Each sign-in makes a new one, so that nobody can be given one that somebody else knows.
"""

from __future__ import annotations

import re
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from sluicegate.operations.store import tokens, trail
from sluicegate.operations.store.site_tables import session

SIGNED_IN, SIGNED_OUT = "signed in", "signed out"
OCTETS: Final = 32
MOST_OF_ONE: Final = 20
"""Sessions of one person: the oldest ends when there are more."""
FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
SEEN_EVERY: Final = 60_000_000
"""Microseconds: that a session is in use is not written at every request."""


class Session(NamedTuple):
    """A session as it is kept. Times are microseconds since 1970."""

    seq: int
    digest: bytes
    who: str
    role: str
    user: str | None
    how: str
    token: int | None
    made_at: int
    ends_at: int
    seen_at: int

    def told(self) -> dict[str, Any]:
        """What the audit trail tells of it."""
        return {
            "session": self.digest.hex(), "role": self.role, "user": self.user, "how": self.how, "token": self.token,
            "ends_at": self.ends_at,
        }  # fmt: skip


def begin(
    connection: Connection, *, who: str, role: str, user: str | None, how: str, token: int | None, at: int, ends_at: int
) -> tuple[str, Session]:
    """Somebody has signed in. Returns what the cookie holds, which is nowhere else, and what is kept."""
    shown = token_urlsafe(OCTETS)
    made = Session(0, _digest(shown), who, role, user, how, token, at, ends_at, at)
    row = trail.append(connection, who=who, did=SIGNED_IN, about=who, at=at, **made.told())
    made = made._replace(seq=row.seq)
    connection.execute(delete(session).where(session.c.ends_at <= at))
    kept = select(session.c.seq).where(session.c.who == who).order_by(session.c.seq.desc()).limit(MOST_OF_ONE - 1)
    newest = [seq for (seq,) in connection.execute(kept)]
    connection.execute(delete(session).where((session.c.who == who) & session.c.seq.not_in(newest)))
    connection.execute(insert(session).values(made._asdict()))
    return shown, made


def holder(connection: Connection, shown: str, *, at: int, idle: int) -> Session | None:
    """Whose session a cookie names; None where it is nobody's, or has ended.

    Args:
        idle: microseconds after which a session in which nothing was asked has ended.
    """
    if not FORM.fullmatch(shown):
        return None
    row = connection.execute(select(session).where(session.c.digest == _digest(shown))).first()
    if row is None:
        return None
    found = _of(row)
    if not at < min(found.ends_at, found.seen_at + idle):
        return None
    if found.token is not None:
        token = tokens.find(connection, found.token)
        if token is None or token.state(at) != "valid":
            return None
    return found


def seen(connection: Connection, found: Session, at: int) -> None:
    """It is in use, in a transaction that changes."""
    connection.execute(update(session).where(session.c.seq == found.seq).values(seen_at=at))


def end(connection: Connection, found: Session, at: int, who: str | None = None) -> None:
    """Somebody has signed out; or `who` has ended the session for that one."""
    connection.execute(delete(session).where(session.c.seq == found.seq))
    trail.append(connection, who=who or found.who, did=SIGNED_OUT, about=found.who, at=at, session=found.digest.hex())


def every(connection: Connection) -> list[Session]:
    """All of them, the oldest first."""
    return [_of(row) for row in connection.execute(select(session).order_by(session.c.seq))]


def _digest(shown: str) -> bytes:
    # Looked up by the digest: what timing tells of a digest tells nothing of the 256 random bits behind it.
    return sha256(shown.encode()).digest()


def _of(row: object) -> Session:
    made = Session(*row)  # type: ignore[misc]
    return made._replace(digest=bytes(made.digest))
