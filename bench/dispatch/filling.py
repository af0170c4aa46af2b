"""A large backlog, written straight into the store by its own API: the front door would take ten minutes for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from itertools import islice

from bench.dispatch.requests import REGIONS, device_of, stream
from sluicegate.allocation import Profile
from sluicegate.dispatch.intake import Accepted, Intake
from sluicegate.dispatch.parcel import Incoming
from sluicegate.dispatch.store.opening import open_store
from sluicegate.duis import lane_of, request_key

AT_ONCE = 2_000  # parcels in a transaction
DEADLINE = 86_400.0


class _Prefixes:
    non_device = None

    def region(self, target: str) -> str | None:
        return next((name for name, prefix in REGIONS.items() if target.startswith(prefix)), None)


def intake(originators: dict[str, str]) -> Intake:
    """What a dispatcher makes of a message, with Users by EUI-64 and no priorities."""
    profiles = {eui: (name, Profile(())) for eui, name in originators.items()}
    return Intake(_Prefixes(), profiles, lambda _srv: DEADLINE, malformed="E12", reused="E12", give_up_seconds=DEADLINE)


def fill(store: str, first: int, count: int, tell: Callable[[int], None]) -> float:
    """Store so many top-ups, READY, as a dispatcher does whose window is full. Returns seconds.

    The first of each User and region is read by the intake; the others differ from it in what is their own.
    """
    begun = time.monotonic()
    opened = open_store(store)
    try:
        usual: dict[tuple[str, str], Incoming] = {}
        messages = iter(stream(tuple(REGIONS), first, count))
        done = 0
        while part := list(islice(messages, AT_ONCE)):
            at, incoming = time.time(), []
            for user, region, number, body in part:
                known = usual.get((user.eui, region))
                if known is None:
                    read = intake({user.eui: user.name}).read("S", body, at)
                    assert isinstance(read, Accepted), read
                    known = usual[user.eui, region] = read.incoming[0]
                incoming.append(_like(known, user.eui, region, number, body, at))
            with opened.transaction() as transaction:
                transaction.accept(incoming)
            done += len(incoming)
            tell(done)
    finally:
        opened.close()
    return time.monotonic() - begun


def _like(known: Incoming, eui: str, region: str, number: int, body: bytes, at: float) -> Incoming:
    target = f"{REGIONS[region]}-{device_of(number).decode()}"
    return replace(
        known,
        key=request_key(f"{eui}:{target}:{number}"),
        digest=blake2b(body, digest_size=16).digest(),
        lane=lane_of(target),
        accepted_at=at,
        deadline=at + DEADLINE,
        body=body,
    )
