import pytest
from bench.profile_loss import Loss, Scenario, loss, summary


def test_a_scenario_is_the_same_whenever_it_is_drawn():
    assert Scenario.drawn(3, 1.3) == Scenario.drawn(3, 1.3) != Scenario.drawn(4, 1.3)


@pytest.mark.parametrize("seed", [3, 11])
def test_both_runs_have_the_same_requests_and_others_are_within_as_ever(seed):
    scenario = Scenario.drawn(seed, 1.3)
    found = loss(scenario)
    asked = sum(name == scenario.own for _, name, _ in scenario.requests)
    assert 0 < found.served <= asked
    assert 0 < found.without <= asked


def test_the_summary_counts_what_was_lost_and_names_the_worst():
    scenario = Scenario.drawn(11, 1.3)
    said = summary([Loss(scenario, served, 100) for served in (101, 100, 98, 90)])
    assert said.startswith(
        "2 of 4 scenarios lost more than 1% of the User's throughput, 1 more than 5%; the worst 10.0%"
    )
    assert "10 of 100 requests, seed 11" in said


def test_nothing_is_lost_of_nothing():
    assert Loss(Scenario.drawn(11, 1.3), 0, 0).part == 0.0
