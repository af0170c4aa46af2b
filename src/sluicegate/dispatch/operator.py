"""What an operator does by hand: pause and drain a CSP, requeue or return what is parked, look a request up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import time
from typing import TYPE_CHECKING

from sluicegate.dispatch.parcel import CSP, Parcel, State
from sluicegate.duis import key_text
from sluicegate.log import logger

if TYPE_CHECKING:
    from sluicegate.dispatch.depot import Depot

MOST_SHOWN = 1_000  # parked parcels in one answer
AT_ONCE = 1_000  # parcels returned in one go
PAUSED, DRAINED = "paused:", "drained:"


class UnknownDestination(LookupError):  # noqa: N818 - named after what is wrong
    """There is no such CSP or User. `str()` names those that there are."""


class NotOfUsers(ValueError):  # noqa: N818
    """It can be done to a CSP, and not to a User's endpoint."""


class Operator:
    """The hand of an operator. What is paused or drained stays so across restarts."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot
        self.drained: set[str] = set()

    async def remember(self) -> None:
        """Take up what was paused and drained before, or by way of another dispatcher."""
        flags = await self._depot.writer.do(lambda store: dict(store.flags()))
        for name, courier in self._depot.couriers.items():
            was, courier.paused = courier.paused, PAUSED + name in flags
            if was:
                courier.pump()
            self._drained(name, DRAINED + name in flags)

    def known(self, name: str) -> str:
        """The destination with this name (`north`, `csp:north` or `user:NAME`). Raises UnknownDestination."""
        for destination in (name, CSP + name):
            if destination in self._depot.couriers:
                return destination
        there = ", ".join(sorted(one.removeprefix(CSP) for one in self._depot.couriers))
        raise UnknownDestination(f"there is no destination {name[:80]!r}: there are {there}")

    async def pause(self, name: str, paused: bool) -> None:
        """Begin no more attempts there, or begin again. What is in flight ends. SRs are still taken for it."""
        destination = self.known(name)
        await self._flag(PAUSED + destination, paused)
        courier = self._depot.couriers[destination]
        courier.paused = paused
        logger().warning("paused" if paused else "resumed", destination=destination)
        courier.pump()

    async def drain(self, name: str, drained: bool) -> None:
        """Take no more SRs for it (the gateway refuses them), and deliver what is there; or take them again.

        Raises:
            NotOfUsers: it is a User's endpoint; what is for it must go somewhere.
        """
        destination = self.known(name)
        if destination not in self._depot.backlogs:
            raise NotOfUsers(f"only a CSP can be drained, and {name[:80]!r} is a User's endpoint: pause it")
        await self._flag(DRAINED + destination, drained)
        self._drained(destination, drained)
        logger().warning("draining a destination" if drained else "takes again", destination=destination)

    async def requeue(self, name: str, seqs: Sequence[int] | None) -> int:
        """Parked parcels, and those that wait for their next attempt, are tried at once, as if for the first time."""
        destination = self.known(name)
        count = await self._depot.writer.do(lambda store: store.requeue(destination, seqs))
        while seqs is None and (more := await self._depot.writer.do(lambda store: store.requeue(destination, None))):
            count += more
        self._depot.look_again = True
        logger().warning("requeued", destination=destination, parcels=count)
        return count

    async def send_back(self, name: str, states: Sequence[State]) -> int:
        """Return what is parked (or waits, if `states` says so) to those who sent it. What is being delivered stays."""
        destination, depot = self.known(name), self._depot
        count, more = 0, True
        while more:
            parcels = await depot.writer.claim_by(lambda store: store.claim_all(destination, states, AT_ONCE))
            for parcel in parcels:
                depot.taken_out(parcel)
            count += await self._returned(parcels)
            more = len(parcels) >= AT_ONCE
        if State.READY in states:  # some of these are in memory; at last, when the store has no more to fill it up with
            count += await self._returned(depot.couriers[destination].withdraw())
        logger().warning("returned by an operator", destination=destination, parcels=count)
        return count

    async def _returned(self, parcels: Sequence[Parcel]) -> int:
        await asyncio.gather(*(self._depot.sent_back(parcel, "E20", parcel.attempts) for parcel in parcels))
        return len(parcels)

    async def parked(self, name: str) -> list[dict[str, object]]:
        """What is parked, and why, the oldest first."""
        destination = self.known(name)
        found = await self._depot.writer.do(lambda store: store.parked(destination, MOST_SHOWN))
        return [
            {
                "seq": parcel.seq,
                "request": key_text(parcel.key[:24]),
                "user": parcel.user,
                "srv": parcel.srv,
                "attempts": parcel.attempts,
                "age": round(time() - parcel.accepted_at, 1),
                "why": why,
            }
            for parcel, why in found
        ]

    async def find(self, key: bytes) -> list[dict[str, object]]:
        """All that is known of one RequestID: the SR, and the Responses that followed from it."""
        found = await self._depot.writer.do(lambda store: store.find(key))
        return [
            {
                "seq": parcel.seq,
                "kind": parcel.kind.name.lower(),
                "destination": parcel.destination,
                "user": parcel.user,
                "srv": parcel.srv,
                "state": state.name.lower(),
                "attempts": parcel.attempts,
                "accepted_at": parcel.accepted_at,
                "deadline": parcel.deadline,
                "code": code,
                "fields": dict(parcel.fields),
            }
            for parcel, state, code in found
        ]

    async def _flag(self, name: str, on: bool) -> None:
        value = str(time()) if on else None
        await self._depot.writer.do(lambda store: store.set_flag(name, value))

    def _drained(self, destination: str, drained: bool) -> None:
        (self.drained.add if drained else self.drained.discard)(destination)
        if destination in self._depot.backlogs:
            self._depot.backlogs[destination].closed = drained
