import pytest
from bench.decision import FEW, USERS, decide_all, growth, outcomes, overload


@pytest.mark.parametrize("users", [FEW, USERS, 1_000])
def test_the_load_is_an_overload_with_all_three_outcomes(users):
    load = overload(users, 20_000)
    found = outcomes(load)
    total = sum(found.values())
    assert total == len(load.requests)
    assert found["within"] > 0.2 * total
    assert found["excess"] > 0.05 * total
    assert found["throttled"] > 0.3 * total


def test_both_weights_occur():
    assert {weight for _, weight in overload(FEW, 2_000).requests} == {1.0, 5.0}


def test_the_clock_of_the_load_goes_on():
    load = overload(FEW, 1_000)
    assert decide_all(load, 5.0) == pytest.approx(5.0 + 1_000 * load.step)


def test_growth_sees_what_is_kept():
    load = overload(FEW, 1_000)
    kept = []
    real = load.throttle

    class Hoarder:
        def decide(self, account, weight, now):
            kept.append(now)
            return real.decide(account, weight, now)

    leaking = type(load)(Hoarder(), load.requests, load.step)
    assert growth(leaking, 10_000) > 10_000 * 8
    assert growth(load, 10_000) < 4_096
