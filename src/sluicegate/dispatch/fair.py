"""Who is next: weighted-fair over Users, by rank inside a User, by number inside a rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from heapq import heapify, heappop, heappush
from math import isfinite

from sluicegate.dispatch.parcel import Parcel, Queue

FLOOR = 0.01  # of the average weight: a User without an allocation waits long, and not for ever
SLACK = 32  # entries that are not valid any more, beyond as many as there are valid ones


class _Flow:
    """What waits of one User. `start` is the start tag of its next parcel."""

    __slots__ = ("count", "heap", "start", "ticket", "user", "weight")

    def __init__(self, user: str, weight: float) -> None:
        self.user = user
        self.weight = weight
        self.start = 0.0
        self.count = 0
        self.ticket = 0  # its valid entry among the flows; 0: nothing waits
        self.heap: list[tuple[int, int]] = []


class FairQueue:
    """The parcels of one destination that are in memory, in the order in which they go.

    Across Users it is start-time fair queueing, each parcel being a unit: over any time in which Users f and m both
    have something waiting, what they are served differs from their weights by |n_f/w_f - n_m/w_m| <= 1/w_f + 1/w_m:
    about one parcel of each. It needs no rate of the destination, which may change as it likes. A User that comes back
    starts at the present virtual time: no credit for its absence. (Goyal, Vin, Cheng: Start-Time Fair Queueing,
    IEEE/ACM Transactions on Networking 5(5), 1997, theorem 1.) Each parcel that was given back, and not taken again
    yet, adds 1/w to what its User may be ahead.

    Inside a User the smallest rank goes first, and inside a rank the smallest number, so that an older one that is
    tried again goes before newer ones. Each operation is O(log n); entries that became invalid are left in the heaps,
    and swept out when they are more than half.

    Args:
        weights: of the Users, such as their allocations in SR/s.
        floor: the least weight of a User, as a part of the average of those who have one; that of a User who has none
            or is not known.

    Raises:
        ValueError: a weight is no weight. The message names the User.
    """

    def __init__(self, weights: Mapping[str, float], floor: float = FLOOR) -> None:
        if not (floor > 0 and isfinite(floor)):
            raise ValueError(f"the floor is more than 0, and this is {floor}")
        self._floor = floor
        self._weights, self._least = self._weighed(weights)
        self._parcels: dict[int, Parcel] = {}
        self._counts: dict[Queue, int] = {}
        self._flows: dict[str, _Flow] = {}
        self._heap: list[tuple[float, int, _Flow]] = []
        self._virtual = 0.0
        self._tickets = 0
        self.octets = 0
        """Of the bodies that are in memory."""

    def __len__(self) -> int:
        return len(self._parcels)

    def __iter__(self) -> Iterator[Parcel]:
        """What waits, in no order. Parcels may be removed meanwhile."""
        return iter(list(self._parcels.values()))

    def count(self, queue: Queue) -> int:
        """How many wait of one queue."""
        return self._counts.get(queue, 0)

    def weight(self, user: str) -> float:
        """The weight that counts for a User."""
        return max(self._weights.get(user, 0.0), self._least)

    def add(self, parcel: Parcel) -> bool:
        """A parcel waits. False: it did so already, and now does as it is given here."""
        known = self.remove(parcel.seq)
        self._put(parcel, 0.0)
        return known is None

    def give_back(self, parcel: Parcel) -> None:
        """A parcel was taken and not sent. It goes to its place, and its User has its cost back.

        One parcel's cost, whatever happened meanwhile: to wait in flight is no absence that would earn more.
        """
        self.remove(parcel.seq)
        self._put(parcel, 1.0)

    def pop(self) -> Parcel | None:
        """Take the parcel that is next; None if nothing waits."""
        heap = self._heap
        while heap:
            start, ticket, flow = heappop(heap)
            if ticket != flow.ticket:
                continue
            parcel = self._first(flow)
            self._virtual = max(self._virtual, start)
            flow.start = start + 1.0 / flow.weight
            self._leaves(flow, parcel)
            if flow.count:
                self._line_up(flow)
            return parcel
        return None

    def remove(self, seq: int) -> Parcel | None:
        """Take out a parcel; None if it does not wait here."""
        parcel = self._parcels.get(seq)
        if parcel is None:
            return None
        flow = self._flows[parcel.user]
        self._leaves(flow, parcel)
        if flow.count:
            self._sweep(flow)
        return parcel

    def hurry(self, seq: int, rank: int) -> Parcel | None:
        """Give a parcel a smaller rank. Returns it as it was before; None: it is not here, or as urgent already.

        Whoever counts parcels by queue moves it to the queue of the new rank.
        """
        before = self._parcels.get(seq)
        if before is None or rank >= before.rank:
            return None
        after = self._parcels[seq] = replace(before, rank=rank)
        self._counted(before, -1)
        self._counted(after, 1)
        flow = self._flows[before.user]
        heappush(flow.heap, (rank, seq))
        self._sweep(flow)
        return before

    def reweigh(self, weights: Mapping[str, float]) -> None:
        """Take other weights. What a User is behind or ahead of the others counts in parcels, as before.

        Raises ValueError, and changes nothing, where a weight is no weight.
        """
        self._weights, self._least = self._weighed(weights)
        for flow in self._flows.values():
            weight = self.weight(flow.user)
            flow.start = self._virtual + (flow.start - self._virtual) * (flow.weight / weight)
            flow.weight = weight
            if flow.count:
                self._line_up(flow)

    def _weighed(self, weights: Mapping[str, float]) -> tuple[dict[str, float], float]:
        for user, weight in weights.items():
            if not 0 <= weight <= 1e12:
                raise ValueError(f"the weight of {user!r} is between 0 and 1e12, and this is {weight}")
        some = [weight for weight in weights.values() if weight > 0]
        return dict(weights), self._floor * (sum(some) / len(some) if some else 1.0)

    def _put(self, parcel: Parcel, refund: float) -> None:
        flow = self._flows.get(parcel.user)
        if flow is None:
            flow = self._flows[parcel.user] = _Flow(parcel.user, self.weight(parcel.user))
        self._parcels[parcel.seq] = parcel
        self._counted(parcel, 1)
        heappush(flow.heap, (parcel.rank, parcel.seq))
        flow.count += 1
        if flow.count == 1 or refund:
            if flow.count == 1:
                flow.start = max(flow.start, self._virtual)
            flow.start -= refund / flow.weight
            self._line_up(flow)

    def _line_up(self, flow: _Flow) -> None:
        """Put a flow at its place among the others; where it stood before is not valid any more."""
        self._tickets += 1
        flow.ticket = self._tickets
        heappush(self._heap, (flow.start, flow.ticket, flow))
        if len(self._heap) > 2 * len(self._flows) + SLACK:
            self._heap = [(flow.start, flow.ticket, flow) for flow in self._flows.values() if flow.count]
            heapify(self._heap)

    def _first(self, flow: _Flow) -> Parcel:
        """The next parcel of a User who has one."""
        while True:
            rank, seq = heappop(flow.heap)
            parcel = self._parcels.get(seq)
            if parcel is not None and parcel.rank == rank:
                return parcel

    def _leaves(self, flow: _Flow, parcel: Parcel) -> None:
        del self._parcels[parcel.seq]
        self._counted(parcel, -1)
        flow.count -= 1
        if not flow.count:
            flow.heap.clear()
            flow.ticket = 0
        if not self._parcels:  # nobody waits: all begin alike, and what is remembered of Users does not grow
            self._flows.clear()
            self._heap.clear()
            self._virtual = 0.0

    def _sweep(self, flow: _Flow) -> None:
        if len(flow.heap) > 2 * flow.count + SLACK:
            parcels = self._parcels
            flow.heap = sorted({
                (rank, seq) for rank, seq in flow.heap if seq in parcels and parcels[seq].rank == rank
            })  # fmt: skip

    def _counted(self, parcel: Parcel, more: int) -> None:
        self.octets += more * (0 if parcel.body is None else len(parcel.body))
        queue = (parcel.destination, parcel.user, parcel.rank)
        count = self._counts.get(queue, 0) + more
        if count:
            self._counts[queue] = count
        else:
            del self._counts[queue]
