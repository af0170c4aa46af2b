"""Priority profiles in the decision: classes within the bank and within the fair part, teams, lines."""

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from throttle_model import Bank, Excursion, depths, merged, overload, poisson, system_depth

from sluicegate.throttle import EXCESS, NO_TEAM, THROTTLED, WITHIN, Limits, Teams, Throttle, allocation_depth
from thorough import examples

LIMITS = Limits(1000.0, 800.0)
SEEDS = st.integers(0, 10_000)


def urgent_and_bulk(allocation, reserve, urgent_part, seconds, seed, bulk_factor=6.0, sharing="fair"):
    """One User's urgent Poisson load behind bulk without end, others in an overload: what became of both, in requests.

    Returns urgent offered and served, and all that was served, with the profile and without.
    """
    limits = Limits(1000.0, 800.0, sharing=sharing)
    served = []
    offered = urgent = 0
    for keeps in (reserve, 0.0):
        rng = random.Random(seed)
        throttle = Throttle(limits, {"own": allocation, "greedy": 400.0}, 0.0, {"own": keeps} if keeps else {})
        own, greedy = throttle.account("own"), throttle.account("greedy")
        total = urgent_served = offered = 0
        requests = merged(
            poisson("urgent", urgent_part * allocation, seconds, rng),
            poisson("bulk", bulk_factor * allocation, seconds, rng),
            poisson("greedy", 1000.0, seconds, rng),
        )
        for now, kind, weight in requests:
            if kind == "greedy":
                throttle.decide(greedy, weight, now)
                continue
            outcome = throttle.decide(own, weight, now, keeps if kind == "bulk" else 0.0)
            if now < 5.0 + 2 * reserve / allocation:
                continue
            total += outcome != THROTTLED
            if kind == "urgent":
                offered += 1
                urgent_served += outcome != THROTTLED
        served.append(total)
        if keeps:
            urgent = urgent_served
            wanted = offered
    return wanted, urgent, served[0], served[1]


@pytest.mark.parametrize(
    ("allocation", "seconds", "part", "reserve"),
    [
        (2.0, 400.0, 0.5, 6.0),
        (300.0, 40.0, 0.8, 15.0),
        pytest.param(2.0, 400.0, 0.8, 15.0, marks=pytest.mark.long),
        pytest.param(300.0, 40.0, 0.5, 6.0, marks=pytest.mark.long),
    ],
)
def test_urgent_requests_that_fit_the_allocation_are_served_whatever_the_bulk_and_nothing_is_lost(
    allocation, seconds, part, reserve
):
    """At 2 requests/s as at 300: 99.9% of the urgent, and the User's throughput within 1%, and one request."""
    wanted, urgent, with_profile, without = urgent_and_bulk(allocation, reserve, part, seconds, seed=4)
    assert wanted > 300
    assert urgent >= 0.999 * wanted - 1
    assert with_profile >= 0.99 * without - 1


def test_urgent_requests_beyond_the_allocation_have_the_fair_part_of_the_excess_before_bulk_has_it():
    """The User's part of the spare is not spent on bulk while its urgent requests are throttled."""
    served = []
    for reserve in (6.0, 0.0):
        rng = random.Random(8)
        throttle = Throttle(LIMITS, {"own": 100.0, "greedy": 400.0}, 0.0, {"own": 6.0})
        count = 0
        for now, kind, weight in merged(
            poisson("urgent", 130.0, 30.0, rng), poisson("bulk", 600.0, 30.0, rng), poisson("greedy", 3000.0, 30.0, rng)
        ):
            who = throttle.account("greedy" if kind == "greedy" else "own")
            outcome = throttle.decide(who, weight, now, reserve if kind == "bulk" else 0.0)
            count += kind == "urgent" and outcome != THROTTLED and now > 5.0
        served.append(count / (25 * 130.0))
    assert served[0] >= 0.97
    assert served[1] <= 0.7


@given(seed=SEEDS, reserve=st.sampled_from([1.0, 6.0, 15.0]), allocation=st.sampled_from([1.0, 10.0, 120.0]))
@settings(max_examples=examples(60), deadline=None)
def test_a_class_is_never_throttled_while_all_that_its_user_sends_conforms_to_the_bank_less_what_is_reserved_above_it(
    seed, reserve, allocation
):
    """The protection of the rule, for a class: here the last, whose bank is what it is without a profile."""
    rng = random.Random(seed)
    limits = Limits(200.0, 80.0)
    throttle = Throttle(limits, {"own": allocation, "greedy": 40.0}, 0.0, {"own": reserve})
    own, greedy = throttle.account("own"), throttle.account("greedy")
    bank = Bank(Fraction(allocation), Fraction(allocation_depth(allocation, 0.5, 1.0)))
    now = 0.0
    for _ in range(400):
        now += rng.expovariate(4 * allocation + 100.0)
        throttle.decide(greedy, 1.0, now)
        bank.fill(Fraction(now))
        if bank.level >= 1:
            bank.take(1)
            assert throttle.decide(own, 1.0, now, reserve if rng.random() < 0.5 else 0.0) == WITHIN


@given(seed=SEEDS, weights=st.sampled_from([(1.0,), (1.0, 1.0, 5.0)]), sharing=st.sampled_from(["fair", "first-come"]))
@settings(max_examples=examples(60), deadline=None)
def test_with_profiles_put_at_any_time_no_more_is_admitted_than_the_capacity_and_the_depths_allow(
    seed, weights, sharing
):
    rng = random.Random(seed)
    limits = Limits(100.0, 80.0, heaviest=max(weights), sharing=sharing)
    allocations = {str(n): rng.choice([0.0, 0.5, 2.0, 10.0]) for n in range(8)}
    most_reserve = 10.0
    throttle = Throttle(limits, allocations)
    seen = Excursion(limits.maximum)
    deepest = depths(limits, allocations) + len(allocations) * (most_reserve + 5 * limits.heaviest)
    now = 0.0
    for _ in range(1500):
        now += rng.expovariate(150.0) if rng.random() < 0.98 else 1.0
        user = throttle.account(rng.choice(list(allocations)))
        if rng.random() < 0.05:
            teams = rng.choice([(), (0.5, 0.25), (1.0,), (0.1, 0.2, 0.3, 0.4)])
            throttle.set_profile(user, rng.choice([None, 0.0, 3.0, most_reserve]), now, teams)
        weight = rng.choice(weights)
        team = rng.randrange(-1, len(user.teams.parts)) if user.teams else NO_TEAM
        outcome = throttle.decide_team(user, weight, now, rng.choice([0.0, 3.0, most_reserve]), team)
        if outcome != THROTTLED:
            seen.add(now, weight)
        elif rng.random() < 0.2:
            assert 1 <= throttle.retry_after(user, weight, now, rng.randrange(4), 3.0) <= 300
    assert seen.most <= deepest + system_depth(limits.threshold, 0.5, limits.heaviest) + 1e-6


@given(seed=SEEDS)
@settings(max_examples=examples(25), deadline=None)
def test_a_profile_moves_no_other_user_within_its_allocation_and_its_excess_by_no_more_than_a_burst(seed):
    rng = random.Random(seed)
    allocations = {"own": 60.0, "a": 100.0, "b": 20.0}
    asks = [
        (now, name, rng.random() < 0.3)
        for now, name, _ in merged(
            *(poisson(name, 8 * a, 8.0, random.Random(rng.random())) for name, a in allocations.items())
        )
    ]
    limits = Limits(300.0, 250.0)
    within, excess = [], []
    for reserve in (0.0, 8.0):
        throttle = Throttle(limits, allocations, 0.0, {"own": 8.0})
        told = [
            (name, throttle.decide(throttle.account(name), 1.0, at, reserve if name == "own" and not urgent else 0.0))
            for at, name, urgent in asks
        ]
        within.append([outcome == WITHIN for name, outcome in told if name != "own"])
        excess.append({who: sum(n == who and o == EXCESS for n, o in told) for who in ("a", "b")})
    assert within[0] == within[1]
    burst = system_depth(250.0, 0.5, 1.0)
    assert all(abs(excess[0][who] - excess[1][who]) <= burst for who in ("a", "b"))


def test_two_hundred_users_who_all_reserve_lock_no_capacity():
    """Reserves in the fair parts stay below the caps that vessels have anyway: what is spare is still used."""
    rng = random.Random(3)
    limits = Limits(1000.0, 800.0)
    allocations = {str(n): 2.0 for n in range(200)}
    throttle = Throttle(limits, allocations, 0.0, dict.fromkeys(allocations, 6.0))
    admitted = 0
    for now, name, weight in merged(*(poisson(name, 12.0, 20.0, random.Random(rng.random())) for name in allocations)):
        outcome = throttle.decide(throttle.account(name), weight, now, 0.0 if rng.random() < 0.1 else 6.0)
        admitted += outcome != THROTTLED and now >= 5.0
    assert admitted >= 0.98 * 15 * limits.threshold


def test_who_puts_profile_after_profile_gains_nothing_and_disturbs_nobody():
    def run(putting):
        throttle = Throttle(LIMITS, {"own": 50.0, "a": 100.0, "b": 100.0}, 0.0, {"own": 0.0})
        got = dict.fromkeys(("own", "a", "b"), 0)
        for step in range(40_000):
            now = step / 2000
            name = ("own", "a", "b")[step % 3]
            user = throttle.account(name)
            if putting and name == "own":
                throttle.set_profile(user, (0.0, 20.0)[step % 2], now, ((), (0.5, 0.5))[step % 2])
            got[name] += throttle.decide(user, 1.0, now) != THROTTLED and now > 5.0
        return got

    quiet, busy = run(putting=False), run(putting=True)
    assert busy["own"] <= quiet["own"] + 20 + 15 * 0.02 * 50
    for name in ("a", "b"):
        assert abs(busy[name] - quiet[name]) <= 0.02 * quiet[name]


def pressed_team(parts, allocation=40.0, reserve=0.0):
    throttle = Throttle(
        LIMITS, {"own": allocation, "greedy": 800.0 - allocation}, 0.0, {"own": reserve}, {"own": parts}
    )
    greedy = throttle.account("greedy")
    for _ in range(3000):
        throttle.decide(greedy, 1.0, 0.0)
    return throttle, throttle.account("own"), greedy


@pytest.mark.parametrize("allocation", [2.0, 40.0, 300.0])
def test_a_team_has_its_part_whatever_the_other_teams_send_and_what_it_does_not_use_is_theirs(allocation):
    throttle, own, greedy = pressed_team((0.5, 0.3), allocation)
    rng = random.Random(1)
    served = {0: 0, 1: 0}
    offered = 0
    seconds = 600.0 / allocation + 20.0
    steady_half = 0.4 * allocation  # below its part of a half
    for now, who, weight in merged(
        poisson("greedy", 1000.0, seconds, rng),
        ((n / steady_half, "0", 1.0) for n in range(int(steady_half * seconds))),
        poisson("1", 5 * allocation, seconds, rng),
    ):
        if who == "greedy":
            throttle.decide(greedy, weight, now)
            continue
        outcome = throttle.decide_team(own, weight, now, 0.0, int(who))
        if now > 10.0:
            offered += who == "0"
            served[int(who)] += outcome == WITHIN
    assert served[0] == offered
    assert served[1] >= 0.97 * (seconds - 10.0) * 0.6 * allocation - 2


@given(seed=SEEDS)
@settings(max_examples=examples(40), deadline=None)
def test_what_the_teams_hold_is_never_more_than_the_bank_of_their_user_holds(seed):
    rng = random.Random(seed)
    throttle = Throttle(Limits(100.0, 80.0), {"own": 10.0, "greedy": 90.0}, 0.0, {}, {"own": (0.3, 0.3, 0.4)})
    own, greedy = throttle.account("own"), throttle.account("greedy")
    now = 0.0
    for _ in range(400):
        now += rng.expovariate(60.0) if rng.random() < 0.95 else 2.0
        if rng.random() < 0.7:
            throttle.decide(greedy, 1.0, now)
        throttle.decide_team(own, 1.0, now, 0.0, rng.randrange(-1, 3))
        assert own.teams.kept_for_others(NO_TEAM, now) <= own.level_at(now) + 1e-6


@pytest.mark.parametrize("parts", [(0.6, 0.5), (0.0,), (-0.1,), (float("nan"),), (0.01,) * 17])
def test_parts_of_teams_that_cannot_be_change_nothing(parts):
    throttle = Throttle(LIMITS, {"own": 10.0})
    own = throttle.account("own")
    with pytest.raises(ValueError, match="team"):
        throttle.set_profile(own, 5.0, 1.0, parts)
    assert (own.depth, own.profiled, own.teams) == (5.0, False, None)
    with pytest.raises(ValueError, match="team"):
        Teams(parts, 10.0, 0.5, 1.0, 0.0)


def test_bulk_waits_behind_urgent_requests_in_the_line_and_never_before_them():
    throttle = Throttle(LIMITS, {"own": 10.0, "greedy": 700.0}, 0.0, {"own": 6.0})
    own = throttle.account("own")
    for _ in range(2000):
        throttle.decide(throttle.account("greedy"), 1.0, 0.0)
        throttle.decide(own, 1.0, 0.0)
    bulk = [throttle.retry_after(own, 1.0, 0.0, 2, 6.0) for _ in range(400)]
    assert max(bulk) > 20
    first = throttle.retry_after(own, 1.0, 0.0, 0)
    assert first <= 2
    for _ in range(200):
        throttle.retry_after(own, 1.0, 0.0, 0)
    after = throttle.retry_after(own, 1.0, 0.0, 2, 6.0)
    assert after >= bulk[-1]
    assert throttle.retry_after(own, 1.0, 0.0, 1) >= 10  # behind class 0, before class 2


def test_a_profile_keeps_its_bank_over_a_change_of_limits_and_leaves_it_with_its_user():
    throttle = Throttle(LIMITS, {"own": 10.0})
    own = throttle.account("own")
    throttle.set_profile(own, 6.0, 0.0, (0.5,))
    assert own.depth == 5.0 + 6.0
    assert own.level == 5.0  # nothing is minted by putting a profile
    throttle.reconfigure(LIMITS, {"own": 10.0}, 0.1, {"own": 6.0}, {"own": (0.5,)})
    assert own.depth == 11.0
    assert own.level == pytest.approx(6.0)
    throttle.reconfigure(LIMITS, {"own": 10.0}, 0.2)
    assert (own.depth, own.teams, own.profiled) == (5.0, None, False)


def test_the_fairness_rule_holds_with_profiles_on():
    rng = random.Random(12)
    allocations = {"a": 100.0, "b": 50.0, "c": 200.0}
    throttle = Throttle(Limits(1000.0, 800.0), allocations, 0.0, dict.fromkeys(allocations, 6.0))
    plain = throttle.decide
    throttle_decide = lambda user, weight, now, _: plain(user, weight, now, 0.0 if rng.random() < 0.2 else 6.0)  # noqa: E731

    class Profiled:
        limits, account, decide = throttle.limits, staticmethod(throttle.account), staticmethod(throttle_decide)

    measured = overload(
        Profiled,
        allocations,
        merged(*(poisson(n, 10 * a, 30.0, random.Random(a)) for n, a in allocations.items())),
        20.0,
    )
    for name, allocation in allocations.items():
        part = measured.spare * allocation / 350.0
        assert abs(measured.users[name].excess - part) <= 0.05 * part + 1


@pytest.mark.parametrize("reserve", [float("nan"), -5.0, float("inf")])
def test_a_reserve_that_cannot_be_changes_nothing(reserve):
    throttle = Throttle(LIMITS, {"own": 10.0})
    own = throttle.account("own")
    with pytest.raises(ValueError, match="a reserve is 0 SR or more"):
        throttle.set_profile(own, reserve, 1.0)
    with pytest.raises(ValueError, match="a reserve is 0 SR or more"):
        throttle.reconfigure(LIMITS, {"own": 10.0}, 1.0, {"own": reserve})
    with pytest.raises(ValueError, match="a reserve is 0 SR or more"):
        Throttle(LIMITS, {"own": 10.0}, 0.0, {"own": reserve})
    assert (own.depth, own.profiled) == (5.0, False)


def test_a_team_that_is_no_more_is_none():
    throttle, own, _ = pressed_team((0.5, 0.3))
    throttle.set_profile(own, 0.0, 0.0, (0.5,))
    assert throttle.decide_team(own, 1.0, 1.0, 0.0, 1) in (WITHIN, EXCESS, THROTTLED)


@pytest.mark.parametrize("allocation", [2.8, 10.0, 60.0])
def test_a_user_that_asks_for_little_more_than_its_allocation_pays_next_to_nothing_for_its_reserve(allocation):
    """Within 3%: nobody is refused for what might come where the User asked for less than its part before."""
    seconds = 3000.0 / allocation
    allocations = {"own": allocation, "a": 2 * allocation, "b": 2 * allocation}
    limits = Limits(8 * allocation, 7 * allocation)
    served = []
    for reserve in (6.0, 0.0):
        throttle = Throttle(limits, allocations, 0.0, {"own": 6.0} if reserve else {})
        classes = random.Random(5)
        count = 0
        for now, name, weight in merged(
            poisson("own", 1.3 * allocation, seconds, random.Random(1)),
            poisson("a", 6 * allocation, seconds, random.Random(2)),
            poisson("b", 6 * allocation, seconds, random.Random(3)),
        ):
            kept = reserve if name == "own" and classes.random() < 0.7 else 0.0
            outcome = throttle.decide(throttle.account(name), weight, now, kept)
            count += name == "own" and outcome != THROTTLED
        served.append(count)
    assert served[0] >= 0.97 * served[1]
