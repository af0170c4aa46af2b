"""The accounts of a gateway's Users: what they have set themselves comes into force."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.log import logger
from sluicegate.operations.account import described
from sluicegate.operations.account.api import AccountApi
from sluicegate.operations.account.dry_run import DryRuns
from sluicegate.operations.account.profiles import OwnProfiles
from sluicegate.operations.site.app import Part
from sluicegate.operations.store.worker import Unavailable, Worker

if TYPE_CHECKING:
    from sluicegate.operations.account.governed import Governed


class Accounts:
    """What Users have set themselves. For the event loop of the gateway.

    Where the database cannot be asked, the gateway serves all the same: at a start with the profiles of the
    configuration, later with those that it knows.

    Args:
        gateway: whose Users they are. worker: has the database.
    """

    def __init__(self, gateway: Governed, worker: Worker) -> None:
        self._worker = worker
        self._profiles = OwnProfiles(gateway, worker)
        self._dry_runs = DryRuns(gateway, self._profiles)
        self._caught_up_at = float("-inf")

    @property
    def part(self) -> Part:
        """Where Users set it, for the site."""
        return Part(AccountApi(self._worker, self._profiles, self._dry_runs).routes(), described.PATHS)

    def knows(self, name: str) -> bool:
        """Whether there is such a User in the configuration in force."""
        return self._profiles.user(name) is not None

    # --- what operations look at

    @property
    def failing(self) -> str:
        """Why the database cannot be used now; empty where it can."""
        return self._worker.failing

    @property
    def age(self) -> float:
        """Seconds since what Users set was last looked for in the database."""
        return monotonic() - self._caught_up_at

    @property
    def own_profiles(self) -> int:
        """How many Users' own profiles are in force."""
        return len(self._profiles.in_force)

    # --- its life

    def reloaded(self) -> None:
        """The settings are other ones."""
        self._profiles.reloaded()

    def stop(self) -> None:
        """End what is under way."""
        self._dry_runs.stop()

    async def look(self) -> None:
        """Take what others have written meanwhile."""
        try:
            await self._profiles.catch_up()
        except Unavailable:
            return  # the worker has said why
        except Exception:
            logger().exception("what Users have set themselves could not be taken")
        else:
            self._caught_up_at = monotonic()
