"""A dry run: what the last hour would have been with another profile. In a process of its own, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pickle
import sys
from typing import Any, Final

from sluicegate.allocation import Profile
from sluicegate.log import logger
from sluicegate.operations.account import documents
from sluicegate.operations.account.governed import Governed
from sluicegate.operations.account.problems import BUSY, NO_RECORD, TRY_FAILED
from sluicegate.operations.account.profiles import OwnProfiles
from sluicegate.operations.site.refusal import Refusal
from sluicegate.settings import Settings
from sluicegate.settings.installed import installed

DEADLINE: Final = 120.0  # seconds
MOST_ANSWER: Final = 1_048_576  # octets: a thousand rows take 100,000
CHILD: Final = "sluicegate.operations.account.trying"
PACKAGES: Final = ("joblib", "numpy", "pyarrow", "scipy")


class DryRuns:
    """Dry runs of one gateway, over the record that it keeps itself.

    What is compared is the profile in force with the one that is asked about. Everybody's requests are replayed, for
    what is spare depends on them, and only those of the User who asks are told of.
    """

    def __init__(self, gateway: Governed, profiles: OwnProfiles) -> None:
        self._gateway = gateway
        self._profiles = profiles
        self._under_way: asyncio.subprocess.Process | None = None
        self._taken = False

    def check(self, _user: str) -> None:
        """Raises Refusal where there can be none now."""
        if self._gateway.settings.record is None:
            raise Refusal(NO_RECORD, "a dry run replays the traffic record, and this gateway keeps none ([record])")
        missing = [name for name in PACKAGES if not installed(name)]
        if missing:
            raise Refusal(
                NO_RECORD, f"a dry run needs more packages ({', '.join(missing)}): the operator installs the extra "
                "`evidence`",
            )  # fmt: skip
        if self._taken:
            raise Refusal(BUSY, "dry runs are made one at a time: try again", retry_after=15)

    async def run(self, user: str, profile: Profile) -> dict[str, Any]:
        """See `trying.main` for what is told. Raises Refusal."""
        self.check(user)
        settings = self._as_in_force()
        if settings.record is None:
            raise Refusal(NO_RECORD, "this gateway keeps no traffic record")
        self._taken = True
        try:
            asked = await asyncio.to_thread(pickle.dumps, (str(settings.record.folder), settings, user, profile))
            return await self._answer(asked)
        finally:
            self._taken = False

    async def _answer(self, asked: bytes) -> dict[str, Any]:
        process = self._under_way = await asyncio.create_subprocess_exec(
            sys.executable, "-m", CHILD, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(DEADLINE):
                told, complaint = await process.communicate(asked)
        except TimeoutError:
            raise Refusal(TRY_FAILED, f"it took longer than {DEADLINE:g} s") from None
        finally:
            self.stop()
        if process.returncode or len(told) > MOST_ANSWER:
            logger().error("a dry run failed", code=process.returncode, why=complaint.decode(errors="replace")[-500:])
            raise Refusal(TRY_FAILED, "the log of the gateway says why")
        answer: dict[str, Any] = json.loads(told)
        if "error" in answer:
            raise Refusal(NO_RECORD, str(answer["error"]))
        return answer

    def stop(self) -> None:
        """End what is under way."""
        process, self._under_way = self._under_way, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def _as_in_force(self) -> Settings:
        """What a replay needs of the settings, with the profiles that Users have set themselves."""
        settings, own = self._gateway.settings, self._profiles.in_force
        users = tuple(
            documents.with_profile(user, own[user.name]) if user.name in own else user for user in settings.users
        )
        return settings.model_copy(update={"users": users, "operations": None, "dispatch": None, "account": None})
