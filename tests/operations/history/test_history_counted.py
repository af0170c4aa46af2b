"""The gateway's counters become minutes: nothing twice, nothing lost but what a bound permits, and that is counted."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from usage import Counters

from sluicegate.database.errors import StoreError
from sluicegate.duis.catalogue import CATALOGUE
from sluicegate.operations.history import history as module
from sluicegate.operations.history import seconds
from sluicegate.operations.history.backlog import Backlog
from sluicegate.operations.history.counts import MINUTE, SECOND
from sluicegate.operations.history.history import History
from sluicegate.operations.history.reading import Usages
from sluicegate.operations.history.writing import Closed
from sluicegate.operations.slices import all_at_once
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.worker import InDoubt, Unavailable
from sluicegate.operations.tally import MOST_SRVS, OTHER_SRVS, Tally

NOON = 20_000 * 86_400.0 + 43_200  # seconds since 1970


class Database:
    """The worker, without a thread: it can be lost, and it can leave a commit in doubt."""

    def __init__(self, store: OperationsStore) -> None:
        self.store, self.lost, self.doubtful = store, False, False

    async def do(self, work, patience=10.0):
        if self.lost:
            raise Unavailable("it is gone")
        try:
            told = work(self.store)
        except StoreError as error:
            raise InDoubt(str(error)) from None
        if self.doubtful:
            raise InDoubt("it did not answer")
        return told


class Running:
    """A history whose clock is ours."""

    def __init__(self, counters: Counters, database: Database) -> None:
        self.now = NOON
        self.counters, self.database = counters, database
        self.history = History(counters, database, clock=lambda: self.now)

    def look(self, after: float = 1.0) -> None:
        self.now += after
        self.history.look(self.now)

    async def over(self) -> None:
        """The minute is over, and is written if it can be."""
        self.look(60.0)
        await self.history._write()

    def told(self, user=None, step=MINUTE):
        since = int(NOON) * SECOND
        with self.database.store.reading() as connection:
            points = Usages(connection).series(user, since, since + 60 * MINUTE, step).points
        return {(at - since) // MINUTE: counts for at, counts in points if any(counts)}


@pytest.fixture
def store(tmp_path):
    made = OperationsStore(str(tmp_path / "operations.db"))
    yield made
    made.close()


@pytest.fixture
def running(store):
    return lambda *names, **kept: Running(Counters(*(names or ("Large", "Small")), **kept), Database(store))


def test_what_is_counted_in_a_minute_is_written_with_it(running):
    async def scenario():
        one = running()
        one.counters.did("Large", within=3, throttled=1)
        one.counters.tallies["Large"].rejected += 2
        one.counters.tallies["Large"].refuse_for("North")
        one.look()
        one.counters.did("Large", "2.2", within=1)
        one.counters.did("Small", excess=5)
        one.look()
        await one.over()
        assert one.told("Large") == {0: (4, 0, 1, 2, 1)}
        assert one.told() == {0: (4, 5, 1, 2, 1)}
        await one.over()
        assert (one.history.written, one.history.waiting) == (1, 0)  # a minute of silence writes nothing

    asyncio.run(scenario())


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 2), st.floats(0.2, 40)), max_size=40))
def test_however_looks_fall_every_request_is_in_one_minute_and_in_one_second(steps):
    counters = Counters("A", "B")

    async def scenario():
        history = History(counters, SimpleNamespace())
        now = NOON
        for name, outcome, after in steps:
            counters.did(name, **{("within", "excess", "throttled")[outcome]: 1})
            now += after
            history.look(now)
        history._close()
        minutes = sum(minute.requests for _, minute in history._closed)
        by_srv = sum(sum(c) for _, m in history._closed for srvs in m.srvs.values() for c in srvs.values())
        assert minutes == by_srv == len(steps)
        held = await history.seconds(None, 0)
        assert sum(map(sum, held.values())) == len(steps)

    asyncio.run(scenario())


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 349)), max_size=40), st.integers(0, 5))
@settings(deadline=None)
def test_what_is_counted_while_a_look_goes_on_or_where_it_is_broken_off_is_counted_once(during, broken_off_at):
    names = [f"User {number}" for number in range(350)]
    gateway = Counters(*names)
    for name in names:
        gateway.did(name, within=1)

    async def scenario():
        history = History(gateway, SimpleNamespace())
        for step, _ in enumerate(history._steps(610.0)):
            for at, user in during:
                if at == step:
                    gateway.did(names[user], srv="2.2", throttled=1)
            if step == broken_off_at:  # as a stop does it
                break
        history.look(611.0)
        return history._minute

    counts = asyncio.run(scenario()).counts
    assert sum(counts[name][0] for name in names) == len(names)
    seen = [user for at, user in during if at <= broken_off_at]
    assert all(counts[names[user]][2] == seen.count(user) for user in set(seen))


def test_a_minute_that_a_restart_cuts_in_two_is_one(running):
    async def scenario():
        for _ in range(2):
            one = running()
            one.counters.did("Large", within=3)
            one.look(10.0)
            await one.history.stop()
        assert one.told() == {0: (6, 0, 0, 0, 0)}

    asyncio.run(scenario())


def test_a_stop_takes_what_was_counted_since_the_last_look(running):
    async def scenario():
        one = running()
        await one.history.start()
        one.counters.did("Large", within=3)
        one.now += 1.0
        await one.history.stop()
        assert one.told() == {0: (3, 0, 0, 0, 0)}

    asyncio.run(scenario())


def test_while_the_database_is_lost_minutes_wait_and_are_written_once_when_it_is_back(running):
    async def scenario():
        one = running()
        one.database.lost = True
        for _ in range(3):
            one.counters.did("Large", within=1)
            one.look()
            await one.over()
        assert (one.history.waiting, one.history.written) == (3, 0)
        one.database.lost, one.database.doubtful = False, True
        await one.history._write()  # it is there, and we do not know
        assert (one.history.waiting, one.history.written) == (3, 0)
        one.database.doubtful = False
        await one.history._write()
        assert (one.history.waiting, one.history.written) == (0, 3)
        assert sum(counts[0] for counts in one.told().values()) == 3
        assert one.history.lost_minutes == 0

    asyncio.run(scenario())


def test_a_database_that_stays_lost_costs_the_oldest_minutes_and_they_are_counted():
    backlog = Backlog(most=100)
    for seq in range(1, 8):
        backlog.add(Closed(seq, seq * MINUTE, 1000 + seq, b"x" * 10, b"x" * 20))
    assert [one.seq for one in backlog.first(10)] == [5, 6, 7]
    assert (backlog.lost_minutes, backlog.lost_requests, backlog.octets) == (4, 4010, 90)
    backlog.written(6)
    assert ([one.seq for one in backlog.first(10)], backlog.octets) == ([7], 30)
    backlog.add(Closed(8, 0, 1, b"x" * 1000, b""))  # larger than all that may wait: the newest stays
    assert [one.seq for one in backlog.first(10)] == [8]


def test_a_full_disk_stops_no_look_and_a_later_minute_is_written(running, monkeypatch):
    async def scenario():
        one = running()
        works = module._written

        def full(*_):
            raise StoreError("database or disk is full")

        monkeypatch.setattr(module, "_written", full)
        one.counters.did("Large", within=1)
        one.look()
        await one.over()
        assert one.history.waiting == 1
        monkeypatch.setattr(module, "_written", works)
        one.counters.did("Large", within=1)
        one.look()
        await one.over()
        assert sorted(one.told()) == [0, 1]

    asyncio.run(scenario())


def test_what_a_user_did_before_a_reload_took_it_is_counted(running):
    async def scenario():
        one = running()
        one.counters.did("Large", within=1)
        one.look()
        one.counters.did("Large", within=2)
        del one.counters.tallies["Large"]  # between two looks
        one.look()
        one.counters.tallies["Large"] = Tally()  # and is back, with counters that begin anew
        one.counters.did("Large", within=4)
        one.look()
        await one.over()
        assert one.told("Large") == {0: (7, 0, 0, 0, 0)}

    asyncio.run(scenario())


def test_a_clock_that_goes_back_counts_nothing_twice_and_loses_nothing(running):
    async def scenario():
        one = running()
        for after in (1.0, 100.0, -90.0, 60.0, -600.0, 700.0):
            one.counters.did("Large", within=1)
            one.look(after)
        await one.over()
        assert sum(minute[0] for minute in one.told().values()) == 6 - 1  # one lies before noon
        assert one.history.written == 6

    asyncio.run(scenario())


def test_a_tally_tells_a_bounded_number_of_srvs_apart():
    tally = Tally()
    for number in range(3 * MOST_SRVS):
        (tally.srvs.get(f"9.{number}") or tally.saw_srv(f"9.{number}"))[0] += 1
    assert len(tally.srvs) <= MOST_SRVS + 1
    taken = tally.take_srvs()
    assert sum(counts[0] for counts in taken.values()) == 3 * MOST_SRVS
    assert taken[OTHER_SRVS][0] == 2 * MOST_SRVS
    assert tally.take_srvs() == {}


def test_srvs_that_somebody_invents_push_none_of_the_catalogue_out(running):
    async def scenario():
        one = running()
        for number in range(1000):
            one.counters.did("Small", f"99.{number}", within=1)
            if number % 100 == 0:
                one.look()
        for srv in CATALOGUE:
            one.counters.did("Large", srv, within=1)
        one.look()
        await one.over()
        with one.database.store.reading() as connection:
            usages = Usages(connection)
            found = usages.by_srv(None, int(NOON) * SECOND, int(NOON) * SECOND + MINUTE)
        assert set(CATALOGUE) < set(found)
        assert len(found) <= seconds.MOST_SRVS
        assert sum(map(sum, found.values())) == 1000 + len(CATALOGUE)

    asyncio.run(scenario())


def test_the_last_hour_is_told_by_seconds_for_a_user_and_an_srv_of_it(running):
    async def scenario():
        one = running()
        begin = int(NOON)
        for number in range(10):
            one.counters.did("Large", "4.8.1", within=number)
            one.counters.did("Large", "2.2", throttled=1)
            one.counters.tallies["Small"].rejected += 1
            one.look()
        history = one.history
        assert await history.seconds("Large", begin + 8) == {begin + 8: (8, 0, 1, 0, 0), begin + 9: (9, 0, 1, 0, 0)}
        assert await history.seconds("Small", begin + 9) == {begin + 9: (0, 0, 0, 1, 0)}
        assert await history.seconds(None, begin + 9) == {begin + 9: (9, 0, 1, 1, 0)}
        assert await history.seconds("Large", begin + 9, "2.2") == {begin + 9: (0, 0, 1, 0, 0)}
        assert await history.seconds("Large", begin, "1.1.1") == {}
        assert await history.seconds("Nobody", begin) == {}

    asyncio.run(scenario())


def told(kept, second, done):
    """All of a second at once."""
    a_second = kept.begun(second)
    a_second.add(done)
    all_at_once(kept.add(a_second))


def test_seconds_are_an_hour_at_the_most_and_no_more_than_their_memory():
    srvs = seconds.Srvs()
    kept = seconds.Seconds(1 << 40, srvs)
    for second in range(5000):
        told(kept, second, [("A", (1, 0, 0, 0, 0), {"2.2": (1, 0, 0)})])
    assert len(kept) == 3600
    assert min(seconds.of_all(kept.frames(0))) == 1400
    bounded = seconds.Seconds(100_000, srvs)
    for second in range(5000):
        told(bounded, second, [(f"User {n}", (1, 0, 0, 0, 0), {"2.2": (1, 0, 0)}) for n in range(20)])
        assert bounded.octets <= 100_000
    assert 100 < len(bounded) < 3600
    assert max(seconds.of_all(bounded.frames(0))) == 4999  # the oldest went
