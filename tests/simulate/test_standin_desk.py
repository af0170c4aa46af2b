"""The desk in virtual time: who is told, and when."""

import asyncio

from virtual_time import run_virtually

from sluicegate.simulate.desk import Desk
from sluicegate.simulate.plant import Fate, PlantShape


def played(shape, arrivals, until=100.0, latency=0.0):
    """(when, name, fate) of all that was told, in order; arrivals are (when, name)."""
    told = []

    async def main():
        loop = asyncio.get_running_loop()
        start = loop.time()
        desk = Desk(loop, shape, latency)

        def note(name, fate):
            told.append((round(loop.time() - start, 6), name, fate))

        def arrive(name):
            fate = desk.take(lambda fate: note(name, fate))
            if fate is not Fate.HELD:
                note(name, fate)

        for when, name in arrivals:
            loop.call_at(start + when, arrive, name)
        await asyncio.sleep(until)
        desk.close()

    run_virtually(main())
    return told


def test_each_is_told_when_the_plant_has_served_it():
    told = played(PlantShape(2, 5), [(1, "a"), (1, "b"), (4, "c")])
    assert told == [(1.5, "a", Fate.SERVED), (2.0, "b", Fate.SERVED), (4.5, "c", Fate.SERVED)]


def test_latency_is_added_to_what_is_served():
    assert played(PlantShape(2, 5), [(1, "a")], latency=0.25) == [(1.75, "a", Fate.SERVED)]
    assert played(None, [(1, "a")], latency=0.25) == [(1.25, "a", Fate.SERVED)]


def test_a_full_buffer_is_told_at_once():
    assert played(PlantShape(0.5, 1), [(1, "a"), (2, "b")])[0] == (2.0, "b", Fate.REFUSED)


def test_an_outage_is_told_to_those_held_when_it_begins_though_nobody_arrives():
    told = played(PlantShape(0.1, 1, outage_after=3, restart=4), [(1, "a"), (5, "b"), (9, "c")])
    assert told == [(4.0, "a", Fate.LOST), (5.0, "b", Fate.LOST), (12.0, "c", Fate.LOST)]


def test_without_a_plant_each_is_served_at_once():
    assert played(None, [(1, "a"), (1, "b")]) == [(1.0, "a", Fate.SERVED), (1.0, "b", Fate.SERVED)]
