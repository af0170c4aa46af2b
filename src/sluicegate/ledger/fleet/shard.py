"""The ledger, or a part of it, as a worker sees it: what is drawn, given back and looked at, wherever it runs."""

from collections.abc import Sequence
from typing import Protocol

from sluicegate.ledger.fleet.messages import Answer, Ask, Look
from sluicegate.ledger.fleet.writing import MalformedError


class AwayError(ConnectionError):
    """The ledger did not answer, or said that it cannot now (it is loading, or no primary). The worker is alone.

    Whether the ask arrived is not known.
    """


class GoneError(AwayError):
    """The ledger's process is no more: its machine refuses connections. It grants nothing to anybody."""


class StaleError(ValueError):
    """The ledger has seen a later ask of this worker: this one changed nothing."""


class Shard(Protocol):
    """One ledger, or one part of one."""

    async def draw(self, ask: Ask) -> Answer:
        """Tell and draw, at once and as a whole.

        Raises:
            AwayError: no answer came. `asyncio.timeout` around it does no harm. GoneError: nor will anybody get one.
            StaleError: a later ask was there first.
            MalformedError: the ask or the answer cannot be; of the ask nothing has changed.
        """
        ...

    async def leave(self, ask: Ask) -> None:
        """The last draw of a worker that stops: tell what it gives back (its wants draw nothing); its share is free.

        Raises as `draw`.
        """
        ...

    async def bury(self, worker: str) -> bool:
        """Tell that a worker is dead, and nobody will come by its name: what it had in hand lapses, its share is free.

        Returns whether the ledger knew it. Raises AwayError, MalformedError.
        """
        ...

    async def look(self) -> Look:
        """The fleet as this ledger sees it. Raises AwayError."""
        ...

    async def keep(self, name: str, text: bytes, seconds: float) -> None:
        """Have something kept for the other workers, beside the books. Raises AwayError."""
        ...

    async def kept(self, names: Sequence[str]) -> list[bytes | None]:
        """What was kept under these names; None: nothing is, or not any more. Raises AwayError."""
        ...

    async def hold(self, name: str, who: str, seconds: float) -> bool:
        """Take or renew what one of all holds at a time; whether `who` has it now. Nil seconds: let go of it.

        Raises AwayError.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def refused(reply: str) -> Exception:
    """The error that an error reply of the ledger's functions stands for."""
    word, _, rest = reply.partition(" ")
    kinds: dict[str, type[Exception]] = {"STALE": StaleError, "MALFORMED": MalformedError}
    return kinds.get(word, AwayError)(rest if word in kinds else reply)
