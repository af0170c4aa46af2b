"""Whose counters become history, and whose turn it is to write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sluicegate.operations.tally import Tally
from sluicegate.settings import Settings


class Counting(Protocol):
    """The gateway, as far as it is looked at here."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """The counters of each User; of a fleet, of all its workers."""


def always() -> bool:
    """It is always this process's turn: there is no other."""
    return True
