"""The gateway as those who govern it see it from below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sluicegate.allocation import Overlay, Profile
from sluicegate.ledger import Ledger
from sluicegate.operations.tally import Tally
from sluicegate.settings import Settings


class Governed(Protocol):
    """A gateway that is governed while it runs: by its operators, and by Users as to their own profiles. For its event
    loop."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def file(self) -> Settings:
        """Those of the configuration file, with nothing over it."""

    @property
    def ledger(self) -> Ledger:
        """Where the banks live."""

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """The counters of each User."""

    def set_overlay(self, overlay: Overlay) -> None:
        """What lies over the file from now on. Raises ValueError where it cannot be; nothing has changed."""

    def set_profiles(self, own: Mapping[str, Profile | None]) -> None:
        """What Users have set themselves; None: the profile of the file counts again."""
