"""The steps of the writer's transaction: each takes its jobs, and notes what they led to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import time

from sluicegate.dispatch.batch import Accepting, Claiming, Concluded, Concluding, Done, Settling
from sluicegate.dispatch.parcel import KEY_OCTETS, OPEN, Queue, Settlement, State
from sluicegate.dispatch.store.interface import Settled, Transaction


def settle(transaction: Transaction, jobs: Sequence[Settling], done: Done) -> None:
    """What became of parcels, and the Responses that follow from it.

    A return is not told where the outcome had come, or the parcel was another dispatcher's.
    """
    if not jobs:
        return
    settlements = [_unless_it_was_told(transaction, job) for job in jobs]
    settled: Settled = transaction.settle(settlements)
    done.freed = settled.freed
    done.let_go = [job.settlement.seq for job in jobs]
    kept = [
        job.letters
        if job.settlement.state is not State.RETURNED
        or (settlement.state is State.RETURNED and settlement.seq in settled.applied)
        else ()
        for job, settlement in zip(jobs, settlements, strict=True)
    ]
    letters = [letter for some in kept for letter in some]
    receipts = iter(transaction.accept(letters) if letters else ())
    for job, some in zip(jobs, kept, strict=True):
        own = [next(receipts) for _ in some]
        done.held += [receipt.seq for receipt in own if receipt.state is State.CLAIMED and not receipt.taken]
        done.answers.append((job.answer, own))


def conclude(transaction: Transaction, jobs: Sequence[Concluding], done: Done) -> None:
    """Outcomes that destinations have told, on their way to the Users."""
    if not jobs:
        return
    at = time()
    told = [job for job in jobs if job.key is not None]
    finished = transaction.finish([(job.key, job.code) for job in told if job.key is not None], at)
    done.freed = _sum(done.freed, finished.freed)
    before = {id(job): state for job, state in zip(told, finished.before, strict=True)}
    states = [before.get(id(job)) for job in jobs]
    letters = [
        replace(job.letter, fields={**job.letter.fields, "Sluicegate-Late": "yes"})
        if state is State.RETURNED
        else job.letter
        for job, state in zip(jobs, states, strict=True)
    ]
    receipts = transaction.accept(letters)
    for job, state, letter, receipt in zip(jobs, states, letters, receipts, strict=True):
        if receipt.state is State.CLAIMED and not receipt.taken:
            done.held.append(receipt.seq)
        sr = None
        if state is not None and state <= OPEN and job.key is not None:
            sr = next(parcel for parcel, _state, _code in transaction.find(job.key) if parcel.key == job.key)
            if state is not State.CLAIMED and not (sr.attempts or sr.repeated):
                sr = None  # it was never sent, so this did not end it
        done.answers.append((job.answer, Concluded(state, letter, receipt, sr)))


def accept(transaction: Transaction, jobs: Sequence[Accepting], done: Done) -> None:
    """Parcels are made safe."""
    if not jobs:
        return
    receipts = iter(transaction.accept([parcel for job in jobs for parcel in job.incoming]))
    for job in jobs:
        own = [next(receipts) for _ in job.incoming]
        done.held += [receipt.seq for receipt in own if receipt.state is State.CLAIMED and not receipt.taken]
        done.answers.append((job.answer, own))


def claim(transaction: Transaction, jobs: Sequence[Claiming], done: Done) -> None:
    """Parcels of queues are claimed."""
    at = time()
    for job in jobs:
        parcels = transaction.claim(job.wants, at)
        done.held += [parcel.seq for parcel in parcels]
        done.answers.append((job.answer, parcels))


def _unless_it_was_told(transaction: Transaction, job: Settling) -> Settlement:
    """An SR whose outcome has come, perhaps by another dispatcher, is not returned: its User would get two answers."""
    if job.settlement.state is not State.RETURNED or not job.letters:
        return job.settlement
    key = job.letters[0].key[:KEY_OCTETS]
    outcome = key + b"R"
    if any(parcel.key.startswith(outcome) for parcel, _state, _code in transaction.find(key)):
        return replace(job.settlement, state=State.DELIVERED, code="told")
    return job.settlement


def _sum(one: Mapping[Queue, int], other: Mapping[Queue, int]) -> Mapping[Queue, int]:
    return {queue: one.get(queue, 0) + other.get(queue, 0) for queue in {**one, **other}}
