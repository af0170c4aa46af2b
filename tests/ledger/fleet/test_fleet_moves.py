"""A worker goes on at another part of the ledger, and nobody notices."""

import asyncio
import random
from time import monotonic

import pytest
from bench.fleet.simulated import Fleet, LuaLedger
from lua_shard import BASE, LuaShard
from throttle_model import Excursion

from sluicegate.allocation import Book
from sluicegate.ledger.fleet.driver import Driver
from sluicegate.ledger.fleet.joining import Joined
from sluicegate.ledger.fleet.messages import Ask
from sluicegate.ledger.fleet.part import Part
from sluicegate.ledger.fleet.parted import PartedShard
from sluicegate.ledger.fleet.shard import AwayError
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.settings import parse
from sluicegate.throttle import THROTTLED, Limits, allocation_depth, system_depth

PARTS = 2
PART = Part(PARTS)
LIMITS = Limits(1_000.0, 800.0, 0.5)
ALLOCATIONS = {"A": 300.0, "B": 100.0, "C": 20.0, "none": 0.0}
WAITS = 0.05
BOUND = (
    sum(allocation_depth(each, LIMITS.burst_seconds, LIMITS.heaviest) for each in ALLOCATIONS.values())
    + system_depth(LIMITS.threshold, LIMITS.burst_seconds, LIMITS.heaviest)
    + WAITS * sum(ALLOCATIONS.values())
)


class Parts:
    """The parts, each worker's draws at its own."""

    def __init__(self):
        self.parts = [LuaLedger() for _ in range(PARTS)]
        self.at: dict[str, int] = {}

    def draw(self, ask: Ask, now: float):
        return self.parts[self.at[ask.worker]].draw(ask, now)

    def leave(self, ask: Ask, now: float) -> None:
        part = self.parts[self.at[ask.worker]]
        part.now = now
        part.shard.left(ask)


class Moving(Fleet):
    """Workers that move when a test says so."""

    def __init__(self, workers, seed):
        ledger = Parts()
        ledger.at = {f"w{number}": number % PARTS for number in range(workers)}
        of = PART.limits(LIMITS), PART.allocations(ALLOCATIONS)
        super().__init__(*of, ledger, workers, seed=seed, settle=0.0, parts=PARTS)
        self.admitted, self.outcomes = [], []

    def move(self, number) -> bool:
        """Where no draw is under way."""
        worker, ledger = self.workers[number], self.ledger
        if worker.sent is not None or worker.share.alone:
            return False
        ledger.leave(worker.depart(self.now), self.now)
        ledger.at[worker.name] = (ledger.at[worker.name] + 1) % PARTS
        self._look(number)
        return True

    def ask(self, number, name) -> None:
        def told(at, outcome):
            self.outcomes.append(outcome)
            if outcome != THROTTLED:
                self.admitted.append((at, 1.0))

        self.send(number, name, 1.0, told)


def traffic(fleet, seconds, rate, moved=0.02):
    """Requests of anybody to any worker; and now and then one moves. How many did."""
    moves, ends = 0, fleet.now + seconds
    while fleet.now < ends:
        fleet.run(fleet.now + fleet.random.expovariate(rate))
        fleet.ask(fleet.random.randrange(len(fleet.workers)), fleet.random.choice(list(ALLOCATIONS)))
        if fleet.random.random() < moved:
            moves += fleet.move(fleet.random.randrange(len(fleet.workers)))
    fleet.run(fleet.now + 0.3)
    return moves


@pytest.mark.parametrize("seed", range(3))
def test_below_the_threshold_nobody_is_throttled_because_workers_move(seed):
    fleet = Moving(6, seed)
    fleet.run(5.0)
    assert traffic(fleet, 3.0, 0.6 * LIMITS.threshold) > 15
    assert THROTTLED not in fleet.outcomes
    assert len(fleet.outcomes) == fleet.asked > 1_000


@pytest.mark.parametrize("seed", range(3))
def test_no_window_admits_more_because_workers_move(seed):
    fleet = Moving(6, seed)
    fleet.run(5.0)
    assert traffic(fleet, 3.0, 3 * LIMITS.threshold, moved=0.01) > 30
    excursion = Excursion(LIMITS.maximum)
    for at, weight in sorted(fleet.admitted):
        excursion.add(at, weight)
    assert excursion.most <= BOUND + 1e-3
    assert len(fleet.admitted) >= 0.9 * 3.0 * LIMITS.threshold, "and hardly less"
    assert len(fleet.outcomes) == fleet.asked


@pytest.mark.parametrize("seed", range(3))
def test_over_the_threshold_nobody_within_its_allocation_is_throttled_because_workers_move(seed):
    fleet, within = Moving(6, seed), []
    rates = {name: allocation / 2 for name, allocation in ALLOCATIONS.items()} | {"none": 2 * LIMITS.threshold}
    fleet.run(5.0)
    moves, warm, ends = 0, fleet.now + 1.0, fleet.now + 5.0
    while fleet.now < ends:
        fleet.run(fleet.now + fleet.random.expovariate(sum(rates.values())))
        (name,) = fleet.random.choices(list(rates), list(rates.values()))
        seen = within if name != "none" and fleet.now > warm else []
        fleet.send(fleet.random.randrange(6), name, 1.0, lambda _at, outcome, seen=seen: seen.append(outcome))
        if fleet.now > warm + 0.2 * moves:
            moves += fleet.move(fleet.random.randrange(6))
    fleet.run(fleet.now + 0.3)
    assert moves >= 15
    assert len(within) > 500
    assert THROTTLED not in within


@pytest.mark.parametrize("seed", range(3))
def test_what_a_worker_had_in_hand_is_back_where_it_was_and_its_share_is_free(seed):
    fleet = Moving(4, seed)
    fleet.run(3.0)
    chance = random.Random(seed)
    for _ in range(200):
        fleet.run(fleet.now + 0.002)
        fleet.ask(chance.randrange(4), "A")
    while not fleet.move(0):
        fleet.run(fleet.now + 0.001)
    fleet.run(fleet.now + 2.0)
    first, second = (part.shard.looked() for part in fleet.ledger.parts)
    assert [seen.worker for seen in first.workers] == ["w2"]
    assert sorted(seen.worker for seen in second.workers) == ["w0", "w1", "w3"]
    for look in (first, second):
        assert look.held == pytest.approx(sum(seen.held for seen in look.workers))
        assert sum(seen.share for seen in look.workers) <= 1 + 1e-9
    assert fleet.workers[2].share.held == 1.0
    assert fleet.workers[0].share.held == pytest.approx(1 / 3, abs=1e-5)


def test_a_driver_moves_a_worker_between_two_draws():
    async def whole():
        clock = [0.0]
        over = PartedShard(LuaShard(lambda: 1.0), [LuaShard(lambda: 1000.0 + clock[0]) for _ in range(PARTS)])
        over.part = 0
        worker = Worker("w", PART.limits(LIMITS), PART.allocations(ALLOCATIONS), 0.0, settle=0.0, parts=PARTS)
        driver = Driver(worker, over, lambda: clock[0])
        left = []

        def go():
            assert worker.sent is None
            left.append(worker.depart(clock[0]))
            over.part = 1

        driver.start()
        for step in range(40):
            clock[0] += 0.05
            if step == 20:
                driver.once_between(go)
            for _ in range(10):
                await asyncio.sleep(0)
            worker.wake()
        for ask in left:
            await over.parts[0].leave(ask)
        looks = [await part.look() for part in over.parts]
        await driver.stop()
        return left, looks, worker

    left, (first, second), worker = asyncio.run(whole())
    assert len(left) == 1
    assert first.workers == ()
    assert [seen.worker for seen in second.workers] == ["w"]
    assert worker.lost_draws == 0


def test_a_worker_whose_new_part_answers_its_first_draw_too_late_has_the_share_that_it_tells():
    fleet = Moving(2, 1)
    fleet.run(3.0)
    while not fleet.move(0):
        fleet.run(fleet.now + 0.001)
    worker, part = fleet.workers[0], fleet.ledger.parts[1]
    asked = worker.ask(fleet.now)
    answer = part.draw(asked, fleet.now)
    worker.lost(fleet.now + 0.6)
    assert worker.share.held == 0.0
    share = answer._replace(share=0.25)
    worker.too_late(share, asked)
    assert (worker.epoch, worker.share.held) == (answer.epoch, 0.25)


JOINED = """
[capacity]
maximum = 1000
operating_threshold = 800
[gateway]
upstream = "http://127.0.0.1:1"
identity = "originator"
[ledger]
url = "valkey://127.0.0.1:1"
cluster = true
parts = 2
[[user]]
name = "A"
ids = ["90-B3-D5-1F-30-00-00-00"]
role = "IS"
allocation = 300
"""


def test_nobody_moves_to_a_part_where_shares_of_the_dead_are_withheld():
    """There banks fill at the others' shares: of one whose workers are all dead, at nothing, for a lease."""

    async def whole():
        made, clock = parse(JOINED), [1_000.0]
        joined = Joined(made.ledger, made.capacity, Book.from_settings(made))
        shard = PartedShard(LuaShard(lambda: 1.0), [LuaShard(lambda: clock[0]) for _ in range(PARTS)])
        joined.shard, shard.part = shard, 0
        dead = Worker("dead", PART.limits(LIMITS), PART.allocations(ALLOCATIONS), 0.0, settle=0.0, parts=PARTS)
        dead.take(await shard.parts[1].draw(dead.ask(0.0)), 0.0)
        dead.take(await shard.parts[1].draw(dead.ask(0.1)), 0.1)
        clock[0] += 30.0
        async with asyncio.timeout(60.0):
            return await joined._moves(1), shard.part

    assert asyncio.run(whole()) == (False, 0)


class Looked(LuaShard):
    """It can be looked at, and answers no draw."""

    async def draw(self, ask):
        raise AwayError("lost")


def test_a_worker_whose_new_part_is_lost_before_it_answers_goes_back_and_has_a_share():
    async def whole():
        made = parse(JOINED)
        joined = Joined(made.ledger, made.capacity, Book.from_settings(made))
        shard, worker = joined.shard, joined.ledger.worker
        shard.parts, shard.part = [LuaShard(monotonic), Looked(monotonic)], 0
        shard.parts[0].commands.keys[BASE + b":new"] = b"1"  # nobody can hold a share of before
        joined._driver.start()
        async with asyncio.timeout(60.0):
            assert await joined.heard(60.0)
            stays = await joined._moves(1)
            assert await joined.heard(60.0)
        await joined._driver.stop()
        return stays, shard.part, worker.share.held

    assert asyncio.run(whole()) == (False, 0, 1.0)
