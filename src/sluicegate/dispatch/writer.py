"""Group commit: one thread writes, and one commit makes safe all that came while the one before was under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic, sleep, time
from typing import Any, Protocol, TypeVar

from sluicegate.database.errors import StoreError, StoreFull, StoreLost
from sluicegate.dispatch import steps
from sluicegate.dispatch.batch import (
    MOST_CLAIMED,
    Accepting,
    Batch,
    Claiming,
    Concluded,
    Concluding,
    Doing,
    Done,
    Settling,
    parked,
    parts,
    singles,
)
from sluicegate.dispatch.parcel import Incoming, Parcel, Queue, Receipt, Settlement, Want
from sluicegate.dispatch.store.interface import Store, Transaction
from sluicegate.log import logger

GATHER = 0.004  # seconds: while there is much to write, a commit begins at most so often; a lone one does not wait
AGAIN_FIRST, AGAIN_LONGEST = 0.05, 2.0  # seconds between tries while the store fails

T = TypeVar("T")


class Told(Protocol):
    """Who is told, in the event loop, what a commit has led to."""

    def freed(self, queues: Mapping[Queue, int]) -> None:
        """So many parcels of these queues are READY now."""

    def hurried(self, ranks: Mapping[int, int]) -> None:
        """Claimed parcels that took a smaller rank."""

    def released(self) -> None:
        """Parcels of whatever queues may be READY that nobody has told of."""

    def lease_lost(self) -> None:
        """Whatever was held may be another dispatcher's now: drop it."""


class Writer:
    """The one thread that uses the store.

    Its methods are for the event loop, and their futures are answered there. What is accepted fails at once where the
    store cannot take it; what is settled is tried until it is done, for it says what has happened already.

    Args:
        store: used from this thread alone, once started.
        told: hears what commits led to.
        lease_seconds: how long claims hold without word from us; a third of it is how often we give it.
    """

    def __init__(self, store: Store, told: Told, lease_seconds: float) -> None:
        self._store = store
        self._told = told
        self._lease = lease_seconds
        self._loop = asyncio.get_running_loop()
        self._wake = threading.Condition()
        self._next = Batch()
        self._ending = False
        self._asleep = False
        self._doubt = False
        self._pause = AGAIN_FIRST
        self._held: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.lease_until = monotonic() + lease_seconds
        self.dispatchers = 1
        self.failing = ""
        self.commits = 0
        self.written = 0

    # --- from the event loop

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    async def close(self) -> None:
        """Write what is left, give back what is held, and end. Called when nothing more is sent."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)

    def accept(self, incoming: Sequence[Incoming]) -> asyncio.Future[list[Receipt]]:
        """Make parcels safe. Answered after the commit; fails with StoreError where that is not sure."""
        job = Accepting(incoming, self._loop.create_future())
        with self._wake:
            self._next.accepting.append(job)
            self._next.parcels += len(incoming)
            self._next.octets += sum(len(parcel.body) for parcel in incoming)
            self._rouse()
        return job.answer

    def settle(self, settlement: Settlement, letters: Sequence[Incoming] = ()) -> asyncio.Future[list[Receipt]]:
        """Say what became of a claimed parcel, and store the Responses that follow from it in the same transaction.

        Tried until it is done. Answered with the receipts of the Responses; they are stored whoever holds the parcel.
        """
        job = Settling(settlement, letters, self._loop.create_future())
        with self._wake:
            self._next.settling.append(job)
            self._next.parcels += 1 + len(letters)
            self._next.octets += sum(len(letter.body) for letter in letters)
            self._rouse()
        return job.answer

    def conclude(self, key: bytes | None, code: str, letter: Incoming) -> asyncio.Future[Concluded]:
        """Store the outcome that a destination has told of an SR (`key`), on its way to the User.

        What is open of the SR, and not CLAIMED, is DELIVERED. Where it was RETURNED before, the letter says that it is
        late. Fails with StoreError.
        """
        job = Concluding(key, code, letter, self._loop.create_future())
        with self._wake:
            self._next.concluding.append(job)
            self._next.parcels += 1
            self._next.octets += len(letter.body)
            self._rouse()
        return job.answer

    def claim(self, wants: Sequence[Want]) -> asyncio.Future[list[Parcel]]:
        """Claim parcels of queues."""
        return self._add(lambda batch, answer: batch.claiming.append(Claiming(wants, answer)))

    def claim_by(self, work: Callable[[Transaction], list[Parcel]]) -> asyncio.Future[list[Parcel]]:
        """Do something that claims parcels, and returns them."""
        return self._add(lambda batch, answer: batch.doing.append(Doing(work, True, answer)))

    def do(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Do something in a transaction."""
        return self._add(lambda batch, answer: batch.doing.append(Doing(work, False, answer)))

    def _add(self, add: Callable[[Batch, asyncio.Future[Any]], None]) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = self._loop.create_future()
        with self._wake:
            add(self._next, answer)
            self._rouse()
        return answer

    def _rouse(self) -> None:
        """Wake the thread, unless it is awake: each wake-up would take the interpreter from the event loop."""
        if self._asleep:
            self._wake.notify()

    # --- the thread

    def _run(self) -> None:
        began = -GATHER
        lease_at = monotonic() + self._lease / 3
        while True:
            rest = began + GATHER - monotonic()
            if rest > 0 and not self._ending:
                sleep(rest)
            with self._wake:
                if not self._next and not self._ending:
                    self._asleep = True
                    self._wake.wait(max(0.0, lease_at - monotonic()))
                    self._asleep = False
                batch, self._next = self._next, Batch()
                ending = self._ending
            began = monotonic()
            if began >= lease_at:
                self._renew()
                lease_at = monotonic() + self._lease / 3
            if batch:
                self._write(batch)
            elif ending:
                break
        try:
            self._store.close()
        except StoreError as error:
            logger().error("the store did not close well: claims are free when the lease ends", why=str(error))

    def _write(self, batch: Batch) -> None:
        self._put_off(batch)
        for part in parts(batch):
            error = self._try(part)
            if error is None:
                continue
            if isinstance(error, StoreLost | StoreFull) or (alone := singles(part)) is None:
                self._failed(part, error)
                continue
            for one in alone:  # something in it cannot be written: the others must not suffer from it
                error = self._try(one)
                if error is not None and one.settling and not isinstance(error, StoreLost | StoreFull):
                    error = self._try(parked(one, str(error)))
                if error is not None:
                    self._failed(one, error)

    def _try(self, batch: Batch) -> StoreError | None:
        """One transaction, or why there is none."""
        try:
            done = self._transact(batch)
        except Exception as error:
            return error if isinstance(error, StoreError) else StoreError(repr(error))
        self._well(done)
        return None

    def _put_off(self, batch: Batch) -> None:
        """Claim no more at once than a commit can wait for: who waits for an acknowledgement comes in between."""
        parcels = 0
        for place, job in enumerate(batch.claiming):
            parcels += sum(want.most for want in job.wants)
            if place and parcels > MOST_CLAIMED:
                with self._wake:
                    self._next.claiming[:0] = batch.claiming[place:]
                del batch.claiming[place:]
                break

    def _transact(self, batch: Batch) -> Done:
        if self._doubt:
            released = self._store.release_all_but(frozenset(self._held))
            self._doubt = False
            logger().warning("a transaction was in doubt", given_back=released)
            self._loop.call_soon_threadsafe(self._told.released)
        done = Done()
        with self._store.transaction() as transaction:
            steps.settle(transaction, batch.settling, done)
            steps.conclude(transaction, batch.concluding, done)
            steps.accept(transaction, batch.accepting, done)
            done.hurried = transaction.hurried()
            if batch.claiming:
                steps.claim(transaction, batch.claiming, done)
            for job in batch.doing:
                found = job.work(transaction)
                if job.claims:
                    done.held += [parcel.seq for parcel in found]
                done.answers.append((job.answer, found))
        self.commits += 1
        self.written += batch.parcels
        self._held.update(done.held)
        self._held.difference_update(done.let_go)
        return done

    def _well(self, done: Done) -> None:
        self._pause = AGAIN_FIRST
        if self.failing:
            self.failing = ""
            logger().warning("the store works again")
        self._loop.call_soon_threadsafe(self._answer, done)

    def _answer(self, done: Done) -> None:
        """In the event loop. Who has asked hears it first: he may hold what the others are about."""
        for answer, what in done.answers:
            if not answer.done():
                answer.set_result(what)
        if done.hurried:
            self._loop.call_soon(self._told.hurried, done.hurried)
        if done.freed:
            self._told.freed(done.freed)

    def _failed(self, batch: Batch, error: StoreError) -> None:
        """Tell those who wait for something new; what has happened already must be written, so it is tried again."""
        self._doubt = self._doubt or isinstance(error, StoreLost)
        if self.failing != str(error):
            self.failing = str(error) or repr(error)
            logger().error("the store fails: nothing is accepted until it works", why=self.failing)
        asked: list[asyncio.Future[Any]] = [job.answer for job in batch.accepting]
        asked += [job.answer for job in batch.concluding]
        asked += [job.answer for job in batch.claiming]
        asked += [job.answer for job in batch.doing]
        if self._ending and batch.settling:
            logger().error(
                "ends with a store that fails: what was sent last is sent again", parcels=len(batch.settling)
            )
            asked += [job.answer for job in batch.settling]
        self._loop.call_soon_threadsafe(_fail, asked, error)
        if not batch.settling or self._ending:
            return
        with self._wake:
            self._next.settling[:0] = batch.settling
            self._next.parcels += len(batch.settling)
        sleep(self._pause)
        self._pause = min(AGAIN_LONGEST, self._pause * 2)

    def _extend(self, until: float) -> None:
        self.lease_until = max(self.lease_until, until)

    @property
    def alive(self) -> bool:
        """Whether the thread is there: without it nothing is ever written."""
        return self._thread.is_alive()

    def _renew(self) -> None:
        asked = monotonic()
        try:
            kept = self._store.renew(self._lease)
            if not kept:
                self._held.clear()
                logger().error("the lease had ended: what was held may be another dispatcher's now")
                self._loop.call_soon_threadsafe(self._told.lease_lost)
            before, self.dispatchers = self.dispatchers, max(1, self._store.dispatchers())
            taken = self._store.take_over(time()) if kept else 0
        except Exception as error:  # the thread goes on whatever happens: everything hangs on it
            self._doubt = True
            if not self.failing:
                self.failing = str(error) or repr(error)
                logger().error("the store fails: the lease is not renewed", why=self.failing)
            return
        self._loop.call_soon_threadsafe(self._extend, asked + self._lease)  # after `lease_lost`, where that was told
        if taken:
            logger().warning("took over what another dispatcher held", parcels=taken)
        if taken or self.dispatchers != before:  # what nobody holds is for all of them
            self._loop.call_soon_threadsafe(self._told.released)


def _fail(answers: Iterable[asyncio.Future[Any]], error: StoreError) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
