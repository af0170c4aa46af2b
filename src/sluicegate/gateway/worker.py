"""One of several workers of a gateway: what it is told by who started it, and what of the settings is its."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path
from typing import Final, NamedTuple

from sluicegate.ledger.fleet.embedded import remove_folder_of
from sluicegate.settings import Settings
from sluicegate.settings.ledger import place

PR_SET_PDEATHSIG: Final = 1  # prctl(2)


class WorkerOf(NamedTuple):
    """Its place in the crew.

    Attributes:
        number: 1 to N. The first has the admin listener and the site.
        tells: the descriptor on which it says that it serves.
        parent: process that started it: without that, it drains and ends.
        called: its name in the fleet. The parent knows it, and tells the ledger if the worker dies.
        ledger: URL of the Valkey that the crew shares; None: the settings name one.
    """

    number: int
    tells: int
    parent: int
    called: str
    ledger: str | None

    def settings(self, settings: Settings) -> Settings:
        """What of the settings counts for this worker."""
        changed: dict[str, object] = {}
        if self.ledger is not None:
            changed["ledger"] = settings.ledger.model_copy(update={"url": place(self.ledger)})
        if self.number > 1:
            changed |= {"admin": None, "account": None, "sign_in": None}
        return settings.model_copy(update=changed)

    def end_with_parent(self) -> None:
        """Drain when the parent is gone, however it went."""
        with contextlib.suppress(OSError, AttributeError):  # where there is no such call, a parent ends us by a signal
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != self.parent:
            os.kill(os.getpid(), signal.SIGTERM)

    def serves(self) -> None:
        """Say so to the parent."""
        with contextlib.suppress(OSError):
            os.write(self.tells, b"1")
            os.close(self.tells)

    def tidy(self) -> None:
        """Remove what the parent would have, had it not gone before."""
        if self.ledger is not None and os.getppid() != self.parent:
            remove_folder_of(Path(self.ledger.removeprefix("unix://")))
