"""What must wait is safe here: the store's parcels, as errands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from hashlib import blake2b

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.batch import MOST_CLAIMED
from sluicegate.dispatch.parcel import CSP, KEY_OCTETS, USER, Incoming, Kind, Parcel, Receipt, Settlement, State, Taken
from sluicegate.dispatch.store.interface import LARGE
from sluicegate.dispatch.writer import Writer
from sluicegate.duis import key_text
from sluicegate.http.call import Answer
from sluicegate.relay.errand import End, Errand, Stage

GATEWAY = CSP + "gateway"
CALLBACK = USER + "callback"
OURS = "relay"
"""As the store's User: there is one only."""

NUMBER = 8  # octets behind a RequestID: it may come again, and is another errand then
# The first of them is 0 (numbers are microseconds since 1970): "R" behind a RequestID means something to the store.
LETTER = b"C"

_LANE, _PRECEDING, _CLASS, _MODE = ":lane", ":preceding", ":class", ":mode"
"""Among the fields of a parcel: what the relay must know again after a restart. No HTTP field begins so."""
_TRIES = 8  # of other numbers, where one is taken


class Outbox:
    """Stores errands, and what became of them, in one commit with the letter that tells of it.

    Args:
        writer: of the store.
        now: what the two clocks show: seconds since 1970, and of the monotonic clock.
        give_up_seconds: for how long a letter is offered to the callback.
    """

    def __init__(self, writer: Writer, now: Callable[[], tuple[float, float]], give_up_seconds: float) -> None:
        self._writer = writer
        self._now = now
        self._give_up = give_up_seconds
        self._last = 0

    def number(self) -> int:
        """The next number: larger than all before, and after a restart too, unless the clock was set back."""
        self._last = max(self._last + 1, int(self._now()[0] * 1e6))
        return self._last

    async def keep(self, errand: Errand) -> None:
        """Make an errand safe. Raises StoreError where it is not, or that is not known."""
        body = errand.body
        if body is None:
            raise ValueError("an errand without its body")
        errand.digest = errand.digest or digest(body)
        seq = errand.seq
        for _ in range(_TRIES):
            incoming = _incoming(errand, seq, body)
            (receipt,) = await self._writer.accept((incoming,))
            if receipt.taken is Taken.ACCEPTED:
                errand.parcel = receipt.seq
                return
            seq += 1  # of an earlier life, when the clock was ahead
        raise StoreError("the store has this RequestID under every number that was tried")

    def end(self, errand: Errand, end: End, code: str, letter: Incoming | None) -> asyncio.Future[list[Receipt]]:
        """Say what became of a stored errand. Tried until it is written."""
        state = State.RETURNED if end is End.EXPIRED else State.DELIVERED
        text = f"{end.value} {code}".strip()[:200]
        settlement = Settlement(
            errand.parcel, state, self._now()[0], attempts=errand.attempts, code=text, repeated=errand.repeated
        )
        return self._writer.settle(settlement, () if letter is None else (letter,))

    async def body(self, errand: Errand) -> bytes | None:
        """The body of an errand. None: it is not there. Raises StoreError."""
        if errand.body is not None:
            return errand.body
        return await self._writer.do(lambda store: store.body(errand.parcel))

    def letter(self, errand: Errand, answer: Answer) -> Incoming:
        """What the callback is told: the gateway's octets, or the relay's own problem."""
        at = self._now()[0]
        fields = {
            "Content-Type": answer.fields.get(b"content-type", b"application/octet-stream").decode("latin-1"),
            "Sluicegate-Request-ID": key_text(errand.key),
            "Sluicegate-Status": str(answer.status),
        }
        key = errand.key + errand.seq.to_bytes(NUMBER, "big") + LETTER
        return Incoming(
            Kind.RESPONSE, key, digest(answer.body), CALLBACK, OURS, 0, "", None, errand.srv, at, at + self._give_up,
            answer.body, fields,
        )  # fmt: skip

    async def recover(self) -> list[Parcel]:
        """Claim what is open and nobody holds. Raises StoreError."""
        states = (State.READY, State.BLOCKED, State.DELAYED, State.PARKED)
        found: list[Parcel] = []
        while True:
            parcels = await self._writer.claim_by(lambda store: store.claim_all(GATEWAY, states, MOST_CLAIMED))
            found += parcels
            if len(parcels) < MOST_CLAIMED:
                return found

    def errands(self, parcels: Iterable[Parcel]) -> list[Errand]:
        """What was claimed, in the order in which it came."""
        found = sorted((self._errand(parcel) for parcel in parcels), key=lambda errand: errand.seq)
        if found:
            self._last = max(self._last, found[-1].seq)
        return found

    def _errand(self, parcel: Parcel) -> Errand:
        at, now = self._now()
        fields = dict(parcel.fields)
        lane, preceding = fields.pop(_LANE, None), fields.pop(_PRECEDING, None)
        name, mode = fields.pop(_CLASS, None), fields.pop(_MODE, "hold")
        return Errand(
            seq=int.from_bytes(parcel.key[KEY_OCTETS : KEY_OCTETS + NUMBER], "big"),
            key=parcel.key[:KEY_OCTETS],
            rank=parcel.rank,
            deadline=now + parcel.deadline - at,
            lane=None if lane is None else int(lane),
            preceding=None if preceding is None else bytes.fromhex(preceding),
            class_name=name,
            srv=parcel.srv,
            path=parcel.path,
            fields=fields,
            body=parcel.body,
            octets=parcel.octets,
            came_at=parcel.accepted_at,
            came=now - (at - parcel.accepted_at),
            due_at=parcel.deadline,
            callback=mode == "callback",
            parcel=parcel.seq,
            digest=b"" if parcel.body is None else digest(parcel.body),
            attempts=parcel.attempts,
            repeated=parcel.repeated,
            stage=Stage.WAITING,
        )


def _incoming(errand: Errand, seq: int, body: bytes) -> Incoming:
    fields: dict[str, str] = {**errand.fields, _MODE: "callback" if errand.callback else "hold"}
    if errand.lane is not None:
        fields[_LANE] = str(errand.lane)
    if errand.preceding is not None:
        fields[_PRECEDING] = errand.preceding.hex()
    if errand.class_name is not None:
        fields[_CLASS] = errand.class_name
    return Incoming(
        kind=Kind.REQUEST,
        key=errand.key + seq.to_bytes(NUMBER, "big"),
        digest=errand.digest,
        destination=GATEWAY,
        user=OURS,
        rank=errand.rank,
        path=errand.path,
        lane=None,  # the relay keeps the order itself
        srv=errand.srv,
        accepted_at=errand.came_at,
        deadline=errand.due_at,
        body=body,
        fields=fields,
        hold=True,
    )


def class_of(parcel: Parcel) -> str | None:
    """The class of a stored SR."""
    return parcel.fields.get(_CLASS)


def digest(body: bytes) -> bytes:
    """Of a body: the same message has the same one."""
    return blake2b(body, digest_size=16).digest()


def in_memory(octets: int) -> bool:
    """Whether a body may be kept in memory at all: the store reads larger ones only when they are sent."""
    return octets <= LARGE
