"""The gateway as the account sees it from below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sluicegate.allocation import Profile
from sluicegate.ledger import LocalLedger
from sluicegate.settings import Settings


class Governed(Protocol):
    """A gateway whose Users may set their own profiles. For its event loop."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def ledger(self) -> LocalLedger:
        """Where the banks live."""

    def set_profiles(self, own: Mapping[str, Profile | None]) -> None:
        """What Users have set themselves; None: the profile of the file counts again."""
