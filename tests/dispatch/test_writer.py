"""The writer: what was accepted is safe, what has happened is written, whatever the store does meanwhile."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from sluicegate.database.errors import StoreError, StoreFull, StoreLost
from sluicegate.dispatch.parcel import Incoming, Kind, Receipt, Settlement, State, Taken, Want
from sluicegate.dispatch.store.interface import Finished, Settled
from sluicegate.dispatch.writer import Writer

QUEUE = ("csp:north", "A", 0)


def incoming(n: int, hold: bool = True) -> Incoming:
    return Incoming(
        Kind.REQUEST, n.to_bytes(24, "big"), bytes(16), "csp:north", "A", 0, "/api/v1/serviceS", n, "2.2", 0.0, 1e12,
        b"<sr/>", hold=hold,
    )  # fmt: skip


class FakeStore:
    """Remembers what transactions did. `fails` are raised by the next commits, one each."""

    def __init__(self):
        self.log = []
        self.fails = []
        self.fail_after_commit = False
        self.released = []
        self.seq = 0
        self.kept = True
        self.threads = set()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.closed = False
        self.freed = {}
        self.ranks = {}

    @contextmanager
    def transaction(self):
        self.threads.add(threading.get_ident())
        self.entered.set()
        self.gate.wait(60)
        self._now = []
        yield self
        if self.fails:
            error = self.fails.pop(0)
            if error is not None:
                raise error
        self.log.append(self._now)

    def accept(self, parcels):
        self._now.append(("accept", [parcel.key[-1] for parcel in parcels]))
        receipts = []
        for parcel in parcels:
            self.seq += 1
            state = State.CLAIMED if parcel.hold else State.READY
            receipts.append(Receipt(Taken.ACCEPTED, self.seq, parcel.accepted_at, state))
        return receipts

    def hurried(self):
        return self.ranks

    def settle(self, settlements):
        self._now.append(("settle", [settlement.seq for settlement in settlements]))
        return Settled(frozenset(settlement.seq for settlement in settlements), self.freed)

    def finish(self, told, at):
        self._now.append(("finish", [code for _, code in told]))
        return Finished([State.RETURNED for _ in told], {})

    def claim(self, wants, at):
        self._now.append(("claim", [want.most for want in wants]))
        return []

    def release_all_but(self, held):
        self.released.append(set(held))
        return 1

    def renew(self, seconds):
        return self.kept

    def dispatchers(self):
        return 1

    def take_over(self, at):
        return 0

    def close(self):
        self.closed = True


class Told:
    def __init__(self):
        self.heard = []

    def freed(self, queues):
        self.heard.append(("freed", dict(queues)))

    def hurried(self, ranks):
        self.heard.append(("hurried", dict(ranks)))

    def released(self):
        self.heard.append(("released",))

    def lease_lost(self):
        self.heard.append(("lease lost",))


async def until(condition):
    """Wait for the writer's thread; `running` ends what never comes."""
    while not condition():
        await asyncio.sleep(0.002)


def running(test, lease=60.0):
    """Run a test with a writer; the writer is closed at its end."""

    async def run():
        store, told = FakeStore(), Told()
        writer = Writer(store, told, lease)
        writer.start()
        try:
            async with asyncio.timeout(60):
                await test(writer, store, told)
        finally:
            store.gate.set()
            await writer.close()
            assert store.closed

    asyncio.run(run())


def test_what_comes_while_a_commit_is_under_way_shares_the_next_one():
    async def test(writer, store, _told):
        store.gate.clear()
        first = writer.accept([incoming(1)])
        await until(store.entered.is_set)
        rest = [writer.accept([incoming(n)]) for n in range(2, 12)]
        store.gate.set()
        receipts = await asyncio.gather(first, *rest)
        assert [receipt.seq for one in receipts for receipt in one] == list(range(1, 12))
        assert store.log == [[("accept", [1])], [("accept", list(range(2, 12)))]]

    running(test)


def test_the_store_is_used_by_one_thread_that_is_not_the_loop():
    async def test(writer, store, _told):
        await writer.accept([incoming(1)])
        await writer.claim([Want("csp:north", "A", 0, 5)])
        assert len(store.threads) == 1
        assert threading.get_ident() not in store.threads

    running(test)


def test_what_is_not_committed_is_never_acknowledged():
    async def test(writer, store, _told):
        store.fails = [StoreFull("no space is left")]
        with pytest.raises(StoreFull):
            await writer.accept([incoming(1)])
        assert store.log == []
        assert writer.failing
        await writer.accept([incoming(1)])
        assert not writer.failing

    running(test)


def test_what_has_happened_is_written_as_soon_as_the_store_works_again():
    async def test(writer, store, _told):
        store.fails = [StoreFull("no space"), StoreFull("no space"), None]
        await writer.settle(Settlement(7, State.DELIVERED, 0.0))
        assert store.log == [[("settle", [7])]]

    running(test)


def test_an_accept_that_fails_does_not_take_the_settlements_of_its_batch_with_it():
    async def test(writer, store, _told):
        store.gate.clear()
        before = writer.accept([incoming(1)])
        await until(store.entered.is_set)
        store.fails = [None, StoreFull("no space")]
        settled = writer.settle(Settlement(7, State.DELIVERED, 0.0))
        accepted = writer.accept([incoming(2)])
        store.gate.set()
        await before
        with pytest.raises(StoreFull):
            await accepted
        await settled
        assert store.log == [[("accept", [1])], [("settle", [7])]]

    running(test)


def test_after_a_lost_connection_what_nobody_holds_is_given_back():
    async def test(writer, store, told):
        held = (await writer.accept([incoming(1), incoming(2)]))[0].seq
        store.fails = [StoreLost("gone")]
        with pytest.raises(StoreLost):
            await writer.accept([incoming(3)])
        await writer.settle(Settlement(held, State.DELIVERED, 0.0))
        await writer.accept([incoming(4)])
        assert store.released == [{1, 2}]
        assert ("released",) in told.heard  # nobody would look for them

    running(test)


def test_settled_parcels_are_not_held_any_more():
    async def test(writer, store, _told):
        await writer.accept([incoming(1), incoming(2), incoming(3, hold=False)])
        await writer.settle(Settlement(1, State.DELIVERED, 0.0))
        store.fails = [StoreLost("gone")]
        with pytest.raises(StoreLost):
            await writer.do(lambda _transaction: None)
        await writer.do(lambda _transaction: None)
        assert store.released == [{2}]

    running(test)


def test_who_waits_hears_before_what_was_freed():
    async def test(writer, store, told):
        store.freed = {QUEUE: 2}
        store.ranks = {5: 0}
        await writer.settle(Settlement(1, State.DELIVERED, 0.0))
        await asyncio.sleep(0)
        assert ("freed", {QUEUE: 2}) in told.heard
        assert ("hurried", {5: 0}) in told.heard

    running(test)


def test_a_response_that_comes_after_a_return_says_that_it_is_late():
    async def test(writer, store, _told):
        seen = []
        accept = store.accept
        store.accept = lambda parcels: seen.extend(parcels) or accept(parcels)
        concluded = await writer.conclude(bytes(24), "I0", incoming(1))
        assert concluded.before is State.RETURNED
        assert concluded.receipt.taken is Taken.ACCEPTED
        assert seen == [concluded.letter]
        assert concluded.letter.fields == {"Sluicegate-Late": "yes"}

    running(test)


def test_who_is_hurried_by_an_outcome_is_told():
    async def test(writer, store, told):
        store.ranks = {5: 0}
        await writer.conclude(bytes(24), "I0", incoming(1))
        await asyncio.sleep(0)
        assert ("hurried", {5: 0}) in told.heard

    running(test)


def test_other_dispatchers_that_come_or_go_are_told():
    async def test(writer, store, told):
        store.dispatchers = lambda: 2
        await until(lambda: ("released",) in told.heard)
        assert writer.dispatchers == 2

    running(test, lease=0.06)


def test_a_lease_that_had_ended_is_told():
    async def test(writer, store, told):
        store.kept = False
        await until(lambda: ("lease lost",) in told.heard)

    running(test, lease=0.06)


def test_what_cannot_be_written_does_not_stop_what_can():
    async def test(writer, store, _told):
        def settle(settlements):
            if any(one.seq == 7 and one.state is not State.PARKED for one in settlements):
                raise StoreError("a text that the database refuses")
            return FakeStore.settle(store, settlements)

        store.settle = settle
        store.gate.clear()
        before = writer.accept([incoming(1)])
        await until(store.entered.is_set)
        poison = writer.settle(Settlement(7, State.DELIVERED, 0.0), [incoming(9)])
        good = writer.settle(Settlement(8, State.DELIVERED, 0.0))
        accepted = writer.accept([incoming(2)])
        store.gate.set()
        await asyncio.gather(before, good, accepted)
        assert await poison == []  # parked, and its letter is left out
        assert not writer.failing

    running(test)


def test_a_return_is_not_told_where_the_parcel_is_anothers():
    async def test(writer, store, _told):
        store.find = lambda _key: []
        store.settle = lambda settlements: Settled(frozenset(), {})
        assert await writer.settle(Settlement(7, State.RETURNED, 0.0), [incoming(9)]) == []

    running(test)


def test_work_that_goes_wrong_fails_alone_and_says_what_was_wrong():
    async def test(writer, store, _told):
        with pytest.raises(StoreError, match="division"):
            await writer.do(lambda _transaction: 1 / 0)
        await writer.accept([incoming(1)])

    running(test)


def test_a_store_that_fails_for_good_does_not_keep_the_writer_from_ending():
    async def test(writer, store, _told):
        store.fails = [StoreFull("no space")] * 1000
        settled = writer.settle(Settlement(1, State.DELIVERED, 0.0))
        await until(lambda: writer.failing)
        await writer.close()
        with pytest.raises(StoreFull):
            await settled

    running(test)


def test_large_arrivals_are_written_in_several_transactions():
    async def test(writer, store, _told):
        store.gate.clear()
        first = writer.accept([incoming(0)])
        await until(store.entered.is_set)
        jobs = [writer.accept([incoming(n) for n in range(100)]) for _ in range(30)]
        store.gate.set()
        await asyncio.gather(first, *jobs)
        sizes = [len(keys) for commit in store.log for _, keys in commit]
        assert sum(sizes) == 3001
        assert max(sizes) <= 2100

    running(test)
