"""Who shows what counts for nothing is slowed, by address, and then kept out; and nobody asks without end."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from starlette.requests import Request

from sluicegate.front.identity import counted_as
from sluicegate.front.offences import BANISHED, Offences
from sluicegate.log import logger
from sluicegate.operations.site.allowance import Allowance
from sluicegate.operations.site.refusal import TOO_OFTEN, Refusal

EVERYBODY: Final = ""


class Slowing:
    """The bounds of one site.

    Attributes:
        refused: how many requests showed nothing that counts.
    """

    def __init__(self) -> None:
        self.offences = Offences()
        self._of_address = Allowance(40, 0.1)
        self._of_one = Allowance(40, 0.1)
        self._of_all = Allowance(200, 0.01)
        self.refused = 0

    def enter(self, request: Request) -> str:
        """Somebody asks. Returns under what its address is counted. Raises Refusal."""
        crowd = counted_as(request.client.host if request.client else "local")
        now = monotonic()
        if self.offences.banished(crowd, now):
            raise Refusal(TOO_OFTEN, "too much from this address counted for nothing", retry_after=BANISHED)
        _take(self._of_address, crowd, now)
        _take(self._of_all, EVERYBODY, now)
        return crowd

    def known(self, who: str) -> None:
        """It is somebody. Raises Refusal where that one has asked too often."""
        _take(self._of_one, who, monotonic())

    async def offended(self, crowd: str, shown: bool = True) -> None:
        """What was shown counts for nothing: the answer waits. Raises Refusal where it was too often.

        Args:
            shown: False where there was nothing, as in a browser whose session has ended: no guess, and no offence.
        """
        self.refused += 1
        if not shown:
            return
        delay = self.offences.commit(crowd, monotonic())
        if delay < 0:
            logger().warning("an address is kept out: too many tokens that are none", address=crowd, seconds=BANISHED)
            raise Refusal(
                TOO_OFTEN, "too much from this address counted for nothing", retry_after=BANISHED,
                fields={"Connection": "close"},
            )  # fmt: skip
        await asyncio.sleep(delay)


def _take(allowance: Allowance, key: str, now: float) -> None:
    wait = allowance.take(key, now)
    if wait:
        raise Refusal(TOO_OFTEN, "more requests than an account needs: wait", retry_after=wait)
