"""A ledger in parts: what a part may, what all of them may together, and what is told of the whole."""

import pytest
from bench.fleet.crowd import crowd
from bench.fleet.thousand import arguments, run
from fleet_machine import LEASE, QUICKLY, WAITS
from fleet_of_one import GATEWAY, user_table
from fleet_stage import Stage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from test_fleet_bounds import Killed, Orderly

from sluicegate.allocation import Book, PriorityClass, Profile
from sluicegate.ledger.fleet.fleet import FleetLedger
from sluicegate.ledger.fleet.part import Part
from sluicegate.settings import parse
from sluicegate.throttle import Limits, allocation_depth, system_depth

PARTS = 3


def at_a_part(machine):
    """The same traffic at one of several parts, which bears as much as one ledger bears of all of it."""

    class AtAPart(machine):
        def staged(self, workers, seed):
            part, whole, h = Part(PARTS), self.limits, self.limits.heaviest
            deepest = sum(allocation_depth(each, whole.burst_seconds, h) for each in self.allocations.values())
            self.limits, self.allocations = part.limits(whole), part.allocations(self.allocations)
            self.stage = Stage(self.limits, self.allocations, workers, lease=LEASE, seed=seed, parts=PARTS)
            depth = system_depth(self.limits.threshold, whole.burst_seconds, h)
            self.bound = max(deepest / PARTS, 2 * h) + depth + WAITS * sum(self.allocations.values())

    AtAPart.__name__ = f"{machine.__name__}AtAPart"
    return AtAPart


@pytest.mark.parametrize("machine", [Orderly, Killed])
def test_a_part_admits_no_more_in_any_window_than_its_part_of_the_bound(machine):
    run_state_machine_as_test(at_a_part(machine), settings=settings(QUICKLY, max_examples=6))


@pytest.mark.long
@pytest.mark.parametrize("machine", [Orderly, Killed])
def test_a_part_admits_no_more_in_any_window_than_its_part_of_the_bound_for_long(machine):
    run_state_machine_as_test(at_a_part(machine), settings=settings(QUICKLY, max_examples=150, stateful_step_count=40))


def test_users_who_use_all_their_banks_at_a_part_at_once_get_no_more_than_its_part_of_them():
    part, limits = Part(10), Limits(1_000.0, 800.0, 0.5)
    allocations = {f"U{number}": 8.0 for number in range(50)}  # 4 SR deep each, and deeper at each part by chance
    allocations["none"] = 0.0
    stage = Stage(part.limits(limits), part.allocations(allocations), 2, parts=10)
    stage.run(60.0)
    for name in ("none", *allocations):
        for number in stage.living:
            for _ in range(30 if name == "none" else 5):
                stage.ask(number, name)
    stage.rest(0.2)
    taken = sum(weight for _, weight in stage.admitted)
    assert taken <= 50 * 4.0 / 10 + 800.0 * 0.5 / 10 + (1_000.0 / 10 * 0.25) + 1e-6
    assert taken >= 0.9 * (50 * 4.0 / 10 + 800.0 * 0.5 / 10)


def simulated(*words):
    asked = arguments(["--workers", "8", "--rate", "4000", "--users", "40", "--hold", "0.2", *words])
    of = crowd(asked.users, asked.rate, asked.threshold * asked.rate, asked.seed)
    return run(asked, of)


def test_below_the_threshold_no_part_throttles_anybody():
    measured = simulated("--parts", "4", "--threshold", "1.4", "--seconds", "1", "--lost", "0", "--back", "0")
    well = measured.phases[1]
    assert well.admitted == well.sent
    assert sum(well.sent) > 3_000


def test_a_part_that_is_lost_touches_none_but_its_workers_and_no_bound():
    measured = simulated("--parts", "4", "--seconds", "0.5", "--lost", "1", "--back", "1.5")
    _start, well, lost, back = measured.phases
    assert (well.alone, lost.alone, back.alone) == (0, 2, 0)
    worst, bound = measured.overshoot()
    assert worst <= bound
    asked, passed, one = lost.at_lost
    assert 0 < asked < sum(lost.sent)
    elsewhere = sum(lost.admitted) - passed, sum(lost.ideal) - one
    assert elsewhere[0] >= 0.9 * elsewhere[1]


# --- what a part is of the whole


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6), st.integers(1, 256), st.floats(0.1, 50.0))
def test_a_bank_at_a_part_holds_a_request_at_least_its_part_and_little_more_than_the_whole(
    whole, more, parts, heaviest
):
    part = Part(parts)
    depth = part.depth(whole, heaviest)
    assert whole / parts * (1 - 1e-12) <= depth <= whole + heaviest
    assert depth <= part.depth(whole + more, heaviest) * (1 + 1e-12)
    if whole >= heaviest:
        assert depth >= heaviest
    if parts == 1 or whole == 0.0:
        assert depth == whole


MADE = parse(GATEWAY + user_table("a", 0, 50.1) + user_table("none", 1, 0))
PROFILE = Profile((PriorityClass("urgent", srvs=("4.1",), reserve=5.0), PriorityClass("rest")))


def in_parts(parts=3):
    return FleetLedger(MADE.capacity, Book.from_settings(MADE), "w0", 0.0, settle=0.0, parts=parts)


def test_what_is_told_of_a_user_is_the_whole_and_what_decides_is_the_part():
    ledger = in_parts()
    shown, own = ledger.shown("a"), ledger.account("a")
    assert (shown.name, shown.allocation, shown.depth) == ("a", 50.1, 50.1 * 0.5)
    assert own.allocation == pytest.approx(16.7)
    assert shown.level == shown.level_at(0.0) == shown.depth
    own.level = own.depth / 2
    assert shown.level == pytest.approx(shown.depth / 2)
    assert (ledger.shown("none").allocation, ledger.shown("none").depth, ledger.shown("none").level) == (0.0, 0.0, 0.0)
    assert ledger.worker.limits.threshold == 50.0
    assert ledger.worker.deepest == pytest.approx(50.1 * 0.5 / 3)


def test_a_ledger_in_one_part_is_the_ledger_as_it_was():
    ledger = in_parts(1)
    assert ledger.shown("a") is ledger.account("a")
    assert ledger.decide == ledger.worker.decide
    assert ledger.throttle is ledger.worker


def test_a_change_of_capacity_and_a_profile_come_to_the_part_and_are_told_as_the_whole():
    ledger = in_parts()
    ledger.set_profile("a", PROFILE, 1.0)
    assert ledger.shown("a").depth == 50.1 * 0.5 + PROFILE.reserve
    assert ledger.worker.deepest == pytest.approx((50.1 * 0.5 + PROFILE.reserve) / 3)
    assert ledger.account("a").depth > in_parts().account("a").depth
    ledger.set_profile("a", None, 2.0)
    assert ledger.shown("a").depth == 50.1 * 0.5
    ledger.reconfigure(MADE.capacity.model_copy(update={"operating_threshold": 75.0}), Book.from_settings(MADE), 3.0)
    assert ledger.worker.limits.threshold == 25.0


def test_why_a_request_was_throttled_is_told_in_amounts_of_the_whole():
    ledger = in_parts()
    worker = ledger.worker
    worker.bank_offered, ledger.account("a").rises, ledger.account("a").credit = -2.0, 1.5, 0.25
    assert ledger.throttle.at_a_refusal(ledger.shown("a")) == (-6.0, 4.5, 0.75, None)
    assert ledger.throttle.now == worker.now


def test_a_share_is_of_the_whole():
    ledger = in_parts()
    ledger.worker.share.held = 0.5
    assert ledger.told(0.0).share == pytest.approx(0.5 / 3)
