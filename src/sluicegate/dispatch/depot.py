"""The depot: between the store, which has every parcel, and the couriers, who have a window of them in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Protocol

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.backlog import Backlog
from sluicegate.dispatch.batch import MOST_CLAIMED
from sluicegate.dispatch.parcel import Incoming, Kind, Parcel, Queue, Receipt, Settlement, State, Taken, Want
from sluicegate.dispatch.store.interface import LARGE, Standing
from sluicegate.dispatch.window import Window
from sluicegate.log import logger

if TYPE_CHECKING:
    from sluicegate.dispatch.courier import Courier
    from sluicegate.dispatch.writer import Writer

LEASE_MARGIN = 1.0  # seconds before its end in which nothing is begun
AGAIN = 1.0  # seconds until a claim that failed is asked again
MOST_DUE = 200  # parcels claimed in one go because their time has come


class Clerk(Protocol):
    """Who writes the Responses that follow from what became of an SR: `intake.Intake`."""

    def answered(self, parcel: Parcel, body: bytes, at: float) -> Incoming | None:
        """The Response that came with the answer to an SR."""

    def returned(
        self, parcel: Parcel, body: bytes, code: str, at: float, attempts: int, try_again_after: int
    ) -> Incoming:
        """What tells a User that its SR came back."""


class Depot:
    """Takes parcels in, hands them to couriers, and lets them out.

    Args:
        window: what may be in memory.
        backlogs: the ceiling of each CSP, by destination.
        intake: writes the Responses; not asked where no SRs are delivered.
    """

    def __init__(self, window: Window, backlogs: Mapping[str, Backlog], intake: Clerk) -> None:
        self.window = window
        self.backlogs = backlogs
        self.couriers: dict[str, Courier] = {}
        self.writer: Writer
        self._intake = intake
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._refilling: asyncio.Handle | None = None
        self.closing = False
        """Nothing more is to be held: it would only be given back."""
        self.look_again = False
        """Parcels may lie READY in the store of which this dispatcher was not told: look."""

    # --- in

    async def submit(self, incoming: Sequence[Incoming]) -> list[Receipt]:
        """Make parcels safe, and send those for which there is room in memory on their way.

        Raises:
            StoreError: they are not safe, or that is not known.
        """
        held = [self.room_for(parcel) for parcel in incoming]
        for parcel in incoming:
            if parcel.destination in self.backlogs:
                self.backlogs[parcel.destination].took(parcel.user)
        try:
            receipts = await self.writer.accept(held)
        except BaseException:
            for parcel in held:
                self.not_kept(parcel)
            raise
        self.arrived(held, receipts)
        return receipts

    async def conclude(self, key: bytes | None, code: str, letter: Incoming) -> tuple[State | None, Receipt]:
        """Make an outcome safe that a CSP has told of an SR, and send it on its way to the User.

        Raises:
            StoreError: it is not safe, or that is not known.
        """
        held = self.room_for(letter)
        try:
            concluded = await self.writer.conclude(key, code, held)
        except BaseException:
            self.not_kept(held)
            raise
        self.arrived([concluded.letter], [concluded.receipt])
        sr = concluded.sr
        if sr is not None and concluded.before is not State.CLAIMED:
            self._ended(sr)
        elif sr is not None and sr.destination in self.couriers:
            self.couriers[sr.destination].concluded(sr.seq, code)
        return concluded.before, concluded.receipt

    def room_for(self, parcel: Incoming) -> Incoming:
        """A parcel that is about to be stored: held in memory, where there is room. Then `arrived`, or `not_kept`."""
        queue, octets = (parcel.destination, parcel.user, parcel.rank), _in_memory(len(parcel.body))
        if self.closing or parcel.destination not in self.couriers or not self.window.admits(queue, octets):
            return parcel
        self.window.held(queue, octets)
        parcel.hold = True
        return parcel

    def not_kept(self, parcel: Incoming) -> None:
        """It was not stored."""
        if parcel.hold:
            self.window.left((parcel.destination, parcel.user, parcel.rank), _in_memory(len(parcel.body)))
        if parcel.destination in self.backlogs:
            self.backlogs[parcel.destination].gave_back(parcel.user)

    def arrived(self, incoming: Sequence[Incoming], receipts: Sequence[Receipt]) -> None:
        """They were stored: to their couriers, or they wait in the store."""
        for parcel, receipt in zip(incoming, receipts, strict=True):
            if receipt.taken is not Taken.ACCEPTED:
                self.not_kept(parcel)
                continue
            queue, octets = (parcel.destination, parcel.user, parcel.rank), _in_memory(len(parcel.body))
            if receipt.state is State.CLAIMED:
                self.couriers[parcel.destination].offer(_parcel(parcel, receipt))
                continue
            if parcel.hold:
                self.window.left(queue, octets)
            if parcel.destination in self.couriers:  # where it is BLOCKED, what blocks it may have come to this queue
                self.window.spilled(queue)
                self.refill_soon()

    # --- from the store to memory

    def freed(self, queues: Mapping[Queue, int]) -> None:
        """So many parcels of these queues are READY in the store."""
        for queue, count in queues.items():
            if queue[0] in self.couriers:
                self.window.spilled(queue, count)
        self.refill_soon()

    def hurried(self, ranks: Mapping[int, int]) -> None:
        """Parcels in memory that took a smaller rank: somebody urgent waits behind them."""
        for seq, rank in ranks.items():
            for courier in self.couriers.values():
                parcel = courier.queue.hurry(seq, rank)
                if parcel is not None:
                    octets = _in_memory(parcel.octets)
                    self.window.left((parcel.destination, parcel.user, parcel.rank), octets)
                    self.window.held((parcel.destination, parcel.user, rank), octets)
                    break

    def refill_soon(self) -> None:
        """Fill what is half empty, once this turn of the loop is over."""
        if self._refilling is None:
            self._refilling = self._loop.call_soon(self._refill)

    def _refill(self) -> None:
        self._refilling = None
        group: list[Want] = []
        for want in [] if self.closing else self.window.wants(monotonic()):
            if group and sum(one.most for one in group) + want.most > MOST_CLAIMED:
                self._spawn(self._claim_wanted(group))
                group = []
            group.append(want)
        if group:
            self._spawn(self._claim_wanted(group))

    async def _claim_wanted(self, wants: Sequence[Want]) -> None:
        try:
            parcels = await self.writer.claim(wants)
        except StoreError:
            for want in wants:
                self.window.claimed((want.destination, want.user, want.rank), 0, 0)
            self._loop.call_later(AGAIN, self.refill_soon)
            return
        got: dict[Queue, int] = {}
        for parcel in parcels:
            queue = (parcel.destination, parcel.user, parcel.rank)
            got[queue] = got.get(queue, 0) + 1
        for want in wants:
            queue = (want.destination, want.user, want.rank)
            self.window.claimed(queue, want.most, got.get(queue, 0))
        self.hold(parcels)

    def hold(self, parcels: Sequence[Parcel]) -> None:
        """Parcels that this dispatcher has claimed: to their couriers."""
        for parcel in parcels:
            self.taken_out(parcel)
            self.couriers[parcel.destination].offer(parcel)

    def taken_out(self, parcel: Parcel) -> None:
        """This dispatcher has claimed a parcel: it is in memory until it is settled."""
        self.window.held((parcel.destination, parcel.user, parcel.rank), _in_memory(parcel.octets))

    async def claim_due(self) -> None:
        """Take in what is due for its next attempt, for couriers who could make it."""
        now, room = monotonic(), self.window.room_for
        names = [
            name
            for name, courier in self.couriers.items()
            if not courier.paused and courier.circuit.may(now) and room(name) > 0
        ]
        most = min(MOST_DUE, self.window.room, *(room(name) for name in names))
        if names and most > 0:
            self.hold(await self.writer.claim_by(lambda store: store.claim_due(names, time(), most)))

    async def claim_overdue(self) -> None:
        """Send back what is past its deadline, wherever it waits."""
        at = time()
        for courier in self.couriers.values():
            courier.overdue(at)
        for parcel in await self.writer.claim_by(lambda store: store.claim_overdue(at, MOST_DUE)):
            self.taken_out(parcel)
            self.send_back(parcel, "E20", parcel.attempts)

    # --- out (what couriers ask)

    def may_send(self) -> bool:
        """Whether the claims of this dispatcher still hold."""
        return monotonic() < self.writer.lease_until - LEASE_MARGIN

    async def body(self, parcel: Parcel) -> bytes | None:
        """A parcel's body. Raises StoreError."""
        if parcel.body is not None:
            return parcel.body
        return await self.writer.do(lambda store: store.body(parcel.seq))

    def settle(self, parcel: Parcel, settlement: Settlement, outcome: bytes | None = None) -> None:
        """A parcel leaves memory."""
        letters = []
        if outcome is not None and parcel.kind is Kind.REQUEST:
            letter = self._intake.answered(parcel, outcome, settlement.at)
            if letter is not None:
                letters = [self.room_for(letter)]
            else:
                logger().error("an outcome has no User", destination=parcel.destination, seq=parcel.seq)
        self._settle(parcel, settlement, letters)

    def send_back(self, parcel: Parcel, code: str, attempts: int) -> None:
        """A parcel cannot be delivered. Of an SR, its User is told; a Response is given up, and stays to be found."""
        self._spawn(self.sent_back(parcel, code, attempts))

    async def sent_back(self, parcel: Parcel, code: str, attempts: int) -> None:
        """The same, until it is written."""
        at, courier = time(), self.couriers.get(parcel.destination)
        settlement = Settlement(parcel.seq, State.RETURNED, at, attempts=attempts, code=code)
        letters: list[Incoming] = []
        if parcel.kind is Kind.REQUEST:
            try:
                head = parcel.body or await self.writer.do(lambda store: store.head(parcel.seq))
            except StoreError:
                settlement = Settlement(parcel.seq, State.READY, at, attempts=attempts)
                await asyncio.wait([self._settle(parcel, settlement, ())])
                return
            wait = courier.circuit.next_probe(monotonic()) if courier is not None else 0.0
            letters = [self.room_for(self._return(parcel, head or b"", code, attempts, max(60, round(wait))))]
        else:
            logger().error("a Response was given up", user=parcel.user, seq=parcel.seq, attempts=attempts)
        if courier is not None:
            courier.counts.returned += 1
        await asyncio.wait([self._settle(parcel, settlement, letters)])

    def _return(self, parcel: Parcel, head: bytes, code: str, attempts: int, wait: int) -> Incoming:
        try:
            return self._intake.returned(parcel, head, code, time(), attempts, wait)
        except ValueError:  # a message that was taken and cannot be answered in kind must not stay for ever
            logger().exception("a return was composed without its message", seq=parcel.seq)
            return self._intake.returned(parcel, b"", code, time(), attempts, wait)

    def _settle(
        self, parcel: Parcel, settlement: Settlement, letters: Sequence[Incoming]
    ) -> asyncio.Future[list[Receipt]]:
        answer = self.writer.settle(settlement, letters)
        self._tasks.add(answer)
        answer.add_done_callback(partial(self._settled, parcel, settlement, letters))
        return answer

    def _settled(
        self,
        parcel: Parcel,
        settlement: Settlement,
        letters: Sequence[Incoming],
        answer: asyncio.Future[list[Receipt]],
    ) -> None:
        """A parcel has left: a callback and no task, for there is one for each SR."""
        self._tasks.discard(answer)
        # It fails at the end only: the parcel stays claimed, and whoever comes next sends it again.
        receipts = answer.result() if not answer.cancelled() and answer.exception() is None else []
        self.window.left((parcel.destination, parcel.user, parcel.rank), _in_memory(parcel.octets))
        if settlement.state >= State.DELIVERED:
            self._ended(parcel)
        if receipts:
            self.arrived(letters, receipts)
        else:  # they are not stored: the outcome had come, or the parcel was another dispatcher's
            for letter in letters:
                self.not_kept(letter)
        if settlement.state is State.READY and parcel.destination in self.couriers:
            self.window.spilled((parcel.destination, parcel.user, parcel.rank))
        if self.window.spilled_total:
            self.refill_soon()

    def _ended(self, parcel: Parcel) -> None:
        if parcel.destination in self.backlogs:
            self.backlogs[parcel.destination].ended(parcel.user, monotonic())

    # --- the whole

    def restart(self, standing: Sequence[Standing]) -> None:
        """Begin with what the store has."""
        self.window.restart([one for one in standing if one.queue[0] in self.couriers])
        self.recount(standing)
        self.refill_soon()

    def recount(self, standing: Sequence[Standing]) -> None:
        """How much is open for each CSP, by User."""
        for name, backlog in self.backlogs.items():
            counts: dict[str, int] = {}
            for one in standing:
                if one.queue[0] == name:
                    counts[one.queue[1]] = counts.get(one.queue[1], 0) + sum(one.states.values())
            backlog.recount(counts)

    def released(self) -> None:
        """Parcels of whatever queues may be READY that nobody has told of."""
        self.look_again = True

    def lease_lost(self) -> None:
        """What is held may be another dispatcher's now: drop it all, say nothing of it to the store."""
        self.look_again = True
        for courier in self.couriers.values():
            for parcel in courier.drop():
                queue = (parcel.destination, parcel.user, parcel.rank)
                self.window.left(queue, _in_memory(parcel.octets))
                self.window.spilled(queue)
        self.refill_soon()

    def refuses(self, destination: str, user: str) -> float | None:
        """Seconds for which this CSP takes no more of this User; None: it does."""
        backlog = self.backlogs.get(destination)
        return None if backlog is None else backlog.refuses(user, monotonic())

    async def quiet(self) -> None:
        """Wait until all that was settled is written."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _in_memory(octets: int) -> int:
    """What a parcel's body takes in memory: large ones are read only when they are sent."""
    return octets if octets <= LARGE else 0


def _parcel(incoming: Incoming, receipt: Receipt) -> Parcel:
    octets = len(incoming.body)
    return Parcel(
        receipt.seq, incoming.kind, incoming.key, incoming.destination, incoming.user, incoming.rank, incoming.path,
        incoming.lane, incoming.srv, incoming.accepted_at, incoming.deadline, attempts=0, repeated=False, octets=octets,
        body=incoming.body if octets <= LARGE else None, fields=incoming.fields,
    )  # fmt: skip
