"""One worker of a fleet writes: never two at a time, and what nobody may write now is not lost."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace

from fleet_rig import Place, Worker, second
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.operations.fleet.duty import HELD, SURE, Duty
from sluicegate.operations.history.history import History
from sluicegate.operations.store.store import OperationsStore
from thorough import examples

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "history"))
from usage import Counters

NOON = 20_000 * 86_400.0 + 43_200


def test_before_the_ledger_has_said_who_writes_nobody_does_and_nothing_is_thrown_away():
    assert Duty().writes(0.0) is None
    assert not Duty().tells(0.0)


def test_who_had_the_turn_and_cannot_renew_it_writes_no_more_and_goes_on_telling():
    duty = Duty()
    duty.told(mine=True, asked_at=10.0)
    assert duty.writes(10.0 + SURE - 0.1) is True
    assert duty.writes(10.0 + SURE) is None
    assert duty.tells(10.0 + SURE)
    assert SURE < HELD
    duty.told(mine=False, asked_at=20.0)
    assert duty.writes(20.0) is False
    assert not duty.tells(20.0)


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.sets(st.integers(0, 2)), max_size=25))
def test_never_two_write_at_a_time_whoever_is_cut_off(rounds):
    async def body():
        place = Place()
        workers = [Worker(place, f"w{n}") for n in range(3)]
        for cut in rounds:
            place.away = {f"w{n}" for n in cut}
            await second(place, *workers)
            assert sum(one.fleet.writes() is True for one in workers) <= 1
        place.away = set()
        for _ in range(8):
            await second(place, *workers)
        assert sum(one.fleet.writes() is True for one in workers) == 1

    asyncio.run(body())


def test_who_stops_hands_the_turn_over_at_once():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two")
        await second(place, one, two)
        assert (one.fleet.writes(), two.fleet.writes()) == (True, False)
        await one.fleet.settle()
        assert one.fleet.writes() is True
        await one.fleet.leave()
        assert one.fleet.writes() is False
        await second(place, two)
        assert two.fleet.writes() is True

    asyncio.run(body())


def test_a_worker_that_is_not_the_first_of_its_machine_never_bids():
    async def body():
        place = Place()
        one = Worker(place, "one", writes=False)
        await second(place, one)
        assert one.fleet.writes() is False
        assert not one.fleet.tells()

    asyncio.run(body())


class Turn:
    """A history, and whose turn it is in the test's hand."""

    def __init__(self, store):
        self.turn, self.now, self.counters = True, NOON, Counters("A")

        async def do(work, patience=10.0):
            return work(store)

        self.history = History(self.counters, SimpleNamespace(do=do), lambda: self.now, writes=lambda: self.turn)

    def minute(self, turn, within):
        """One minute, in which so many were counted."""
        self.turn = turn
        self.counters.did("A", within=within)
        self.history.look(self.now + 1)
        self.now += 60
        self.history.look(self.now + 1)
        asyncio.run(self.history._write())
        return self.history.written


def test_minutes_wait_while_nobody_can_say_who_writes_and_go_if_it_was_another(tmp_path):
    store = OperationsStore(str(tmp_path / "operations.db"))
    try:
        made = Turn(store)
        assert made.minute(True, 3) == 1
        assert made.minute(None, 4) == 1
        assert made.history.waiting == 1
        assert made.minute(True, 5) == 3
        assert made.minute(None, 6) == 3
        assert made.minute(False, 7) == 3
        assert made.history.waiting == 0
        assert made.minute(True, 8) == 4
    finally:
        store.close()
