"""The window: what of each queue is in memory, and what lies in the store."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from sluicegate.dispatch.parcel import Queue, State, Want
from sluicegate.dispatch.store.interface import LARGE, Standing

MOST_WANTS = 64  # queues that are looked at, and asked for, in one go
DESTINATIONS = 8
LONGEST_ASK = 60.0  # seconds; an answer that has not come until then is not waited for


class _Shared:
    """Places, or octets, that destinations share: half of them kept for these in equal parts."""

    __slots__ = ("_kept_free", "_part", "most", "taken")

    def __init__(self, most: int, destinations: int) -> None:
        self.most = most
        self.taken = 0
        self._part = most // (2 * destinations)
        self._kept_free = self._part * destinations

    def take(self, before: int, more: int) -> None:
        """A destination that has so many takes more, or gives some back."""
        self.taken += more
        after, part = before + more, self._part
        self._kept_free -= (after if after < part else part) - (before if before < part else part)

    def fit(self, there: int, each: int = 1) -> int:
        """How many more, of this size, a destination that has so many may take: as if one by one, each asking."""
        own, free = self._free(there)
        beyond = 2 * free - (there - self._part if own == 0 else 0)
        return max(0, min(own + (beyond // 3 if beyond > 0 else 0), self.most - self.taken)) // each

    def fit_queue(self, there: int, here: int, each: int = 1) -> int:
        """How many more a queue that has `here` may take, of what is free for its destination."""
        own, free = self._free(there)
        return (own + free - here) // (2 * each)

    def _free(self, there: int) -> tuple[int, int]:
        """What is left of the part of a destination, and what is neither taken nor kept."""
        free = self.most - self.taken - (self._kept_free if self._kept_free > 0 else 0)
        return (self._part - there if there < self._part else 0), (free if free > 0 else 0)


class _Share:
    """What is in memory of a queue or a destination, or has been asked for. Octets of bodies."""

    __slots__ = ("octets", "places")

    def __init__(self) -> None:
        self.places = 0
        self.octets = 0


NOTHING = _Share()


class _Queue(_Share):
    __slots__ = ("asked", "asked_octets", "asking", "late", "listed", "spilled")

    def __init__(self) -> None:
        super().__init__()
        self.spilled = 0  # at least so many as lie in the store
        self.late = 0  # ... of these, so many were spilled since it was asked for
        self.asking = False
        self.listed = False  # among those at which `wants` may look
        self.asked = 0
        self.asked_octets = 0


class Window:
    """Shares the places in memory among destinations and their queues, so that none can take them all.

    Half of the places is kept for the destinations, in equal parts: a CSP that is down, whose parcels do not leave,
    cannot take those of the others. Of the other half a destination may have no more than twice of what it leaves
    free, and a queue no more than what is free for its destination, and at most `per_queue`. So none needs to know how
    many others there are, or will be. (Dynamic thresholds: Choudhury, Hahne, Dynamic Queue Length Thresholds for
    Shared-Memory Packet Switches, IEEE/ACM Transactions on Networking 6(2), 1998. They count on queues that drain, and
    so the kept half is beside them.) A queue with nothing in memory always gets one place, if need be beyond `most`:
    there are at most as many beyond it as there are queues. Octets are shared by the same rule; of what is in the
    store a body is taken to be LARGE.

    What is known to be in the store is never too little, for a queue that is forgotten would stay there. Where it is
    too much (another dispatcher took it), the store says so the next time that it is asked.

    What is remembered follows the queues that have something in memory or in the store.

    Args:
        most: parcels in memory.
        octets: of their bodies.
        per_queue: parcels of one queue in memory.
        destinations: for so many a part is kept.

    Raises:
        ValueError: one of them is less than 1.
    """

    def __init__(self, most: int, octets: int, per_queue: int, destinations: int = DESTINATIONS) -> None:
        if min(most, octets, per_queue, destinations) < 1:
            raise ValueError(
                "most, octets, per_queue and destinations are 1 or more, and these are "
                f"{most}, {octets}, {per_queue}, {destinations}"
            )
        self._places = _Shared(most, destinations)
        self._octets = _Shared(octets, destinations)
        self._per_queue = per_queue
        self._queues: dict[Queue, _Queue] = {}
        self._destinations: dict[str, _Share] = {}
        self._asked_places = self._asked_octets = 0
        self._empty: dict[Queue, None] = {}  # nothing in memory, something in the store, and not asked for
        self._low: dict[Queue, None] = {}  # the same with something in memory, and at most half of what may be
        self._asked: dict[Queue, float] = {}  # since when
        self._latest = 0.0
        self.spilled_total = 0
        """Parcels that lie in the store, READY, as far as is known."""

    def __len__(self) -> int:
        """Queues that are remembered."""
        return len(self._queues)

    @property
    def count(self) -> int:
        """Parcels in memory."""
        return self._places.taken - self._asked_places

    @property
    def octets(self) -> int:
        """Octets of their bodies."""
        return self._octets.taken - self._asked_octets

    @property
    def room(self) -> int:
        """Places for parcels that come beside the queues' order, such as those that are due again: half of the free."""
        return max(0, self._places.most - self._places.taken + 1) // 2

    def room_for(self, destination: str) -> int:
        """The same for those of one destination, which may not take what the others need."""
        there = self._destinations.get(destination)
        return (self._places.fit(there.places if there else 0) + 1) // 2

    def admits(self, queue: Queue, octets: int) -> bool:
        """Whether a parcel that is being accepted may stay in memory.

        There is room, and nothing of its queue lies in the store: memory never overtakes the store.
        """
        record = self._queues.get(queue)
        if record is None:
            return True
        if record.spilled or record.asking:
            return False
        return record.places == 0 or self._fit(queue, record, octets) >= 1

    def held(self, queue: Queue, octets: int) -> None:
        """A parcel is in memory."""
        self._hold(queue, self._record(queue), 1, octets)
        self._sort(queue)

    def left(self, queue: Queue, octets: int) -> None:
        """A parcel is not in memory any more."""
        record = self._queues.get(queue)
        if record is None:
            return
        places = record.places - record.asked
        if places > 0:
            self._hold(queue, record, -1, -octets if places > 1 else record.asked_octets - record.octets)
        self._sort(queue)

    def spilled(self, queue: Queue, n: int = 1) -> None:
        """Parcels of a queue lie READY in the store."""
        if n > 0:
            record = self._record(queue)
            record.late += n
            self._lie(record, record.spilled + n)
            self._sort(queue)

    def wants(self, at: float) -> list[Want]:
        """What the store should be asked for now; it counts as asked for until `claimed`.

        First the queues with nothing in memory, then those that can at least double what they have there. At most
        MOST_WANTS: call again. `at` is a monotonic time.
        """
        self._latest = max(self._latest, at)
        while self._asked:
            queue, since = next(iter(self._asked.items()))
            if self._latest < since + LONGEST_ASK:
                break
            self.claimed(queue, 0, 0)
        wants = [
            self._ask(queue, max(1, self._fit(queue, self._queues[queue], LARGE)))
            for queue in list(islice(self._empty, MOST_WANTS))
        ]
        for queue in list(islice(self._low, MOST_WANTS - len(wants))):
            record = self._queues[queue]
            fit = self._fit(queue, record, LARGE)
            if fit >= record.places:
                wants.append(self._ask(queue, fit))
            else:  # until something of it leaves, or comes
                del self._low[queue]
        return wants

    def asked(self, queue: Queue) -> None:
        """A queue is being asked for, in another way than by `wants`: leave it out there until `claimed`."""
        self._ask(queue, 0)

    def claimed(self, queue: Queue, asked: int, got: int) -> None:
        """The store was asked for so many of a queue, and gave so many (which are told by `held`).

        Fewer than asked: there is no more, but for what was spilled meanwhile. As many: there may be more. Asked for
        0: it could not be asked, and may be again.
        """
        self._asked.pop(queue, None)
        record = self._queues.get(queue)
        if record is None:
            return
        self._hold(queue, record, -record.asked, -record.asked_octets)
        self._asked_places -= record.asked
        self._asked_octets -= record.asked_octets
        record.asked = record.asked_octets = 0
        record.asking = False
        if asked > 0:
            self._lie(record, record.late if got < asked else max(1, record.spilled - got))
        self._sort(queue)

    def restart(self, standing: Iterable[Standing]) -> None:
        """What lies in the store, as the store says. Safe at any time: it makes what is known more, never less."""
        for one in standing:
            ready = one.states.get(State.READY, 0)
            known = self._queues.get(one.queue)
            self.spilled(one.queue, ready - (known.spilled if known else 0))

    def _record(self, queue: Queue) -> _Queue:
        record = self._queues.get(queue)
        if record is None:
            record = self._queues[queue] = _Queue()
        return record

    def _fit(self, queue: Queue, record: _Queue, each: int) -> int:
        """How many more of so many octets each a queue may hold."""
        there = self._destinations.get(queue[0], NOTHING)
        places, octets = self._places, self._octets
        fit = min(
            self._per_queue - record.places, places.fit(there.places), places.fit_queue(there.places, record.places)
        )
        if each and fit > 0:
            fit = min(fit, octets.fit(there.octets, each), octets.fit_queue(there.octets, record.octets, each))
        return fit

    def _hold(self, queue: Queue, record: _Queue, places: int, octets: int) -> None:
        there = self._destinations.get(queue[0])
        if there is None:
            there = self._destinations[queue[0]] = _Share()
        self._places.take(there.places, places)
        self._octets.take(there.octets, octets)
        record.places += places
        record.octets += octets
        there.places += places
        there.octets += octets
        if not there.places:
            del self._destinations[queue[0]]

    def _lie(self, record: _Queue, spilled: int) -> None:
        self.spilled_total += spilled - record.spilled
        record.spilled = spilled

    def _ask(self, queue: Queue, places: int) -> Want:
        record = self._record(queue)
        octets = places * LARGE
        self._hold(queue, record, places, octets)
        record.asked += places
        record.asked_octets += octets
        self._asked_places += places
        self._asked_octets += octets
        record.asking = True
        record.late = 0
        self._asked[queue] = self._latest
        self._sort(queue)
        return Want(*queue, places)

    def _sort(self, queue: Queue) -> None:
        """Put a queue where `wants` looks for it, or forget it."""
        record = self._queues[queue]
        if record.spilled and not record.asking:
            record.listed = True
            if not record.places:
                self._low.pop(queue, None)
                self._empty[queue] = None
            else:
                self._empty.pop(queue, None)
                if 2 * record.places <= self._per_queue:
                    self._low[queue] = None
                else:
                    self._low.pop(queue, None)
            return
        if record.listed:
            record.listed = False
            self._empty.pop(queue, None)
            self._low.pop(queue, None)
        if not (record.places or record.spilled or record.asking):
            del self._queues[queue]
