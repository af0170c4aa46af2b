"""Was the database tampered with? The chain of the audit trail, and what the other tables say against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any, Final

from sqlalchemy import Connection, select

from sluicegate.operations.book.verifying import BooksTold
from sluicegate.operations.store import sessions, tokens, versions
from sluicegate.operations.store.tables import profile_version
from sluicegate.operations.store.trail import ORIGIN, Row, details_of, rows
from sluicegate.operations.store.verify_controls import ToldControls

MOST_TOLD: Final = 100
PROFILES: Final = frozenset((versions.SET, versions.DELETED, versions.RESTORED))


@dataclass
class Verified:
    """What was found.

    rows: of the audit trail. last: the last row's number and hash, in hex; None where there is none.
    problems: what is wrong, at most MOST_TOLD of `count`.
    """

    rows: int = 0
    last: tuple[int, str] | None = None
    problems: list[str] = field(default_factory=list)
    count: int = 0

    def wrong(self, said: str) -> None:
        """Something is."""
        self.count += 1
        if self.count <= MOST_TOLD:
            self.problems.append(said)


@dataclass
class _Told:
    """What the trail says that there must be."""

    tokens: dict[int, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, dict[int, tuple[Any, ...]]] = field(default_factory=dict)
    sessions: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    controls: ToldControls = field(default_factory=ToldControls)
    books: BooksTold = field(default_factory=BooksTold)


def verify(connection: Connection, known: tuple[int, str] | None = None) -> Verified:
    """Look at everything, in a transaction that reads.

    Args:
        known: a row's number and hash (hex) that were noted earlier, elsewhere: the trail must still have it.
    """
    found, told = Verified(), _Told()
    expected, before, met = 1, ORIGIN, None
    for row in rows(connection):
        _chained(found, row, expected, before)
        _note(told, row)
        told.books.note(row)
        if known is not None and row.seq == known[0]:
            met = row.hash.hex()
        expected, before = row.seq + 1, row.hash
        found.rows += 1
        found.last = (row.seq, row.hash.hex())
    if known is not None and not (met is not None and compare_digest(met, known[1].lower())):
        what = "is not there any more: rows were taken from the end" if met is None else "has another hash now"
        found.wrong(f"audit row {known[0]}, which was noted earlier, {what}")
    others = *told.controls.problems(connection), *told.books.problems(connection)
    for said in (
        *_tokens(connection, told), *_versions(connection, told), *_sessions(connection, told), *others,
    ):  # fmt: skip
        found.wrong(said)
    return found


def _chained(found: Verified, row: Row, expected: int, before: bytes) -> None:
    if row.seq != expected:
        missing = f"rows {expected} to {row.seq - 1} are missing" if row.seq > expected else "it is there twice"
        found.wrong(f"audit row {row.seq}: {missing}")
    elif not compare_digest(row.before, before):
        found.wrong(f"audit row {row.seq}: it does not follow row {row.seq - 1}, which was changed or put in later")
    if not compare_digest(row.hashed(), row.hash):
        found.wrong(f"audit row {row.seq}: it was changed after it was written ({row.did}, {row.about})")


def _note(told: _Told, row: Row) -> None:
    details = details_of(row)
    told.controls.note(row, details)
    number = details.get("token")
    if row.did == tokens.CREATED and isinstance(number, int):
        told.tokens[number] = {
            "name": row.about,
            "scope": details.get("scope"),
            "digest": details.get("digest"),
            "made_at": row.at,
            "expires_at": details.get("expires_at"),
            "note": details.get("note"),
            "revoked_at": None,
        }
    elif row.did == tokens.REVOKED and isinstance(number, int) and number in told.tokens:
        told.tokens[number]["revoked_at"] = row.at
    elif row.did == sessions.SIGNED_IN and isinstance(details.get("session"), str):
        told.sessions[details["session"]] = (row.seq, row.who, row.at, dict(details))
    elif row.did == sessions.SIGNED_OUT:
        told.sessions.pop(str(details.get("session")), None)
    elif row.did in PROFILES and isinstance(details.get("to"), int):
        of_user = told.versions.setdefault(row.about, {})
        of_user[details["to"]] = (row.seq, details.get("sha256"), row.at, row.who)
        of_user.pop(details["to"] - versions.KEPT, None)


def _tokens(connection: Connection, told: _Told) -> Iterator[str]:
    there = {one.id: one for one in tokens.every(connection)}
    for number, one in there.items():
        expected = told.tokens.get(number)
        if expected is None:
            yield f"token {number} ({one.name}): the audit trail knows nothing of it"
            continue
        is_so = one._asdict() | {"digest": one.digest.hex()}
        other = [name for name, value in expected.items() if is_so[name] != value]
        if other:
            yield f"token {number} ({one.name}): the audit trail says otherwise of its {', '.join(other)}"
    for number in sorted(told.tokens.keys() - there.keys()):
        yield f"token {number}: it was created, and is not there"


def _sessions(connection: Connection, told: _Told) -> Iterator[str]:
    """Those that are there. Many are not any more, for they end by themselves."""
    for one in sessions.every(connection):
        expected = told.sessions.get(one.digest.hex())
        if expected is None:
            yield f"session {one.seq} ({one.who}): the audit trail knows nothing of it, or of a sign-out"
        elif expected != (one.seq, one.who, one.made_at, one.told()):
            yield f"session {one.seq} ({one.who}): it is not what the audit trail tells of"


def _versions(connection: Connection, told: _Told) -> Iterator[str]:
    """One version after the other: the documents are not held."""
    left = {user: dict(numbers) for user, numbers in told.versions.items()}
    found = connection.execute(
        select(profile_version).order_by(profile_version.c.seq), execution_options={"yield_per": 100}
    )
    for row in found:
        one = versions.Version(*row)
        name = f"version {one.version} of the profile of {one.user}"
        expected = left.get(one.user, {}).pop(one.version, None)
        if expected is None:
            yield f"{name}: the audit trail knows nothing of it"
        elif expected != (one.seq, versions.digest(one.document), one.made_at, one.who):
            yield f"{name}: it is not what the audit trail tells of"
    for user, numbers in left.items():
        for version in sorted(numbers):
            yield f"version {version} of the profile of {user}: it was made, and is not there"
