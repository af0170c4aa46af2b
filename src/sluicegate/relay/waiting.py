"""Who waits to be sent, and who is next: by rank, then by deadline; each device, and each chain, in its order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

SLACK = 32  # entries that are not valid any more, beyond as many as there are valid ones


class Item(Protocol):
    """What waits. None of it changes while it is here.

    Attributes:
        seq: its number; what came later has a larger one.
        rank: its class, 0 the most urgent.
        deadline: in seconds, on any clock.
        lane: its device; None: it has none, and waits for no other.
        key: its own name. preceding: the name of the one that it must follow; None: of none.
    """

    @property
    def seq(self) -> int: ...
    @property
    def rank(self) -> int: ...
    @property
    def deadline(self) -> float: ...
    @property
    def lane(self) -> int | None: ...
    @property
    def key(self) -> bytes: ...
    @property
    def preceding(self) -> bytes | None: ...


I = TypeVar("I", bound=Item)  # noqa: E741 - an item


class _Lane:
    """What waits for one device, in order of number; and how urgent the most urgent of it is.

    Of both heaps an entry counts while its item waits, and of `urgency` while it is what the item was lent last.
    """

    __slots__ = ("busy", "count", "ticket", "urgency", "waiting")

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.urgency: list[tuple[int, float, int]] = []
        self.count = 0
        self.busy = 0  # the number of the one that is out; 0: none is
        self.ticket = 0  # of its valid entry among those that may go; 0: it has none


class WaitingLine(Generic[I]):
    """Items in the order in which they go. Of one lane one is out at a time.

    An item waits for those of its lane that came before, and for the one that it must follow, as long as that is here
    or out. It lends its rank and its deadline to all that it waits for: an urgent one does not wait behind others' bulk
    because of a bulk request to the same device. (What the first of a lane follows is lent to once it is the first.)
    Each operation is O(log n), and one that makes a chain more urgent O(length of the chain).
    """

    def __init__(self) -> None:
        self._items: dict[int, I] = {}
        self._lanes: dict[int | tuple[int], _Lane] = {}
        self._open: dict[bytes, dict[int, I]] = {}
        self._urgency: dict[int, tuple[int, float]] = {}
        """Of each that waits or is out: its own, or the best that it was lent."""
        self._followers: dict[bytes, list[int]] = {}
        self._ready: dict[int, list[tuple[float, int, int, _Lane]]] = {}
        self._due: list[tuple[float, int]] = []
        self._tickets = 0
        self._counts: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[I]:
        """What waits, in no order. It may change meanwhile."""
        return iter(list(self._items.values()))

    def counts(self) -> dict[int, int]:
        """How many wait of each rank."""
        return dict(self._counts)

    def ranks(self) -> list[int]:
        """The ranks at which something may go, or might as far as is known, the most urgent first."""
        return sorted(rank for rank, heap in self._ready.items() if heap)

    # --- in

    def add(self, item: I) -> None:
        """An item waits from now on. Raises ValueError where one with its number waits already."""
        if item.seq in self._items:
            raise ValueError(f"{item.seq} waits already")
        self._open.setdefault(item.key, {})[item.seq] = item
        self._urgency[item.seq] = (item.rank, item.deadline)
        self._put(item)
        self._lend(item.preceding, item.seq, (item.rank, item.deadline))

    def pass_by(self, item: I) -> bool:
        """Take an item that never waited: nothing else waits, and nothing of its lane or its chain is out. As `add` and
        `pop`, at a part of their cost. False: it must wait, and nothing has happened."""
        if self._items or item.preceding is not None:
            return False
        name = _name(item)
        if name in self._lanes:
            return False
        lane = self._lanes[name] = _Lane()
        lane.busy = item.seq
        self._open.setdefault(item.key, {})[item.seq] = item
        self._urgency[item.seq] = (item.rank, item.deadline)
        return True

    def give_back(self, item: I) -> None:
        """An item that was taken waits again, in its place: nothing of its lane has passed it."""
        lane = self._lane(item)
        if lane.busy == item.seq:
            lane.busy = 0
        if item.seq not in self._items:
            self._put(item)

    def _put(self, item: I) -> None:
        lane = self._lane(item)
        self._items[item.seq] = item
        self._counts[item.rank] += 1
        heappush(lane.waiting, item.seq)
        lane.count += 1
        if item.preceding is not None and item.preceding in self._open:
            self._followers.setdefault(item.preceding, []).append(item.seq)
        own = self._urgency.setdefault(item.seq, (item.rank, item.deadline))
        heappush(lane.urgency, (*own, item.seq))
        heappush(self._due, (item.deadline, item.seq))
        self._offer(lane)

    def _lend(self, preceding: bytes | None, seq: int, urgency: tuple[int, float]) -> None:
        """All that an item follows are as urgent as it is. None waits in a circle, for each came later.

        Those that are so already have lent it on themselves.
        """
        todo = [(preceding, seq)]
        while todo:
            preceding, seq = todo.pop()
            if preceding is None:
                continue
            for one in list(self._open.get(preceding, {}).values()):
                if one.seq >= seq or self._urgency[one.seq] <= urgency:
                    continue
                self._urgency[one.seq] = urgency
                todo.append((one.preceding, one.seq))
                if one.seq in self._items:
                    lane = self._lane(one)
                    heappush(lane.urgency, (*urgency, one.seq))
                    blocked = self._place(lane)
                    if blocked is not None:
                        todo.append((blocked.preceding, blocked.seq))

    # --- out

    def pop(self, now: float, most_rank: int) -> I | None:  # noqa: ARG002 - deadlines that have passed are `overdue`'s
        """Take the one that is next among those as urgent as `most_rank` or more. None: none of them may go."""
        for rank in self.ranks():
            if rank > most_rank:
                return None
            heap = self._ready[rank]
            while heap:
                _deadline, _seq, ticket, lane = heappop(heap)
                if ticket != lane.ticket:
                    continue
                lane.ticket = 0
                seq = heappop(lane.waiting)  # where it has a ticket, its first one waits
                lane.busy = seq
                return self._taken(seq)
        return None

    def ended(self, item: I) -> None:
        """An item that was taken (or taken out) has come to its end: what waited for it may go. Twice is as once."""
        self._close(item)
        lane = self._lanes.get(_name(item))
        if lane is not None and lane.busy == item.seq:
            lane.busy = 0
            self._offer(lane)
            self._forget(item, lane)

    def remove(self, seq: int) -> I | None:
        """Take one out that waits, wherever it stands; None where it does not wait."""
        item = self._items.get(seq)
        if item is None:
            return None
        self._taken(seq)
        lane = self._lane(item)
        self._offer(lane)
        self._close(item)
        self._forget(item, lane)
        return item

    def overdue(self, now: float) -> list[I]:
        """Those that wait with a deadline of `now` or before. They wait on until removed; each is told once."""
        found = []
        while self._due and self._due[0][0] <= now:
            item = self._items.get(heappop(self._due)[1])
            if item is not None:
                found.append(item)
        return found

    # --- inside

    def _lane(self, item: I) -> _Lane:
        name = _name(item)
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane()
        return lane

    def _forget(self, item: I, lane: _Lane) -> None:
        if not lane.count and not lane.busy:
            lane.ticket = 0
            self._lanes.pop(_name(item), None)

    def _taken(self, seq: int) -> I:
        item = self._items.pop(seq)
        lane = self._lane(item)
        lane.count -= 1
        if len(lane.waiting) > 2 * lane.count + SLACK:
            lane.waiting = sorted({one for one in lane.waiting if one in self._items})
        self._counts[item.rank] -= 1
        if not self._counts[item.rank]:
            del self._counts[item.rank]
        if len(self._due) > 2 * len(self._items) + SLACK:
            self._due = [(one.deadline, one.seq) for one in self._items.values()]
            heapify(self._due)
        return item

    def _close(self, item: I) -> None:
        """Nobody waits for it any more."""
        open_ = self._open.get(item.key)
        if open_ is None or open_.pop(item.seq, None) is None:
            return
        self._urgency.pop(item.seq, None)
        if open_:
            return
        del self._open[item.key]
        for seq in self._followers.pop(item.key, ()):
            follower = self._items.get(seq)
            if follower is not None:
                self._offer(self._lane(follower))

    def _offer(self, lane: _Lane) -> None:
        """The lane may send its first one, as urgently as the most urgent that waits in it; or may not."""
        blocked = self._place(lane)
        if blocked is not None:
            rank, deadline, _ = lane.urgency[0]
            self._lend(blocked.preceding, blocked.seq, (rank, deadline))

    def _place(self, lane: _Lane) -> I | None:
        """Put the lane among those that may go. Returns its first one, if that must follow another one first."""
        lane.ticket = 0
        if lane.busy or not lane.count:
            return None
        items = self._items
        waiting, urgency = lane.waiting, lane.urgency
        while waiting[0] not in items:
            heappop(waiting)
        while urgency[0][2] not in items or urgency[0][:2] != self._urgency[urgency[0][2]]:
            heappop(urgency)
        if len(urgency) > 4 * lane.count + SLACK:
            lane.urgency = urgency = sorted((*self._urgency[seq], seq) for seq in {*waiting} if seq in items)
        first = items[waiting[0]]
        if first.preceding is not None and any(seq < first.seq for seq in self._open.get(first.preceding, ())):
            return first
        self._tickets += 1
        lane.ticket = self._tickets
        rank, deadline, _ = urgency[0]
        heap = self._ready.setdefault(rank, [])
        heappush(heap, (deadline, first.seq, lane.ticket, lane))
        if len(heap) > 2 * len(self._items) + SLACK:
            self._ready[rank] = [entry for entry in heap if entry[2] == entry[3].ticket]
            heapify(self._ready[rank])
        return None


def _name(item: Item) -> int | tuple[int]:
    return item.lane if item.lane is not None else (item.seq,)
