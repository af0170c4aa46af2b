"""What is to be delivered: a Service Request to a CSP, or a Response to a User. Both are parcels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Kind(IntEnum):
    """What a parcel carries."""

    REQUEST = 0
    """A Service Request, on its way to a CSP."""
    RESPONSE = 1
    """A Response, on its way to a User's endpoint."""


class State(IntEnum):
    """Where a parcel is in its life. The first five are open, the others are ends."""

    BLOCKED = 0
    """Waits for another parcel to the same device, or of its chain, to come to its end."""
    READY = 1
    """May be delivered, and nobody holds it."""
    CLAIMED = 2
    """A dispatcher holds it in its memory, or is delivering it."""
    DELAYED = 3
    """Waits for its next attempt."""
    PARKED = 4
    """Waits for an operator (or for its deadline)."""
    DELIVERED = 5
    """Its destination took it."""
    RETURNED = 6
    """It could not be delivered, and its sender was told so (a Response), or an operator gave it up."""


OPEN = State.PARKED
"""States up to this one are open."""

CSP, USER = "csp:", "user:"
"""How the name of a destination begins: `csp:north`, `user:Large Supplier A`."""

KEY_OCTETS = 24

# What is made for every SR is not frozen: that would cost three times as much to make. Nothing changes them but where
# it is said.


@dataclass(slots=True)
class Parcel:
    """A parcel as a dispatcher holds it. Times are seconds since 1970 UTC."""

    seq: int
    """Its number in the store; later parcels have larger ones."""
    kind: Kind
    key: bytes
    """What must be there once: of an SR the 24 octets of its RequestID (originator, target, counter), and for each
    further region of a firmware list the region's name behind them; of a Response what makes it the same one."""
    destination: str
    """`csp:NAME` or `user:NAME`."""
    user: str
    """The User who sent it (an SR), or gets it (a Response)."""
    rank: int
    """Class in the User's own priority profile, 0 first."""
    path: str
    """Where it goes below the destination's address, such as `/api/v1/serviceS`."""
    lane: int | None
    """Its device as a signed 64-bit number: parcels of one lane keep their order. None: it has no device."""
    srv: str
    accepted_at: float
    deadline: float
    attempts: int
    """That were made and failed."""
    repeated: bool
    """It may have been sent before, by a dispatcher that ended without saying so."""
    octets: int
    """Size of its body."""
    body: bytes | None = None
    """None where it is large, or not loaded yet: `Store.body` has it."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """HTTP fields that go with it."""


@dataclass(slots=True)
class Incoming:
    """A parcel that is to be made safe."""

    kind: Kind
    key: bytes
    digest: bytes
    """16 octets of BLAKE2b over the body: the same key with another digest is another message."""
    destination: str
    user: str
    rank: int
    path: str
    lane: int | None
    srv: str
    accepted_at: float
    deadline: float
    body: bytes
    fields: Mapping[str, str] = field(default_factory=dict)
    preceding: bytes | None = None
    """The key of the SR that it must follow (PrecedingServiceRequestID)."""
    hold: bool = False
    """The dispatcher has room for it in memory: claim it at once, unless it is blocked."""


class Taken(IntEnum):
    """What became of an incoming parcel."""

    ACCEPTED = 0
    REPEATED = 1
    """The same message was accepted before: nothing was stored."""
    CONFLICT = 2
    """Another message was accepted with this key before: nothing was stored, and the first is untouched."""


@dataclass(slots=True)
class Receipt:
    """What the store says of an incoming parcel. Of a repeated one, `accepted_at` and `state` are the first's."""

    taken: Taken
    seq: int
    accepted_at: float
    state: State
    repeats_after: bool = False
    """Of a REPEATED one: whether the first has come to its end."""


@dataclass(slots=True)
class Settlement:
    """What becomes of a claimed parcel.

    DELIVERED, RETURNED: its end; what waited for it may go. DELAYED: next attempt at `due`. PARKED: for an operator.
    READY: given back as it was. Where the parcel is not claimed by this dispatcher any more, nothing happens.
    """

    seq: int
    state: State
    at: float
    due: float = 0.0
    attempts: int = 0
    """The attempts made so far."""
    code: str = ""
    """The ResponseCode, or a word that says why: for the operator."""
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Want:
    """Room for parcels of one queue: those that are READY, oldest first."""

    destination: str
    user: str
    rank: int
    most: int


Queue = tuple[str, str, int]
"""Destination, User, rank: parcels of one queue leave in the order of their numbers."""
