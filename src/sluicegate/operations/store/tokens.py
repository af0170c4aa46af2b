"""API tokens: 32 random octets, of which only the SHA-256 is kept; of one role and one holder, expiring, revocable."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest
from secrets import token_bytes
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from sluicegate.operations.store import trail
from sluicegate.operations.store.tables import token
from sluicegate.operations.store.trail import Row

CREATED, REVOKED = "token created", "token revoked"
DAY: Final = 86_400_000_000  # microseconds
MOST_NOTE: Final = 200  # characters
OCTETS: Final = 32

FORM: Final = re.compile(r"sluicegate_([1-9][0-9]{0,17})_([A-Za-z0-9_-]{43})", re.ASCII)
"""A token as it is shown once: its number, which is no secret, and the secret."""

_NOBODY: Final = bytes(32)


class Token(NamedTuple):
    """A token as it is kept. `scope`: the role of its holder; `name`: of the holder, for `user` that of a [[user]]."""

    id: int
    scope: str
    name: str
    digest: bytes
    note: str
    made_at: int
    expires_at: int
    revoked_at: int | None

    def state(self, at: int) -> str:
        """`valid`, `expired` or `revoked` at a time."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= at else "valid"


def create(
    connection: Connection, *, name: str, days: float, note: str, who: str, at: int, role: str = "user"
) -> tuple[str, Token, Row]:
    """Make one. Returns it as its holder needs it, which is nowhere else, and as it is kept."""
    number = (connection.scalar(select(func.max(token.c.id))) or 0) + 1
    shown = f"sluicegate_{number}_{urlsafe_b64encode(token_bytes(OCTETS)).rstrip(b'=').decode()}"
    made = Token(number, role, name, _digest(shown), note[:MOST_NOTE], at, at + round(days * DAY), None)
    connection.execute(insert(token).values(made._asdict()))
    row = trail.append(
        connection, who=who, did=CREATED, about=name, at=at, token=number, scope=role, digest=made.digest.hex(),
        expires_at=made.expires_at, note=made.note,
    )  # fmt: skip
    return shown, made, row


def revoke(connection: Connection, number: int, *, who: str, at: int) -> tuple[Token, Row | None] | None:
    """It counts no more. None where there is no such token; no row where it was revoked before."""
    found = find(connection, number)
    if found is None or found.revoked_at is not None:
        return None if found is None else (found, None)
    connection.execute(update(token).where(token.c.id == number).values(revoked_at=at))
    row = trail.append(connection, who=who, did=REVOKED, about=found.name, at=at, token=number)
    return found._replace(revoked_at=at), row


def find(connection: Connection, number: int) -> Token | None:
    """By its number."""
    row = connection.execute(select(token).where(token.c.id == number)).first()
    return None if row is None else _of(row)


def every(connection: Connection) -> list[Token]:
    """All of them, the oldest first."""
    return [_of(row) for row in connection.execute(select(token).order_by(token.c.id))]


def holder(connection: Connection, shown: str, at: int) -> Token | None:
    """Whose a token is that somebody shows; None where it is nobody's, has ended, or is not one.

    The secret is compared in constant time, and so for a number that there is not.
    """
    form = FORM.fullmatch(shown)
    if form is None:
        return None
    found = find(connection, int(form[1]))
    same = compare_digest(_digest(shown), found.digest if found is not None else _NOBODY)
    return found if found is not None and same and found.state(at) == "valid" else None


def _digest(shown: str) -> bytes:
    return sha256(shown.encode()).digest()


def _of(row: object) -> Token:
    made = Token(*row)  # type: ignore[misc]
    return made._replace(digest=bytes(made.digest))
