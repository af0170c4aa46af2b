"""What happens to a fleet whose ledger, network or workers fail. Real functions, simulated time and network, seeds."""

import random

import pytest
from bench.fleet.simulated import Fleet, LuaLedger
from throttle_model import Excursion, merged, poisson, worst_burst

from sluicegate.throttle import THROTTLED, WITHIN, Limits

ALLOCATIONS = {"A": 60.0, "B": 40.0, "C": 20.0, "tiny": 0.5}
LIMITS = Limits(200, 180, 0.5, calm_seconds=5)
START = 2.0
WAIT, HOLD = 0.05, 0.5


class Trial:
    """A fleet under a load (SR/s) for so many seconds, and what happens to it at given times."""

    def __init__(self, load, seconds, seed=1, workers=4, **options):
        self.rng = random.Random(seed)
        options.setdefault("settle", 0.0)
        self.fleet = Fleet(LIMITS, ALLOCATIONS, LuaLedger(), workers, seed=seed, hold=HOLD, wait=WAIT, **options)
        self.fleet.run(START)
        parts = {"A": 0.4, "B": 0.3, "C": 0.3}
        self.requests = list(
            merged(
                *(poisson(name, load * part, START + seconds, self.rng, start=START) for name, part in parts.items())
            )
        )
        self.admitted = []
        self.outcomes = []
        self.untold = dict.fromkeys(range(workers), 0)

    def at(self, seconds, what):
        """Seconds after the start."""
        self.fleet._at(START + seconds, what)
        return self

    def run(self, route=None):
        """Send it all."""
        fleet = self.fleet
        for when, name, weight in self.requests:
            fleet.run(when)
            number = route() if route else self.rng.randrange(len(fleet.workers))
            if number in fleet.dead:
                continue
            self.untold[number] += 1

            def told(at, outcome, when=when, name=name, weight=weight, number=number):
                self.untold[number] -= 1
                self.outcomes.append((when, name, number, outcome))
                assert at - when <= WAIT + 1e-6, "nobody waits longer"
                if outcome != THROTTLED:
                    self.admitted.append((at, weight))

            fleet.send(number, name, weight, told)
        fleet.run(fleet.now + 1.0)
        return self

    def most(self):
        """Beyond C*w in any window."""
        excursion = Excursion(LIMITS.maximum)
        for at, weight in sorted(self.admitted):
            excursion.add(at, weight)
        return excursion.most

    def rate(self, begin, end):
        """Admitted per second, between seconds after the start."""
        got = sum(weight for at, weight in self.admitted if begin <= at - START < end)
        return got / (end - begin)

    def throttled(self, begin, end):
        """How many."""
        return sum(begin <= when - START < end and outcome == THROTTLED for when, _, _, outcome in self.outcomes)

    def check(self):
        """Everybody is told once, and the capacity bound holds."""
        assert not any(untold for number, untold in self.untold.items() if number not in self.fleet.dead)
        assert self.most() <= worst_burst(LIMITS, ALLOCATIONS) + 1e-3


def shares(fleet):
    return sum(worker.share.held for number, worker in enumerate(fleet.workers) if number not in fleet.dead)


def test_the_shares_of_all_never_add_up_to_more_than_the_whole_and_all_is_given_out():
    fleet = Fleet(LIMITS, ALLOCATIONS, LuaLedger(), 6, seed=3, settle=0.0)
    for step in range(200):
        fleet.run(step * 0.01)
        assert shares(fleet) <= 1.0 + 1e-9
    assert shares(fleet) == pytest.approx(1.0, abs=1e-3)


def losing(fleet, part):
    """A network that loses that part of all messages, or delays them up to a second."""
    rng = random.Random(9)

    def delay():
        draw = rng.random()
        if draw < part / 2:
            return None
        return rng.uniform(0.0, 1.0) if draw < part else rng.uniform(0.0002, 0.002)

    fleet.delay = delay


@pytest.mark.parametrize("seed", range(3))
def test_a_network_that_loses_and_delays_messages_breaks_nothing(seed):
    trial = Trial(360, 12, seed)
    losing(trial.fleet, 0.2)
    seen = []
    for step in range(100):
        trial.at(step * 0.1, lambda: seen.append(shares(trial.fleet)))
    trial.run()
    assert sum(worker.lost_draws for worker in trial.fleet.workers) > 10
    assert max(seen) <= 1.0 + 1e-9
    trial.check()


@pytest.mark.parametrize("load", [120, 400])
def test_a_ledger_that_goes_is_replaced_by_shares_and_workers_come_back_by_themselves(load):
    trial = Trial(load, 16)
    gone = trial.fleet.ledger

    def leave():
        trial.fleet.ledger = None

    def come():
        trial.fleet.ledger = gone

    trial.at(4.0, leave).at(9.0, come).run()
    trial.check()
    assert not any(worker.share.alone for worker in trial.fleet.workers)
    assert trial.rate(5.0, 9.0) >= 0.85 * min(load, 180)
    assert trial.rate(12.5, 16.0) >= 0.95 * min(load, 180)
    if load < 180:
        assert trial.throttled(13.0, 16.0) == 0


@pytest.mark.parametrize("load", [120, 400])
def test_where_the_ledgers_process_is_no_more_shares_are_in_use_at_once(load):
    """It refuses connections, so it grants nothing to anybody: nobody waits for `hold` first."""
    trial = Trial(load, 16)

    def killed():
        trial.fleet.ledger, trial.fleet.refuses = None, True

    def started():
        trial.fleet.ledger = LuaLedger()
        trial.fleet.ledger.shard.restart("run2")

    trial.at(4.0, killed).at(9.0, started).run()
    trial.check()
    assert trial.rate(4.0, 4.5) >= 0.75 * min(load, 180), "without: none of 400, 82 of 120"
    assert trial.rate(5.0, 9.0) >= 0.85 * min(load, 180)
    assert not any(worker.share.alone for worker in trial.fleet.workers)


def test_a_ledger_that_is_slower_than_wait_is_as_one_that_is_gone():
    trial = Trial(360, 10)
    quick = trial.fleet.delay

    def slow():
        trial.fleet.delay = lambda: 0.2

    def well():
        trial.fleet.delay = quick

    trial.at(3.0, slow).at(6.0, well).run()
    trial.check()
    assert not any(worker.share.alone for worker in trial.fleet.workers)
    assert trial.rate(4.0, 6.0) >= 0.8 * 180


def test_a_ledger_that_restarts_empty_begins_with_empty_banks_and_nobodys_return_is_a_herd():
    trial = Trial(400, 14, settle=3.0)

    def restart():
        trial.fleet.ledger.shard.restart("run2")

    trial.at(6.0, restart).run()
    trial.check()
    assert len({worker.epoch for worker in trial.fleet.workers}) == 1
    assert trial.rate(6.0, 6.5) <= 1.1 * LIMITS.maximum
    assert trial.rate(11.0, 14.0) >= 0.95 * 180


@pytest.mark.parametrize("seed", range(2))
def test_a_partition_from_some_workers_keeps_the_bound_and_heals(seed):
    trial = Trial(500, 16, seed)
    trial.at(4.0, lambda: trial.fleet.cut.update({0, 1})).at(10.0, trial.fleet.cut.clear).run()
    trial.check()
    assert not any(worker.share.alone for worker in trial.fleet.workers)
    alone = sum(
        outcome != THROTTLED and number in (0, 1)
        for when, _, number, outcome in trial.outcomes
        if 5.0 <= when - START < 10.0
    )
    assert alone / 5.0 == pytest.approx(90, rel=0.1), "two of four workers have half of the threshold"
    assert trial.rate(12.5, 16.0) >= 0.95 * 180


def test_what_was_admitted_alone_is_reported():
    trial = Trial(500, 10)
    trial.at(3.0, lambda: trial.fleet.cut.add(0)).at(6.0, trial.fleet.cut.clear).run()
    told = {seen.worker: seen.alone for seen in trial.fleet.ledger.shard.looked().workers}
    assert told["w0"] >= 0.8 * 2.4 * 45  # alone from 0.5 s after its last draw, at a quarter of the threshold
    assert told["w1"] == told["w2"] == told["w3"] == 0


def test_a_worker_killed_with_tokens_in_hand_costs_no_more_than_those_until_its_lease_ends():
    trial = Trial(500, 14, lease=4.0)
    trial.at(4.0, lambda: trial.fleet.dead.add(2)).run()
    trial.check()
    assert trial.rate(5.0, 8.0) >= 0.95 * 0.75 * 180, "its share is its own: perhaps it is alone"
    assert trial.rate(10.0, 14.0) >= 0.95 * 180, "and is the others' when its lease has ended"
    assert shares(trial.fleet) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("hour", [3600.0, -3600.0])
def test_a_clock_that_is_an_hour_off_mints_nothing(hour):
    trial = Trial(500, 12)

    def jump():
        trial.fleet.skew = hour

    def return_():
        trial.fleet.skew = 0.0

    trial.at(4.0, jump).at(8.0, return_).run()
    trial.check()
    assert trial.rate(9.0, 12.0) >= 0.9 * 180


def test_a_worker_that_never_reached_a_ledger_admits_nothing_and_says_so():
    fleet = Fleet(LIMITS, ALLOCATIONS, None, 1)
    fleet.run(1.0)
    worker = fleet.workers[0]
    assert worker.share.alone
    assert worker.share.held == 0.0
    assert worker.decide(worker.account("A"), 1.0, 1.0) == THROTTLED


def test_lone_workers_together_stay_within_the_bound_with_hundreds_of_small_users():
    """Each of their banks holds a whole request at each worker: the ceiling takes that back."""
    allocations = {f"tiny {i}": 0.1 for i in range(300)} | {"A": 20.0}
    limits = Limits(60, 50, 0.5)
    fleet = Fleet(limits, allocations, LuaLedger(), 8, seed=5, settle=0.0)
    fleet.run(3.0)
    fleet.ledger = None
    fleet.run(4.0)
    excursion, outcomes = Excursion(limits.maximum), []
    rng = random.Random(1)

    def told(at, outcome):
        outcomes.append(outcome)
        if outcome != THROTTLED:
            excursion.add(at, 1.0)

    for step in range(40):
        fleet.run(4.0 + step * 0.5)
        for name in allocations:
            for number in range(8):
                if rng.random() < 0.3:
                    fleet.send(number, name, 1.0, told)
    assert excursion.most <= worst_burst(limits, allocations) + 1e-3
    assert outcomes.count(WITHIN) > 100


def test_tries_while_alone_are_spread():
    fleet = Fleet(LIMITS, ALLOCATIONS, LuaLedger(), 16, seed=2, settle=0.0)
    fleet.run(2.0)
    ledger, fleet.ledger = fleet.ledger, None
    fleet.run(12.0)
    fleet.ledger = ledger
    times, draw = [], ledger.draw

    def noted(ask, now):
        times.append(now)
        return draw(ask, now)

    ledger.draw = noted
    fleet.run(14.5)
    first = sorted(times)[:16]
    assert first[-1] - first[0] > 0.5, "nobody's return is a herd"
    assert not any(worker.share.alone for worker in fleet.workers)


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_admitted_alone_within_shares_is_no_debt_of_however_many_users_it_is_told(restarted):
    users = [f"U{number}" for number in range(200)]  # one draw does not speak of all of them
    fleet = Fleet(Limits(1_000, 800, 0.5), dict.fromkeys(users, 2.0), LuaLedger(), 4, seed=1, settle=0.0)
    fleet.run(START)

    def load(seconds):
        outcomes, until = [], fleet.now + seconds
        while fleet.now < until:
            fleet.run(fleet.now + fleet.random.expovariate(300.0))
            fleet.send(
                fleet.random.randrange(4),
                fleet.random.choice(users),
                1.0,
                lambda _at, outcome: outcomes.append(outcome),
            )
        fleet.run(fleet.now + WAIT)
        return outcomes

    load(1.0)
    fleet.cut.update(range(4 if restarted else 3))
    load(4.0)
    fleet.cut.clear()
    if restarted:
        fleet.ledger.shard.restart("run2")
    offered, back = [], []
    for _ in range(12):
        back += load(0.25)
        offered.append(fleet.ledger.shard.looked().offered)
    assert back.count(THROTTLED) <= (40 if restarted else 0)
    assert min(offered) > -10.0
