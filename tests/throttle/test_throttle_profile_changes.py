"""Profiles put and taken back while traffic management is active, and what is given back to a team."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_throttle_capacity import Attack

from sluicegate.throttle import NO_TEAM, THROTTLED, WITHIN, Limits, Throttle
from thorough import examples

LIMITS = Limits(1000.0, 800.0)
ALLOCATIONS = {"own": 300.0, "greedy": 400.0}
HALVES = {"own": (0.5, 0.5)}


def spent(teams=None):
    """A throttle in an overload, in which both Users have used up all that they have, and the account of one."""
    throttle = Throttle(LIMITS, ALLOCATIONS, 0.0, {}, teams or {})
    for name in ALLOCATIONS:
        user = throttle.account(name)
        while throttle.decide_team(user, 1.0, 0.0, 0.0, NO_TEAM) != THROTTLED:
            pass
    return throttle, throttle.account("own")


def put(throttle, user, parts):
    throttle.set_profile(user, 0.0, 0.0, parts)


def reconfigured(throttle, user, parts):
    throttle.reconfigure(LIMITS, ALLOCATIONS, 0.0, {user.name: 0.0}, {user.name: parts})


@pytest.mark.parametrize("change", [put, reconfigured])
def test_teams_that_are_put_in_an_overload_hold_no_more_than_their_users_bank(change):
    """Else nobody of them would be served until the User's bank has filled up to what they pretend to hold."""
    throttle, own = spent()
    change(throttle, own, (0.5, 0.5))
    assert own.teams.kept_for_others(NO_TEAM, 0.0) <= own.level_at(0.0)
    greedy = throttle.account("greedy")
    served = 0
    for step in range(1, 201):
        now = step / 1000
        throttle.decide(greedy, 1.0, now)
        served += throttle.decide_team(own, 1.0, now, 0.0, step % 2) == WITHIN
    assert served >= 0.2 * own.allocation - 2


@given(seed=st.integers(0, 10_000))
@settings(max_examples=examples(60), deadline=None)
def test_no_change_of_profile_or_allocation_and_no_giving_back_lets_teams_hold_more_than_their_user(seed):
    rng = random.Random(seed)
    limits, allocations = Limits(100.0, 80.0), {"own": 10.0, "greedy": 60.0}
    throttle = Throttle(limits, allocations, 0.0, {}, {"own": (0.3, 0.3, 0.4)})
    own, greedy = throttle.account("own"), throttle.account("greedy")
    now, charged = 0.0, []
    for _ in range(300):
        now += rng.expovariate(60.0) if rng.random() < 0.95 else 2.0
        throttle.decide(greedy, 1.0, now)
        parts = rng.choice([(0.3, 0.3, 0.4), (0.6, 0.1, 0.1), (0.5, 0.5), ()])
        move, reserve = rng.random(), rng.choice([0.0, 5.0])
        if move < 0.1:
            throttle.set_profile(own, reserve, now, parts)
        elif move < 0.15:
            allocations["own"] = rng.choice([1.0, 10.0, 30.0])
            throttle.reconfigure(limits, allocations, now, {"own": reserve}, {"own": parts})
        elif move < 0.3 and charged:
            throttle.give_back(own, 1.0, WITHIN, now, charged.pop(rng.randrange(len(charged))))
        else:
            team = rng.randrange(-1, 3)
            if throttle.decide_team(own, 1.0, now, 0.0, team) == WITHIN:
                charged.append(team)
        if own.teams is not None:
            assert own.teams.kept_for_others(NO_TEAM, now) <= own.level_at(now) + 1e-6


def test_a_request_that_was_not_sent_is_given_back_to_its_team():
    """Else the other team could use up what the first one has paid for and did not get."""
    throttle = Throttle(LIMITS, ALLOCATIONS, 0.0, {}, HALVES)
    own = throttle.account("own")
    for _ in range(40):
        outcome = throttle.decide_team(own, 1.0, 0.0, 0.0, 1)
        throttle.give_back(own, 1.0, outcome, 0.0, 1)
    assert own.teams.kept_for_others(0, 0.0) == pytest.approx(75.0)


@pytest.mark.parametrize("team", [NO_TEAM, 2])
def test_what_is_given_back_of_no_team_is_nobodys_in_particular(team):
    throttle, own = spent(HALVES)
    throttle.give_back(own, 1.0, WITHIN, 0.0, team)
    assert own.level_at(0.0) == pytest.approx(1.0)
    assert own.teams.kept_for_others(NO_TEAM, 0.0) == pytest.approx(0.0, abs=1e-6)


def test_nothing_is_given_back_beyond_the_depth_of_a_team():
    throttle, own = spent(HALVES)
    for _ in range(200):
        throttle.give_back(own, 1.0, WITHIN, 0.0, 0)
    assert own.teams.kept_for_others(1, 0.0) == pytest.approx(75.0)
    assert own.teams.kept_for_others(0, 0.0) == pytest.approx(0.0, abs=1e-6)


def waiting(places, rank=0, reserve=0.0, profiled=False):
    """A User of 300 SR/s of which so many requests wait, with a profile or without."""
    throttle, own = spent()
    if profiled:
        throttle.set_profile(own, 6.0, 0.0)
    for _ in range(places):
        throttle.retry_after(own, 1.0, 0.0, rank, reserve)
    return throttle, own


def test_nobody_leaves_its_line_by_putting_a_profile():
    throttle, own = waiting(9000)
    before = own.slot
    throttle.set_profile(own, 6.0, 0.0)
    assert before > 10.0
    assert throttle.retry_after(own, 1.0, 0.0, 0) >= int(before)
    assert throttle.retry_after(own, 1.0, 0.0, 1, 6.0) >= int(before)


def test_nobody_leaves_the_lines_of_its_classes_by_taking_its_profile_back_and_putting_it_again():
    throttle, own = waiting(9000, rank=1, reserve=6.0, profiled=True)
    before = own.lines[1].slot
    throttle.set_profile(own, None, 0.0)
    assert before > 10.0
    assert throttle.retry_after(own, 1.0, 0.0) >= int(before)
    throttle.set_profile(own, 6.0, 0.0)
    assert min(throttle.retry_after(own, 1.0, 0.0, rank) for rank in range(3)) >= int(before)


@given(
    steps=st.lists(
        st.tuples(st.floats(0.0, 2.0), st.sampled_from([None, 0.0, 6.0]), st.integers(0, 3), st.integers(0, 300)),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=examples(60), deadline=None)
def test_the_line_is_never_shorter_for_profiles_that_were_put_and_taken_back(steps):
    """Beside a User that sends the same and never had any."""
    (throttle, own), (plain, twin) = spent(), spent()
    now = 0.0
    for wait, reserve, rank, places in steps:
        now += wait
        throttle.set_profile(own, reserve, now)
        for _ in range(places):
            throttle.retry_after(own, 1.0, now, rank, 3.0 if reserve else 0.0)
            plain.retry_after(twin, 1.0, now)
    throttle.set_profile(own, None, now)
    assert own.slot >= twin.slot - 1e-6


class FollowingFloors(Throttle):
    """The same rule with floors that follow the present depths: they forgive what a bank let out before."""

    def _floors(self, limits, deepest):
        super()._floors(limits, sum(account.depth for account in self._accounts.values()))


def profiles_attack(kind, users, allocation, burst, lull, cycles=12):
    """Users who put a profile, let their banks fill, spend them at once, and take the profile back, again and again.

    Returns how far beyond the bound that got, in SR, and what a User within its allocation was told.
    """
    limits, reserve = Limits(1000.0, 1000.0, burst), 20.0
    allocations = dict.fromkeys(map(str, range(users)), allocation) | {"greedy": 1.0, "quiet": 20.0}
    names = list(allocations)[:users]
    attack = Attack(limits, allocations, kind(limits, allocations, 0.0, dict.fromkeys(names, reserve)))
    throttle, told = attack.throttle, []
    for _ in range(cycles):
        attack.greed("greedy", 0.05, 4 * limits.threshold)
        for name in names:
            throttle.set_profile(throttle.account(name), reserve, attack.now)
        attack.greed("greedy", lull, 2 * limits.threshold)
        attack.spend(names)
        told.append(attack.ask("quiet"))
        for name in names:
            throttle.set_profile(throttle.account(name), None, attack.now)
        attack.ask(names[0])
        told.append(attack.ask("quiet"))
        attack.greed("greedy", 0.3, 4 * limits.threshold)
        told.append(attack.ask("quiet"))
    return attack.over - users * reserve, told


SIZES = [(20, 45.0, 0.1, 0.5), (5, 100.0, 0.1, 0.3), (100, 9.7, 0.1, 2.0)]


@pytest.mark.parametrize(("users", "allocation", "burst", "lull"), SIZES)
def test_profiles_put_and_taken_back_in_step_with_bursts_break_no_bound_and_touch_nobody_within_its_allocation(
    users, allocation, burst, lull
):
    over, told = profiles_attack(Throttle, users, allocation, burst, lull)
    assert over <= 1e-3
    assert told == [WITHIN] * len(told)


def test_that_attack_breaks_floors_that_follow_the_present_depths():
    assert profiles_attack(FollowingFloors, *SIZES[0])[0] > 100
