"""What a fleet is shown as: whose places count, how old the ledger's books are, and when nothing is known any more."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from fleet_rig import Place, Worker, second

from sluicegate.operations.fleet import colleagues as module
from sluicegate.operations.fleet.showing import max_in_flight, per_worker


def shown(worker: Worker) -> dict[str, dict[str, object]]:
    """Each worker by its name."""
    return {str(one["name"]): one for one in per_worker(worker.fleet, worker.place.now)}


def test_each_worker_is_shown_with_its_requests_at_the_upstream_and_how_many_it_may_have():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two", looks=False)
        two.own_places = 40
        two.own_in_flight["A"].taken, two.own_in_flight["B"].taken = 3, 4
        await second(place, one, two)
        told = shown(one)
        assert (told["one"]["in_flight"], told["one"]["max_in_flight"]) == (0, 100)
        assert (told["two"]["in_flight"], told["two"]["max_in_flight"]) == (7, 40)

    asyncio.run(body())


def test_who_does_not_show_the_fleet_shows_its_own_places():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two", looks=False)
        await second(place, one, two)
        settings = SimpleNamespace(capacity=SimpleNamespace(max_in_flight=100))
        for colleagues, places in ((one.fleet, 200), (two.fleet, 100), (None, 100)):
            assert max_in_flight(SimpleNamespace(settings=settings, colleagues=colleagues)) == places

    asyncio.run(body())


def test_the_ledgers_books_grow_old_while_it_is_away_and_are_let_go():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two")
        await second(place, one, two)
        place.away = {"one", "two"}
        for seconds in (1.0, 2.0, 3.0):
            await second(place, one, two)
            assert shown(one)["two"]["drew_seconds_ago"] == seconds
        for _ in range(3):
            await second(place, one, two)
        assert set(shown(one)) == {"one"}
        assert shown(one)["one"]["drew_seconds_ago"] is None

    asyncio.run(body())


def test_a_ledger_that_does_not_answer_is_let_go_as_one_that_refuses_and_to_wait_for_it_is_no_work(monkeypatch):
    """Who takes it for work tells and reads once a minute, and long after the ledger is back."""

    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two")
        await second(place, one, two)
        monkeypatch.setattr(module, "LONGEST", 0.001)

        async def never():
            place.now += 3.0
            await asyncio.Event().wait()

        monkeypatch.setattr(one.fleet._shard, "look", never)
        for _ in range(3):
            assert await one.fleet._guarded(one.fleet.read()) == 0.0
        assert one.fleet.trouble == "TimeoutError"
        assert one.fleet.last is None
        assert (set(shown(one)), one.fleet.max_in_flight) == ({"one"}, 100)

    asyncio.run(body())
