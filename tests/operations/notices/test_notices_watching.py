"""When a User is told: levels that are sustained, left before they are told again, and never too often."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.operations.notices.watching import KINDS, LEVELS, MARKS, Watching
from sluicegate.settings.noticing import Noticing
from thorough import examples


@dataclass
class Counts:
    within: int = 0
    excess: int = 0
    throttled: int = 0


def noticing(**changed):
    return Noticing(**({"window_seconds": 60, "quiet_seconds": 900} | changed))


class Day:
    """One User of 100 SR/s, looked at once a second."""

    def __init__(self, **changed):
        self.watching = Watching(noticing(**changed))
        self.now, self.tally, self.told = 1000.0, Counts(), []
        self.look()

    def look(self, active=False, allocation=100.0):
        events = self.watching.look(self.now, {"A": self.tally}, {"A": allocation}, active)
        self.told += [(self.now - 1000, event.kind) for event in events]
        return events

    def seconds(self, seconds, rate, **how):
        for _ in range(seconds):
            self.now += 1
            self.tally.throttled += rate
            self.look(**how)
        return self


def test_a_level_is_told_in_the_look_in_which_the_window_is_met_and_not_before():
    day = Day().seconds(59, 85)
    assert day.told == []
    assert day.seconds(1, 85).told == [(60, "80%")]


@pytest.mark.parametrize("window", [3, 7.5, 60, 600, 3600])
def test_the_window_is_exact_however_long_it_is(window):
    day = Day(window_seconds=window).seconds(4000, 0).seconds(4000, 100)
    ((at, kind),) = day.told
    assert kind == "100%"
    step = window / MARKS if window > MARKS else 0  # between two marks, what is a step looks like a slope
    assert window <= at - 4000 <= window + 1 + step


def test_who_rises_past_several_levels_is_told_of_the_highest_when_it_is_met():
    day = Day().seconds(300, 10).seconds(300, 130)
    assert day.told == [(355, "100%")]  # 5 s at 10 and 15 s at 130 are 100 SR/s in the first third


def test_a_level_does_not_wait_for_a_higher_one_for_more_than_a_third_of_the_window():
    day = Day()
    for rate in range(70, 100):
        day.seconds(4, rate)
    met = next(at for at, kind in day.told if kind == "80%")
    assert met <= 4 * (80 - 70) + 60 + 20


def test_only_the_highest_level_that_is_met_is_told():
    assert Day().seconds(600, 500).told == [(60, "100%")]


def test_each_higher_level_is_told_when_it_is_met():
    day = Day().seconds(120, 82).seconds(120, 92).seconds(120, 100)
    assert [kind for _, kind in day.told] == ["80%", "90%", "100%"]


@pytest.mark.parametrize("at", [0, 9, 19, 20, 30, 39, 40, 59])
def test_a_burst_shorter_than_a_third_of_the_window_is_not_told(at):
    day = Day().seconds(100 + at, 1).seconds(18, 2000).seconds(200, 1)
    assert day.told == []


def test_what_is_not_left_is_not_told_again_however_long_it_goes_on():
    assert Day(quiet_seconds=0).seconds(7200, 85).told == [(60, "80%")]


def test_a_level_is_left_only_by_the_hysteresis():
    wavering = Day(quiet_seconds=0).seconds(60, 81)
    for _ in range(20):
        wavering.seconds(90, 77).seconds(90, 82)
    assert [kind for _, kind in wavering.told] == ["80%"]
    left = Day(quiet_seconds=0).seconds(60, 81).seconds(90, 74).seconds(90, 82)
    assert [kind for _, kind in left.told] == ["80%", "80%"]


def test_the_same_is_not_told_again_within_the_quiet_and_then_if_it_still_holds():
    day = Day().seconds(60, 85).seconds(60, 0).seconds(1000, 85)
    assert day.told == [(60, "80%"), (960, "80%")]
    assert day.watching.held_back == 1
    over = Day().seconds(60, 85).seconds(60, 0).seconds(300, 85).seconds(1000, 0)
    assert over.told == [(60, "80%")]


def test_a_higher_level_is_told_in_the_quiet_of_a_lower_one_and_not_the_other_way_round():
    day = Day().seconds(60, 100).seconds(120, 0).seconds(120, 85)
    assert day.told == [(60, "100%")]
    day = Day().seconds(60, 85).seconds(120, 0).seconds(120, 101)
    assert [kind for _, kind in day.told] == ["80%", "100%"]


def test_who_has_no_allocation_meets_no_level():
    assert Day().seconds(200, 500, allocation=0.0).told == []


def test_an_allocation_that_is_cut_counts_at_once():
    day = Day().seconds(300, 60)
    assert day.told == []
    assert day.seconds(1, 60, allocation=60.0).told == [(301, "100%")]


def test_counts_that_begin_anew_are_no_traffic_and_forget_nothing_that_was_told():
    day = Day().seconds(100, 85)
    day.tally = Counts()
    assert day.seconds(300, 85).told == [(60, "80%")]


def test_what_was_told_before_a_restart_counts():
    day = Day()
    day.watching.remember("A", "80%", 1000.0 - 800)
    assert day.seconds(200, 85).told == [(100, "80%")]


def test_who_was_told_of_active_before_a_restart_is_told_of_normal_after_it_and_not_of_active_again():
    day = Day()
    day.watching.remember(None, "active", 900.0)
    assert day.seconds(20, 0, active=True).seconds(100, 0).told == [(81, "normal")]
    day = Day()
    day.watching.remember(None, "active", 800.0)
    day.watching.remember("A", "normal", 900.0)
    assert day.seconds(800, 0, active=True).told == [(700, "active")]


def test_a_user_that_comes_later_has_its_own_window_and_one_that_goes_is_forgotten():
    watching = Watching(noticing())
    first, second = Counts(), Counts(within=10**9)
    told = []
    for second_of in range(200):
        first.within += 10
        second.within += 95
        tallies = {"A": first} if second_of < 100 else {"A": first, "B": second}
        told += [
            (second_of, e.user, e.kind) for e in watching.look(float(second_of), tallies, {"A": 99, "B": 100}, False)
        ]
    assert told == [(160, "B", "90%")]
    watching.look(200.0, {"A": first}, {"A": 99}, False)
    assert list(watching._users) == ["A"]


def test_active_is_told_at_once_and_normal_when_it_has_lasted():
    day = Day().seconds(5, 0).seconds(10, 0, active=True).seconds(100, 0)
    assert day.told == [(6, "active"), (76, "normal")]


def test_a_state_that_flutters_is_told_once():
    day = Day()
    for _ in range(30):
        day.seconds(10, 0, active=True).seconds(30, 0)
    day.seconds(100, 0)
    assert [kind for _, kind in day.told] == ["active", "normal"]


def test_active_again_within_the_quiet_is_told_when_that_is_over():
    day = Day().seconds(5, 0, active=True).seconds(100, 0).seconds(1000, 0, active=True)
    assert day.told == [(1, "active"), (66, "normal"), (901, "active")]
    assert day.watching.held_back == 1


def test_a_clock_that_stands_still_or_jumps_back_tells_nothing_and_breaks_nothing():
    day = Day().seconds(30, 500)
    for back in (0.0, 0.0, 10.0, 500.0):
        day.now -= back
        day.look()
    day.now = 1030.0
    assert day.seconds(30, 500).told == [(60, "100%")]


# --- whatever the traffic

RATES = st.lists(st.tuples(st.integers(1, 90), st.integers(0, 150)), min_size=1, max_size=25)
JITTER = st.lists(st.floats(0.3, 4.0), min_size=1, max_size=5)


@settings(deadline=None, max_examples=examples(30))
@given(
    RATES, JITTER, st.sampled_from([3.0, 10.0, 60.0, 100.0]), st.sampled_from([0, 50, 300]),
    st.sampled_from([0.02, 0.2]), st.sampled_from([0.5, 2.0, 100.0]),
)  # fmt: skip
def test_no_level_is_told_twice_without_being_left_nor_too_often_nor_unless_it_was_asked_for(
    rates, steps, window, quiet, hysteresis, allocation
):
    watching = Watching(noticing(window_seconds=window, quiet_seconds=quiet, hysteresis=hysteresis))
    now, asked, tally, looks, told = 0.0, 0.0, Counts(), [(0.0, 0)], []
    watching.look(now, {"A": tally}, {"A": allocation}, False)
    step = 0
    for seconds, percent in rates:
        until = now + seconds
        while now < until:
            now += steps[step % len(steps)]
            asked += steps[step % len(steps)] * percent / 100 * allocation
            step += 1
            tally.within = int(asked)
            looks.append((now, tally.within))
            events = watching.look(now, {"A": tally}, {"A": allocation}, False)
            told += [(now, KINDS.index(event.kind)) for event in events]
    for at, level in told:
        assert least_possible(looks, at, window) >= LEVELS[level] * allocation * window - 1e-6
    for index, (at, level) in enumerate(told):
        higher = [(then, other) for then, other in told[:index] if other >= level]
        if higher:
            then, _ = higher[-1]
            assert at - then >= quiet
            lowest = min(mean(looks, look, window) for look, _ in looks if then < look <= at and look >= window)
            assert lowest < (LEVELS[level] - hysteresis) * allocation + 1e-6


def count_at(looks, then):
    before = max((look for look in looks if look[0] <= then), default=looks[0])
    after = min((look for look in looks if look[0] >= then), default=looks[-1])
    part = (then - before[0]) / (after[0] - before[0]) if after[0] > before[0] else 0.0
    return before[1] + (after[1] - before[1]) * part


def mean(looks, at, window):
    return (count_at(looks, at) - count_at(looks, at - window)) / window


def least_possible(looks, at, window):
    """What was asked for over the window, and what lies between two marks beside its beginning with it."""
    begins = max((look for look in looks if look[0] <= at - window - window / MARKS), default=looks[0])
    return count_at(looks, at) - begins[1] if begins else inf


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 200)), min_size=1, max_size=30), st.sampled_from([0, 60, 500]))
def test_active_and_normal_are_told_in_turn_and_never_too_often(spells, quiet):
    watching = Watching(noticing(quiet_seconds=quiet, settle_seconds=30))
    now, told = 0.0, []
    for active, seconds in spells:
        for _ in range(seconds):
            now += 1
            told += [(now, event.kind) for event in watching.look(now, {}, {}, active)]
    assert [kind for _, kind in told] == ["active", "normal"] * (len(told) // 2) + ["active"] * (len(told) % 2)
    begins = [at for at, kind in told if kind == "active"]
    assert all(later - earlier >= max(quiet, 30) for earlier, later in pairwise(begins))
