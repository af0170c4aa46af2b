"""What every way to tell a User has in common."""

from __future__ import annotations

from typing import Protocol

from sluicegate.operations.notices.notice import Notice


class NotDelivered(Exception):  # noqa: N818 - named after what has happened
    """It has not arrived, as far as is known. `str()` says why, and holds no secret.

    Attributes:
        for_good: whether to try again would be in vain.
    """

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


class Way(Protocol):
    """How a notice gets to one channel."""

    async def deliver(self, notice: Notice, at: float) -> None:
        """One attempt, which ends by itself. `at`: seconds since 1970 UTC. Raises NotDelivered."""


class Unusable:
    """A channel that cannot be used as it is configured: every attempt says why, until a reload mends it."""

    def __init__(self, why: str) -> None:
        self.why = why

    async def deliver(self, notice: Notice, at: float) -> None:  # noqa: ARG002 - a Way's
        """Raises NotDelivered."""
        raise NotDelivered(self.why)
