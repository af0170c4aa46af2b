"""What a gateway asks: which allocations count now, and when that changes next."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from sluicegate.allocation import Overlay, overlaid
from sluicegate.operations.book import versions
from sluicegate.operations.controls.governor import Books
from sluicegate.operations.store.book_tables import book_version
from sluicegate.settings import Settings


def book_in_force(connection: Connection, at: int) -> Mapping[str, float] | None:
    """SR/s by User at a time (microseconds since 1970); None: the allocations of the configuration file count."""
    found = versions.in_force(connection, at)
    return None if found is None else found.book


def version_in_force(connection: Connection, at: int) -> int:
    """Its number; 0 where none has come into force. Cheap enough to ask every second."""
    rows = select(book_version.c.version).where(
        book_version.c.effective_at <= at, book_version.c.withdrawn_at.is_(None)
    )
    order = rows.order_by(book_version.c.effective_at.desc(), book_version.c.version.desc()).limit(1)
    return connection.scalar(order) or 0


def next_change(connection: Connection, at: int) -> int | None:
    """When the next approved version comes into force, after a time; None: none is to come."""
    found: int | None = connection.scalar(
        select(func.min(book_version.c.effective_at)).where(
            book_version.c.effective_at > at, book_version.c.withdrawn_at.is_(None)
        )
    )
    return found


def under(settings: Settings, book: Mapping[str, float] | None) -> Settings:
    """The settings with the allocations of a book in the place of the file's; None: as they are.

    Who is not in the book lives on the spare: a figure that one person wrote into the file must not cut those that two
    have approved.
    """
    return overlaid(settings, Overlay(allocations=book))


def books(connection: Connection, at: int) -> Books:
    """What a gateway needs to know at a time: what is in force, and what comes next and when."""
    next_at = next_change(connection, at)
    return Books(
        book_in_force(connection, at), next_at, None if next_at is None else book_in_force(connection, next_at)
    )
