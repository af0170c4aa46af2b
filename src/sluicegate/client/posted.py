"""A message between `post` and its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sluicegate.client.errors import Throttled, Unreachable


@dataclass(slots=True, eq=False)
class Posted:
    """What the line and the client know of it."""

    seq: int
    rank: int
    deadline: float
    lane: int | None
    key: bytes
    preceding: bytes | None
    turn: asyncio.Future[None]
    scope: asyncio.Timeout
    attempts: int = 0
    sent: bool = False
    """An attempt of it had no answer: it may have been taken."""
    out: bool = False
    """It has one of the connections."""
    last: Throttled | Unreachable | None = None
