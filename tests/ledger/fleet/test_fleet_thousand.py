"""What the simulation of a thousand workers rests on: the same books, the same crowd, nobody counted twice."""

import random

import numpy as np
import pytest
from bench.fleet.crowd import crowd
from bench.fleet.lean import LeanFleet, shared_book
from bench.fleet.simulated import LuaLedger
from bench.fleet.swift import SwiftLedger
from bench.fleet.thousand import arguments, run

from sluicegate.ledger.fleet.messages import Answer, Ask, Terms, Want
from sluicegate.ledger.fleet.shard import StaleError

TERMS = Terms(1_050.0, 1_000.0, 0.5, 30.0, 1.0, "fair", 500.0, settle=0.0)


def answers(ledger, seed: int) -> list[Answer]:
    chance, told, found = random.Random(seed), {}, []
    for number in range(200):
        name = f"w{chance.randrange(6)}"
        epoch, share, last = told.get(name, ("", 0.0, 0))
        wants = tuple(
            Want(f"user {user}", 8.0, 4.0, waiting=2.0, ahead=1.0, asked=chance.random(), late=chance.random())
            for user in chance.sample(range(50), 8)
        )
        now = number * 0.03  # some workers fall silent meanwhile, and their tokens lapse
        ask = Ask(name, "1", epoch, last + 1, now, TERMS, share, offered=3.0, throttled=number > 50, wants=wants)
        answer = ledger.draw(ask, now)
        told[name] = answer.epoch, answer.share, last + 1
        found.append(answer)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_functions_answer_alike_over_both_stand_ins(seed):
    assert answers(SwiftLedger(), seed) == answers(LuaLedger(), seed)


def test_what_the_functions_refuse_is_refused_as_a_shard_does():
    ledger = SwiftLedger()
    ask = Ask("w", "1", "", 1, 0.0, TERMS)
    ledger.draw(ask, 0.0)
    with pytest.raises(StaleError):
        ledger.draw(ask, 0.1)


def test_a_crowd_has_the_allocations_and_sends_the_demand_that_were_asked_for():
    of = crowd(100, 2_000.0, 1_600.0, seed=1)
    assert of.allocations.sum() == pytest.approx(0.8 * 1_600.0)
    assert of.rates.sum() == pytest.approx(2_000.0)
    assert np.all(of.rates[of.conforming] <= of.allocations[of.conforming])
    ticks = list(of.ticks(0.5, 4, seed=2))
    assert ticks[-1][0] == pytest.approx(0.5)
    assert all(0 <= number < 4 for _end, _who, where in ticks for number in where)
    assert sum(len(who) for _end, who, _where in ticks) == pytest.approx(1_000, abs=5 * 1_000**0.5)


def test_a_ledger_that_takes_time_serves_one_draw_after_the_other():
    made, limits = shared_book(crowd(4, 10.0, 8.0, seed=1).limits, {"a": 1.0})
    fleet = LeanFleet(limits, made, 2, 1, base=0.010, each=0.001)
    ask = Ask("w", "1", "", 1, 0.0, TERMS, wants=(Want("a", 1.0, 1.0),))
    assert fleet._served(ask) == pytest.approx((0.0, 0.011))
    assert fleet._served(ask) == pytest.approx((0.011, 0.022))
    assert fleet.busy == pytest.approx(0.022)
    assert fleet.latest == pytest.approx(0.011)


def test_every_request_is_counted_once_in_the_phase_in_which_it_came():
    words = ["--workers", "3", "--rate", "900", "--users", "20", "--seconds", "0.3", "--lost", "0.3", "--back", "0.3"]
    words += ["--hold", "0.2"]
    asked = arguments(words)
    of = crowd(asked.users, asked.rate, asked.threshold * asked.rate, asked.seed)
    measured = run(asked, of)
    assert [phase.name for phase in measured.phases] == ["starting", "well", "lost", "back"]
    for phase in measured.phases:
        assert all(0 <= admitted <= sent for admitted, sent in zip(phase.admitted, phase.sent, strict=True))
        assert len(phase.waits) == phase.waited
    assert sum(measured.buckets) == sum(sum(phase.admitted) for phase in measured.phases)
    worst, bound = measured.overshoot()
    assert worst <= bound
    assert measured.phases[2].alone == 3
    assert len(measured.table()[0].split("|")) == 6
