"""What a store must do, whatever database it is. One conformance suite runs over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sluicegate.dispatch.parcel import Incoming, Parcel, Queue, Receipt, Settlement, State, Want

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settled:
    """What settlements led to."""

    applied: frozenset[int]
    """The parcels that were still this dispatcher's."""
    freed: Mapping[Queue, int]
    """How many parcels of which queues are READY now, because what they waited for has come to its end."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What outcomes led to."""

    before: Sequence[State | None]
    """The state that each SR was in before, in the order of the call; None for one that is not known."""
    freed: Mapping[Queue, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """Open parcels of one queue."""

    queue: Queue
    states: Mapping[State, int]
    octets: int


class Transaction(Protocol):
    """One transaction. All methods raise StoreError; then nothing of it is there."""

    def accept(self, incoming: Sequence[Incoming]) -> list[Receipt]:
        """Store parcels, in this order. One of the same batch may repeat or follow another.

        A parcel is BLOCKED while an open parcel of its lane, or the one with the key `preceding`, is there that was
        accepted before it; else it is CLAIMED if `hold`, or READY. What blocks it and belongs to the same User and
        destination takes the smaller rank of the two (and so on up the chain): see `hurried`.
        """

    def hurried(self) -> Mapping[int, int]:
        """Claimed parcels of this dispatcher that took a smaller rank in this transaction: number to rank."""

    def settle(self, settlements: Sequence[Settlement]) -> Settled:
        """Settle parcels that this dispatcher has claimed."""

    def claim(self, wants: Sequence[Want], at: float) -> list[Parcel]:
        """Claim READY parcels, with their bodies where these are small (LARGE)."""

    def claim_due(self, destinations: Iterable[str], at: float, most: int) -> list[Parcel]:
        """Claim DELAYED parcels whose time has come, the one that is due first first."""

    def claim_overdue(self, at: float, most: int) -> list[Parcel]:
        """Claim parcels past their deadline that nobody holds, whatever they wait for."""

    def body(self, seq: int) -> bytes | None:
        """A parcel's body; None once it was deleted."""

    def head(self, seq: int) -> bytes | None:
        """The start of a parcel's body, as far as the header of a message can reach; None once it was deleted."""

    def standing(self) -> list[Standing]:
        """Open parcels by queue."""

    def oldest(self, destination: str) -> float | None:
        """When the oldest parcel on its way to a destination was accepted: READY, CLAIMED or DELAYED."""

    def finish(self, told: Sequence[tuple[bytes, str]], at: float) -> Finished:
        """The destination told the outcome (key, code) of these SRs: what is open of them, was sent before and is not
        CLAIMED is DELIVERED, and what waited for it is freed. What was never sent can have no outcome."""

    def requeue(self, destination: str, seqs: Sequence[int] | None) -> int:
        """An operator's hand: PARKED and DELAYED parcels (all, or some) are READY, with no attempts. How many: at most
        REQUEUED_AT_ONCE of each; call again until 0."""

    def claim_all(self, destination: str, states: Sequence[State], most: int) -> list[Parcel]:
        """Claim parcels in these states (not CLAIMED ones): to return them to their senders."""

    def parked(self, destination: str, most: int) -> list[tuple[Parcel, str]]:
        """What is parked, without bodies, and why."""

    def find(self, key: bytes) -> list[tuple[Parcel, State, str]]:
        """All about one key: the parcels that begin with it, their states and codes."""

    def ended(
        self, destination: str, since: float, until: float, most: int, but: str = ""
    ) -> list[tuple[Parcel, State, str, float]]:
        """What came to its end from `since` on and before `until` (seconds since 1970), without bodies, the latest
        first: the parcels, their states and codes, and when they ended. At most LISTED; none whose code begins with
        `but`."""

    def ends(self, destination: str, since: float, until: float) -> Mapping[tuple[int, str], int]:
        """The same counted, by rank and the first word of the code."""

    def set_flag(self, name: str, value: str | None) -> None:
        """Remember something for the operator across restarts, such as `paused:csp:north`."""

    def flags(self) -> Mapping[str, str]:
        """What is remembered."""

    def purge(self, bodies_before: float, rows_before: float, most: int) -> int:
        """Delete bodies of parcels that ended before `bodies_before`, and all of those that ended before
        `rows_before`. Returns how many, at most `most` of each; call again until 0."""


class Store(Protocol):
    """A database with parcels. Used from one thread at a time."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; commit at the end, roll back on an exception. What was committed is on the disk."""

    def look(self) -> list[Standing]:
        """What `Transaction.standing` says, on a connection of its own. For other threads: with a million open parcels
        it takes a second, in which transactions go on."""

    def read(self, question: Callable[[Transaction], T]) -> T:
        """Ask something that changes nothing, as `look` does: beside the transactions, and from any thread."""

    def take_over(self, at: float) -> int:
        """Claims of dispatchers that are no more (their lease has ended; with SQLite: all of an earlier process)
        are READY again, and `repeated`. Returns how many."""

    def release_all_but(self, held: frozenset[int]) -> int:
        """Own claims that are not among `held` are READY again, and `repeated`: after a commit that was in doubt."""

    def renew(self, seconds: float) -> bool:
        """Renew this dispatcher's lease. False: it had ended; whatever it held may be another's now."""

    def dispatchers(self) -> int:
        """How many dispatchers hold a lease: they share rates and room."""

    def close(self) -> None:
        """Give back own claims, end the lease, and disconnect."""


REQUEUED_AT_ONCE = 1_000

LISTED = 10_000
"""Parcels in one answer of `ended`."""

LARGE = 65_536
"""Octets: bodies above are read only when they are sent."""
