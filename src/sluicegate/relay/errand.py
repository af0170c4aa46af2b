"""A Service Request on its way through the relay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from sluicegate.http.call import Answer

Told = Callable[[Answer], None]
"""Who waits for the answer, and is told it once."""


class End(Enum):
    """What an SR ends as. Each ends once."""

    ACKNOWLEDGED = "acknowledged"
    """The gateway's answer is a Response with a code I*, or a success without any."""
    REFUSED = "refused"
    """The gateway, or the DSP behind it, does not want it: it would not want it the next time either."""
    EXPIRED = "expired"
    """Its deadline has passed, or its sender has left and nobody wants it any more."""


class Stage(IntEnum):
    """Where an errand is."""

    STORING = 0
    """It must wait, and is not safe yet."""
    WAITING = 1
    SENDING = 2
    ASIDE = 3
    """Its last attempt failed, or its CSP is behind: it waits for its own next attempt, and its lane with it."""
    ENDED = 4


# One is made for every SR, so it is not frozen.


@dataclass(slots=True, eq=False)
class Errand:
    """One SR. It has what a waiting line asks of an item: seq, rank, deadline, lane, key, preceding."""

    seq: int
    """Its number in the relay: what came later has a larger one."""
    key: bytes
    """Its RequestID in 24 octets."""
    rank: int
    """0 is the most urgent."""
    deadline: float
    """Seconds of the monotonic clock."""
    lane: int | None
    """Its device; None: it has none."""
    preceding: bytes | None
    """The RequestID that it follows, in 24 octets."""
    class_name: str | None
    srv: str
    path: str
    fields: Mapping[str, str]
    """HTTP fields that go on to the gateway."""
    body: bytes | None
    """None: it is in the store only."""
    octets: int
    came_at: float
    """Seconds since 1970."""
    came: float
    """The same moment, in seconds of the monotonic clock."""
    due_at: float
    """The deadline, in seconds since 1970."""
    callback: bool
    """Whether its answer goes to the callback, and not to who waits."""
    parcel: int = 0
    """Its number in the store; 0: it is not there."""
    digest: bytes = b""
    attempts: int = 0
    """That failed."""
    repeated: bool = False
    """The gateway may have had it before."""
    bulk: bool = False
    stage: Stage = Stage.STORING
    waiters: list[Told] = field(default_factory=list)
    told_after_commit: list[Told] = field(default_factory=list)
    """Who is told 202 once it is safe."""

    @property
    def stored(self) -> bool:
        """Whether it is in the store."""
        return self.parcel > 0
