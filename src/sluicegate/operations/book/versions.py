"""Versions of the book: put by one account, approved by a second, in force from their time on, never changed.

Every step writes one row of the audit trail in the same transaction.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from sluicegate.operations.book import kept_forecasts
from sluicegate.operations.book.effective import next_monday
from sluicegate.operations.store import trail
from sluicegate.operations.store.book_tables import book_version

PUT, APPROVED, WITHDRAWN, ROLLED_BACK = "book put", "book approved", "book withdrawn", "book rolled back"
ABOUT: Final = "allocation book"
MOST_NOTE: Final = 500  # characters


class Version(NamedTuple):
    """One version, as `book_version` has it."""

    version: int
    seq: int
    allocations: str | None
    reasons: str
    made_at: int
    who: str
    note: str
    restores: int | None
    asked_at: int | None
    approved_at: int | None
    approver: str | None
    effective_at: int | None
    withdrawn_at: int | None

    @property
    def book(self) -> dict[str, float] | None:
        """SR/s by User; None: those of the configuration file."""
        return None if self.allocations is None else json.loads(self.allocations)

    @property
    def why(self) -> dict[str, str]:
        """Of each figure, as far as it was said."""
        told: dict[str, str] = json.loads(self.reasons)
        return told


class BookRefused(Exception):  # noqa: N818 - named after what it is
    """It is not done. `str()` says why, and what to do."""


class NoSuchBook(BookRefused):
    """There is no version of that number."""


def put(
    connection: Connection, allocations: Mapping[str, float], *, who: str, at: int, note: str = "",
    reasons: Mapping[str, str] | None = None, asked_at: int | None = None,
    forecasts: Mapping[str, Mapping[str, float]] | None = None, **said: Any,
) -> Version:  # fmt: skip
    """The next version, which waits for a second account.

    Args:
        allocations: SR/s by User; whoever calls has checked them (`checking.wrong_with`).
        who: the account that proposes it.
        asked_at: when it is to come into force; None: the Monday after it is approved.
        forecasts: what it was proposed from, SRs a month by User and SRV; kept beside it.
        said: what else the audit trail is told (by which way it came).

    Raises BookRefused where `asked_at` is not to come.
    """
    if asked_at is not None and asked_at <= at:
        raise BookRefused("a book comes into force in the future: name a later time")
    written = json.dumps(dict(allocations), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    expected = None if forecasts is None else kept_forecasts.written(forecasts)
    if expected is not None:
        said = {**said, "forecasts": kept_forecasts.digest(expected)}
    made = _insert(connection, PUT, written, reasons or {}, who=who, at=at, note=note, asked_at=asked_at, said=said)
    if expected is not None:
        kept_forecasts.keep(connection, made.version, expected)
    return made


def approve(connection: Connection, version: int, *, who: str, at: int, **said: Any) -> Version:
    """A second account agrees: from its time on, the version is in force. Raises BookRefused, NoSuchBook."""
    one = find(connection, version)
    if one.withdrawn_at is not None or one.approved_at is not None:
        state = "withdrawn" if one.withdrawn_at is not None else "approved"
        raise BookRefused(f"version {version} is {state} already")
    if same_account(who, one.who):
        raise BookRefused(
            f"version {version} was put by {one.who}, and a second account approves it: ask somebody else"
        )
    effective = one.asked_at if one.asked_at is not None else next_monday(at)
    if effective <= at:
        raise BookRefused(f"the time at which version {version} was to come into force has passed: put it again")
    changed: dict[str, Any] = {"approved_at": at, "approver": who, "effective_at": effective}
    _change(connection, APPROVED, one, changed, who=who, at=at, said={"effective_at": effective, **said})
    return one._replace(**changed)


def withdraw(connection: Connection, version: int, *, who: str, at: int, **said: Any) -> Version:
    """It will not come into force, by its proposer's or anybody's word. Raises BookRefused, NoSuchBook."""
    one = find(connection, version)
    if one.withdrawn_at is not None:
        raise BookRefused(f"version {version} is withdrawn already")
    if one.effective_at is not None and one.effective_at <= at:
        raise BookRefused(f"version {version} has come into force: roll back instead")
    _change(connection, WITHDRAWN, one, {"withdrawn_at": at}, who=who, at=at, said=said)
    return one._replace(withdrawn_at=at)


def rollback(
    connection: Connection, to: int | None = None, *, who: str, at: int, note: str = "", **said: Any
) -> Version:
    """A book that was in force before is in force again, at once, as the next version.

    One account may: what comes back was approved by two before. `to`: a version, 0 the configuration file; None: what
    was in force before the one that is. Raises BookRefused, NoSuchBook.
    """
    past = was_in_force(connection, at)
    if to is None:
        to = before(past)
    elif not past:
        raise BookRefused("no book has come into force yet: there is nothing to roll back")
    if to != 0 and to not in {one.version for one in past}:
        find(connection, to)
        raise BookRefused(f"version {to} was never in force: it takes a second account, so approve it instead")
    if to in (past[-1].version, past[-1].restores):
        raise BookRefused(f"version {to} is in force")
    old = None if to == 0 else find(connection, to)
    return _insert(
        connection, ROLLED_BACK, old.allocations if old else None, old.why if old else {}, who=who, at=at, note=note,
        restores=to, effective_at=at, said=said,
    )  # fmt: skip


def before(past: list[Version]) -> int:
    """What was in force before the last one; a rollback stands for what it restored, so that two go back two steps.

    past: of `was_in_force`. Raises BookRefused where there is nothing before it.
    """
    if not past:
        raise BookRefused("no book has come into force yet: there is nothing to roll back")
    steps = [0]
    for one in past:
        meant = one.version if one.restores is None else one.restores
        if meant in steps:
            del steps[steps.index(meant) + 1 :]
        else:
            steps.append(meant)
    if len(steps) == 1:
        raise BookRefused("the allocations of the configuration file are in force: there is nothing before them")
    return steps[-2]


def was_in_force(connection: Connection, at: int) -> list[Version]:
    """The versions that have been in force until a time, in their order; the last one is."""
    rows = select(book_version).where(
        book_version.c.effective_at <= at, book_version.c.withdrawn_at.is_(None)
    )  # fmt: skip
    ordered = rows.order_by(book_version.c.effective_at, book_version.c.version)
    return [Version(*row) for row in connection.execute(ordered)]


def in_force(connection: Connection, at: int) -> Version | None:
    """The version in force at a time; None before there was any. One whose `book` is None: the file's count."""
    rows = select(book_version).where(book_version.c.effective_at <= at, book_version.c.withdrawn_at.is_(None))
    last = rows.order_by(book_version.c.effective_at.desc(), book_version.c.version.desc()).limit(1)
    row = connection.execute(last).first()
    return None if row is None else Version(*row)


def find(connection: Connection, version: int) -> Version:
    """One version. Raises NoSuchBook."""
    row = None
    if 0 < version < 2**31:
        row = connection.execute(select(book_version).where(book_version.c.version == version)).first()
    if row is None:
        raise NoSuchBook(
            f"there is no version {version} of the book: `sluicegate book versions` has those that there are"
        )
    return Version(*row)


def newest(connection: Connection, most: int) -> list[Version]:
    """The newest versions, the newest first."""
    rows = select(book_version).order_by(book_version.c.version.desc()).limit(most)
    return [Version(*row) for row in connection.execute(rows)]


def state(one: Version, at: int, in_force: int | None) -> str:
    """In a word or two. `in_force`: the version that is."""
    if one.withdrawn_at is not None:
        return "withdrawn"
    if one.version == in_force:
        return "in force"
    if one.effective_at is None:
        return "waits for approval"
    return "was in force" if one.effective_at <= at else "approved"


def same_account(one: str, other: str) -> bool:
    """Whether two names are of one account: neither case nor forms of letters nor spaces make another one."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def digest(allocations: str | None, reasons: str, note: str) -> str:
    """What the audit trail says of a version's content."""
    return sha256(json.dumps([allocations, reasons, note]).encode()).hexdigest()


def _insert(
    connection: Connection, did: str, allocations: str | None, reasons: Mapping[str, str], *, who: str, at: int,
    note: str, said: Mapping[str, Any], asked_at: int | None = None, restores: int | None = None,
    effective_at: int | None = None,
) -> Version:  # fmt: skip
    now = in_force(connection, at)
    number = (connection.scalar(select(func.max(book_version.c.version))) or 0) + 1
    written = json.dumps(dict(reasons), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    note = note[:MOST_NOTE]
    row = trail.append(
        connection, who=who, did=did, about=ABOUT, at=at, **said, **{"from": now.version if now else 0}, to=number,
        sha256=digest(allocations, written, note), asked_at=asked_at, restores=restores, effective_at=effective_at,
    )  # fmt: skip
    made = Version(
        number, row.seq, allocations, written, at, who, note, restores, asked_at, None, None, effective_at, None
    )  # fmt: skip
    connection.execute(insert(book_version).values(made._asdict()))
    return made


def _change(
    connection: Connection, did: str, one: Version, changed: Mapping[str, Any], *, who: str, at: int,
    said: Mapping[str, Any],
) -> None:  # fmt: skip
    now = in_force(connection, at)
    trail.append(
        connection, who=who, did=did, about=ABOUT, at=at, **said, **{"from": now.version if now else 0}, to=one.version
    )  # fmt: skip
    connection.execute(update(book_version).where(book_version.c.version == one.version).values(**changed))
