"""Long work in slices: others have their turn, and what is found is the same."""

from __future__ import annotations

import asyncio
from itertools import count

from sluicegate.operations import slices
from sluicegate.operations.slices import Pace, by_hundreds, in_slices


def test_whoever_else_is_ready_has_a_turn_after_each_slice():
    turns = []

    async def scenario():
        async def other():
            for _ in range(100):
                turns.append(len(done))
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        await asyncio.sleep(0)
        clock = count(0, slices.SLICE / 4)
        await in_slices((done.append(step) for step in range(20)), lambda: next(clock))
        task.cancel()

    done: list[int] = []
    asyncio.run(scenario())
    assert len(done) == 20
    assert turns == [0, 4, 8, 12, 16, 20]


def test_a_thread_rests_when_its_slice_is_used_up_and_not_before():
    now, naps = [0.0], []
    pace = Pace(lambda: now[0], naps.append)
    for _ in range(8):
        pace.rest()
        now[0] += slices.SLICE / 2
    assert naps == [slices.REST] * 3


def test_hundreds_are_all_there_in_their_order():
    pieces = list(by_hundreds(range(250)))
    assert [len(piece) for piece in pieces] == [100, 100, 50]
    assert [one for piece in pieces for one in piece] == list(range(250))
    assert list(by_hundreds([])) == []
