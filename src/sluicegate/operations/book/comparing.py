"""One book beside another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from sluicegate.operations.book import versions
from sluicegate.settings import Settings


def allocations_of(connection: Connection, file: Settings, version: int) -> dict[str, float]:
    """SR/s by User of a version; 0 stands for the configuration file. Raises NoSuchBook."""
    book = versions.find(connection, version).book if version else None
    return {user.name: user.allocation for user in file.users} if book is None else book


def changes(before: Mapping[str, float], after: Mapping[str, float]) -> list[dict[str, Any]]:
    """Of each User what it had, has then, and the change, in SR/s; those of the later book first."""
    return [
        {"user": name, "from": (old := before.get(name)), "to": (new := after.get(name)),
         "change": round((new or 0.0) - (old or 0.0), 6)}
        for name in dict.fromkeys((*after, *before))
    ]  # fmt: skip
