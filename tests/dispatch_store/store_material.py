"""Parcels for tests, and short ways to say what a test does with a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from sluicegate.dispatch.parcel import Incoming, Kind, Parcel, Receipt, Settlement, State, Want
from sluicegate.dispatch.store.interface import Settled, Store

NOW = 1_790_000_000.0
NORTH, SOUTH = "csp:north", "csp:south"
ANN, BOB = "Ann", "Bob"


def key(number: int) -> bytes:
    """Of an SR: 24 octets."""
    return b"originator-target-" + number.to_bytes(6, "big")


def sr(number: int, *, body: bytes = b"", **changes: Any) -> Incoming:
    """A Service Request without a device, unless `lane` says so."""
    body = body or b"<Request %d/>" % number
    made = Incoming(
        kind=Kind.REQUEST,
        key=key(number),
        digest=blake2b(body, digest_size=16).digest(),
        destination=NORTH,
        user=ANN,
        rank=1,
        path="/api/v1/serviceS",
        lane=None,
        srv="2.2",
        accepted_at=NOW + number,
        deadline=NOW + 86_400,
        body=body,
    )
    return replace(made, **changes)


def accept(store: Store, *incoming: Incoming) -> list[Receipt]:
    """In one transaction."""
    with store.transaction() as transaction:
        return transaction.accept(incoming)


def hold(store: Store, *incoming: Incoming) -> list[Receipt]:
    """Accept, and claim what is not blocked."""
    return accept(store, *(replace(one, hold=True) for one in incoming))


def claim(store: Store, destination: str = NORTH, user: str = ANN, rank: int = 1, most: int = 100) -> list[Parcel]:
    """READY parcels of one queue."""
    with store.transaction() as transaction:
        return transaction.claim([Want(destination, user, rank, most)], NOW)


def settle(store: Store, seqs: Iterable[int], state: State = State.DELIVERED, **changes: Any) -> Settled:
    """All of them alike."""
    changes = {"at": NOW, **changes}
    with store.transaction() as transaction:
        return transaction.settle([Settlement(seq, state, **changes) for seq in seqs])


def states(store: Store, *numbers: int) -> list[State | None]:
    """Where SRs are in their lives."""
    return [look(store, number)[1] for number in numbers]


def look(store: Store, number: int) -> tuple[Parcel | None, State | None, str]:
    """All about one SR."""
    with store.transaction() as transaction:
        found = transaction.find(key(number))
    return found[0] if found else (None, None, "")


def ask(store: Store, question: Callable[[Any], Any]) -> Any:
    """One question in a transaction."""
    with store.transaction() as transaction:
        return question(transaction)


def numbers(parcels: Sequence[Parcel]) -> list[int]:
    """Which SRs these are."""
    return [int.from_bytes(parcel.key[18:24], "big") for parcel in parcels]
