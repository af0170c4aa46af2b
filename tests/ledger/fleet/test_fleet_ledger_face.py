"""The fleet's ledger as the gateway calls it, and its driver over the real functions."""

import asyncio

import pytest
from fleet_of_one import GATEWAY, user_table
from lua_shard import LuaShard

from sluicegate.allocation import Book, Profile, Team
from sluicegate.ledger.fleet.driver import Driver
from sluicegate.ledger.fleet.fleet import ASK, FleetLedger
from sluicegate.ledger.fleet.shard import AwayError
from sluicegate.settings import parse
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN

TEXT = GATEWAY + user_table("a", 0, 50)


def ledger(**options):
    made = parse(TEXT)
    return FleetLedger(made.capacity, Book.from_settings(made), "w0", 0.0, settle=0.0, **options)


class Clock:
    """Seconds that go on when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


async def settled():
    for _ in range(20):
        await asyncio.sleep(0)


def driven(body, shard=None, **options):
    """Run `body(ledger, clock, driver, shard)` with a driver over the real functions, the clock in the test's hand."""

    async def whole():
        clock = Clock()
        over = shard or LuaShard(lambda: 1000.0 + clock.now)
        made = ledger(**options)
        driver = Driver(made.worker, over, clock)
        driver.start()
        await settled()
        try:
            await body(made, clock, driver, over)
        finally:
            await driver.stop()
        return made

    return asyncio.run(whole())


async def go_on(clock, made, seconds):
    for _ in range(round(seconds / 0.05)):
        clock.now += 0.05
        made.worker.wake()
        await settled()


def test_a_request_that_waits_is_told_its_outcome_once():
    async def body(made, clock, driver, shard):
        await go_on(clock, made, 2.0)
        account, told = made.account("a"), []
        made.worker.offered = 0.0
        assert made.decide(account, 1.0, clock.now) == ASK
        made.waiting(told.append, account, 1.0, clock.now)
        await settled()
        assert told == [WITHIN]

    driven(body)


def test_what_is_drawn_serves_without_a_wait():
    async def body(made, clock, driver, shard):
        await go_on(clock, made, 2.0)
        assert made.decide(made.account("a"), 1.0, clock.now) in (WITHIN, EXCESS)
        assert (await driver.look()).workers[0].worker == "w0"

    driven(body)


class Away(LuaShard):
    """Nobody answers."""

    async def draw(self, ask):
        raise AwayError("nobody is there")

    leave = draw


def test_a_ledger_that_is_away_makes_the_worker_alone_and_says_why():
    async def body(made, clock, driver, shard):
        await settled()
        assert made.worker.share.alone
        assert made.worker.trouble == "nobody is there"
        assert made.decide(made.account("a"), 1.0, clock.now) == THROTTLED

    driven(body, Away(lambda: 0.0))


class Fickle(LuaShard):
    """It answers until it is `gone`."""

    gone = False

    async def draw(self, ask):
        if self.gone:
            raise AwayError("it went")
        return await super().draw(ask)


def after_the_lease(closes):
    """What becomes of a request each second while the ledger is gone, with a lease of 10 s; and what is told then."""
    seen = {}

    async def body(made, clock, driver, shard):
        await go_on(clock, made, 3.0)
        shard.gone = True
        for second in range(1, 15):
            await go_on(clock, made, 1.0)
            outcome = made.decide(made.account("a"), 1.0, clock.now)
            seen[second] = outcome, made.told(clock.now)
        shard.gone = False
        await go_on(clock, made, 5.0)
        seen["back"] = made.decide(made.account("a"), 1.0, clock.now), made.told(clock.now)

    clock = Clock()
    driven(body, Fickle(lambda: clock.now), lease=10.0, closes=closes)
    return seen


def test_alone_a_worker_goes_on_by_its_share_after_the_lease():
    seen = after_the_lease(closes=False)
    assert all(seen[second][0] in (WITHIN, EXCESS) for second in range(2, 15))
    assert not seen[14][1].closed
    assert seen[14][1].alone == pytest.approx(14.0, abs=1.1)
    assert (seen[14][1].share, seen[14][1].trouble) == (1.0, "it went")


def test_where_it_is_to_close_then_it_admits_nothing_after_the_lease_and_is_back_with_the_ledger():
    seen = after_the_lease(closes=True)
    assert all(seen[second][0] in (WITHIN, EXCESS) for second in range(2, 9))
    assert all(seen[second][0] == THROTTLED for second in range(11, 15))
    assert [seen[second][1].closed for second in (8, 11, 14)] == [False, True, True]
    outcome, told = seen["back"]
    assert outcome != THROTTLED
    assert (told.alone, told.closed) == (None, False)


def test_what_a_worker_tells_of_itself_is_what_it_did():
    async def body(made, clock, driver, shard):
        assert made.told(clock.now).answered
        await go_on(clock, made, 2.0)
        made.worker.offered = 0.0
        made.waiting([].append, made.account("a"), 1.0, clock.now)
        told = made.told(clock.now)
        assert (told.worker, told.alone, told.share, told.workers) == ("w0", None, 1.0, 1)
        assert (told.draws, told.lost_draws, told.waits) == (made.worker.draws, 0, 1)

    assert not ledger().told(0.0).answered
    driven(body)


def test_who_stops_gives_its_share_back():
    seen = []

    async def body(made, clock, driver, shard):
        await go_on(clock, made, 1.0)
        assert len(shard.looked().workers) == 1
        seen.append(shard)

    driven(body)
    assert seen[0].looked().workers == ()


def test_teams_are_refused_by_a_clear_error():
    made = ledger()
    halves = Profile(teams=(Team("top-ups", ("2.*",), part=0.5), Team("reads", ("4.*",), part=0.5)))
    with pytest.raises(ValueError, match="teams are not shared by a fleet yet"):
        made.set_profile("a", halves, 0.0)
    assert made.account("a").depth == 25


def test_what_did_not_reach_the_system_behind_is_a_token_again():
    made = ledger()
    account = made.account("a")
    made.worker.offered, made.worker.expires = 5.0, 10.0
    before = account.level
    outcome = made.decide(account, 1.0, 0.0)
    made.give_back(account, 1.0, outcome, 0.0)
    assert (outcome, account.level, account.late) == (WITHIN, before, 0.0)
    assert made.worker.unsent == 1.0


def test_a_token_in_hand_is_not_spent_after_it_has_expired():
    made = ledger()
    made.worker.offered, made.worker.expires = 5.0, 1.0
    assert made.decide(made.account("a"), 1.0, 0.9) == WITHIN
    assert made.decide(made.account("a"), 1.0, 1.0) == ASK
