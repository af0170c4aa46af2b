"""What a store must do, in the simplest words: a list of parcels, looked through each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sluicegate.dispatch.parcel import OPEN, Incoming, Queue, Settlement, State, Taken


@dataclass
class Known:
    """A parcel. `waits` has the numbers of the model's own that it waits for."""

    number: int
    incoming: Incoming
    rank: int
    state: State
    owner: int = 0
    waits: set[int] = field(default_factory=set)
    due: float = 0.0
    attempts: int = 0
    repeated: bool = False
    ends: int = 0

    @property
    def queue(self) -> Queue:
        return self.incoming.destination, self.incoming.user, self.rank

    def is_open(self) -> bool:
        return self.state <= OPEN


class Model:
    """`owner` is a dispatcher: 1, 2, ..."""

    def __init__(self) -> None:
        self.parcels: list[Known] = []
        self.hurried: set[int] = set()

    def get(self, key: bytes) -> Known | None:
        return next((one for one in self.parcels if one.incoming.key == key), None)

    def accept(self, owner: int, incoming: Sequence[Incoming]) -> list[tuple[Taken, State]]:
        return [self._accept(owner, one) for one in incoming]

    def _accept(self, owner: int, one: Incoming) -> tuple[Taken, State]:
        first = self.get(one.key)
        if first is not None:
            return (Taken.REPEATED if first.incoming.digest == one.digest else Taken.CONFLICT), first.state
        lane = [other for other in self.parcels if other.is_open() and other.incoming.lane == one.lane is not None]
        before = self.get(one.preceding) if one.preceding else None
        waits = {lane[-1].number} if lane else set()
        if before is not None and before.is_open():
            waits.add(before.number)
        state = State.BLOCKED if waits else State.CLAIMED if one.hold else State.READY
        made = Known(len(self.parcels), one, one.rank, state, owner if state is State.CLAIMED else 0, waits)
        self.parcels.append(made)
        self._hurry(made)
        return Taken.ACCEPTED, state

    def _hurry(self, late: Known) -> None:
        for number in late.waits:
            before = self.parcels[number]
            if before.queue[:2] == late.queue[:2] and before.rank > late.rank:
                before.rank = late.rank
                self.hurried.add(number)
                self._hurry(before)

    def settle(self, owner: int, settlements: Sequence[Settlement]) -> tuple[set[int], Counter[Queue]]:
        """Settlements by the model's numbers."""
        applied = {}
        for one in settlements:
            parcel = self.parcels[one.seq]
            if parcel.state is State.CLAIMED and parcel.owner == owner and one.seq not in applied:
                applied[one.seq] = one
        for number, one in applied.items():
            self._put(self.parcels[number], one)
        return set(applied), self.free(number for number, one in applied.items() if one.state > OPEN)

    def _put(self, parcel: Known, one: Settlement) -> None:
        back = State.BLOCKED if parcel.waits and one.state in {State.READY, State.DELAYED} else one.state
        parcel.state, parcel.owner, parcel.repeated = back, 0, parcel.repeated or one.repeated
        parcel.ends += one.state > OPEN
        if one.state is not State.READY:
            parcel.attempts = one.attempts
        if one.state is State.DELAYED:
            parcel.due = one.due

    def free(self, ended: Collection[int]) -> Counter[Queue]:
        ended = set(ended)
        behind = [one for one in self.parcels if one.waits & ended and one.number not in ended]
        while any(one.waits & ended for one in self.parcels):
            for one in self.parcels:
                for number in one.waits & ended:
                    one.waits = (one.waits - {number}) | self.parcels[number].waits
        for number in ended:
            self.parcels[number].waits = set()
        freed: list[Known] = []
        for one in behind:
            if not one.waits and one.state is State.BLOCKED:
                one.state = State.READY
                freed.append(one)
        for one in behind:
            self._hurry(one)
        return Counter(one.queue for one in freed)

    def claim(self, owner: int, found: Sequence[Known], most: int) -> list[int]:
        for one in found[:most]:
            one.state, one.owner = State.CLAIMED, owner
        return [one.number for one in found[:most]]

    def ready(self, queue: Queue) -> list[Known]:
        return [one for one in self.parcels if one.state is State.READY and one.queue == queue]

    def due(self, destinations: Collection[str], at: float) -> list[Known]:
        found = [one for one in self.parcels if one.state is State.DELAYED and one.due <= at]
        return sorted((one for one in found if one.queue[0] in destinations), key=lambda one: (one.due, one.number))

    def overdue(self, at: float) -> list[Known]:
        unheld = (one for one in self.parcels if one.is_open() and one.state is not State.CLAIMED)
        late = [one for one in unheld if one.incoming.deadline <= at]
        return sorted(late, key=lambda one: (one.incoming.deadline, one.number))

    def finish(self, keys: Sequence[bytes]) -> tuple[list[State | None], Counter[Queue]]:
        known = [self.get(key) for key in keys]
        before = [one.state if one else None for one in known]
        sent = [one for one in known if one and (one.attempts or one.repeated)]
        over = {one.number for one in sent if one.is_open() and one.state is not State.CLAIMED}
        for number in over:
            self.parcels[number].state = State.DELIVERED
            self.parcels[number].ends += 1
        return before, self.free(over)

    def requeue(self, destination: str) -> int:
        found = [
            one for one in self.parcels if one.state in {State.PARKED, State.DELAYED} and one.queue[0] == destination
        ]
        for one in found:
            one.state, one.attempts = State.BLOCKED if one.waits else State.READY, 0
        return len(found)

    def release(self, owner: int, but: Collection[int] = ()) -> int:
        loose = [one for one in self.parcels if one.owner == owner and one.number not in but]
        for one in loose:
            one.state, one.owner, one.repeated = State.BLOCKED if one.waits else State.READY, 0, True
        return len(loose)
