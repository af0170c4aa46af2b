import pytest
from bench.figures import Sample, figure, ratio, spread, verify
from bench.loader import Sent
from bench.processes import BenchError
from bench.report import Grid, cell, grids, markdown
from bench.targets import FORWARDING, REJECTING, verdicts
from hypothesis import given
from hypothesis import strategies as st


def sent(completed=10_000, *, statuses=None, unexpected=0, lost=0, reconnects=0, p99=1.0, cpu=0.5):
    statuses = statuses if statuses is not None else {200: completed}
    return Sent(2.0, completed, unexpected, lost, reconnects, statuses, {"p50": 0.5, "p99": p99}, 0.1, cpu)


def sample(number, contender, completed, case=FORWARDING, **more):
    return Sample(number, case, contender, sent(completed), sent(), **more)


def test_a_median_comes_with_its_least_and_most():
    found = spread([3.0, 1.0, 2.0])
    assert (found.median, found.least, found.most) == (2.0, 1.0, 3.0)


def test_no_values_have_no_median():
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_a_ratio_is_taken_within_each_round_before_the_median():
    # The machine slowed down tenfold in round 2, for both: medians of each side would say 0.5 / 1 = 0.5.
    samples = [
        sample(1, "sluicegate", 1000),
        sample(1, "haproxy", 2000),
        sample(2, "sluicegate", 90),
        sample(2, "haproxy", 100),
        sample(3, "sluicegate", 800),
        sample(3, "haproxy", 1000),
    ]
    found = ratio(samples, FORWARDING, "sluicegate", "haproxy")
    assert found is not None
    assert (found.median, found.least, found.most) == pytest.approx((0.8, 0.5, 0.9))


def test_a_round_that_one_side_missed_gives_no_ratio():
    assert ratio([sample(1, "sluicegate", 10), sample(2, "haproxy", 10)], FORWARDING, "sluicegate", "haproxy") is None


def test_cpu_counts_per_thousand_answers():
    assert sent(10_000, cpu=0.5).cpu_per_thousand == pytest.approx(0.05)


def test_the_added_tail_is_the_difference_at_the_same_rate():
    samples = [Sample(1, FORWARDING, "sluicegate", sent(), sent(p99=3.5), sent(p99=1.0))]
    added = figure(samples, FORWARDING, "sluicegate", "p99 added ms")
    assert added is not None
    assert added.median == pytest.approx(2.5)
    assert figure([sample(1, "sluicegate", 5)], FORWARDING, "sluicegate", "p99 added ms") is None


def test_expected_answers_pass():
    good = sent(10_000, unexpected=10, statuses={200: 9_990, 502: 10})
    assert verify(good, rejecting=False, what="x") is good


@pytest.mark.parametrize(
    "bad",
    [
        {"unexpected": 11, "statuses": {200: 9_989, 502: 11}},
        {"lost": 11},
        {"reconnects": 11},
        {"unexpected": 5, "lost": 4, "reconnects": 4},
    ],
)
def test_errors_do_not_count_as_throughput(bad):
    with pytest.raises(BenchError, match="gateway, forwarding"):
        verify(sent(10_000, **bad), rejecting=False, what="gateway, forwarding")


def test_a_run_without_any_answer_fails():
    with pytest.raises(BenchError, match="no answers"):
        verify(sent(0, statuses={}), rejecting=False, what="x")


def test_what_tiny_banks_admit_is_no_error_but_has_its_limit():
    few = sent(10_000, unexpected=100, statuses={200: 100, 429: 9_900})
    assert verify(few, rejecting=True, what="x") is few
    with pytest.raises(BenchError, match="admitted where all should be throttled"):
        verify(sent(10_000, unexpected=101, statuses={200: 101, 429: 9_899}), rejecting=True, what="x")


def test_the_wrong_refusal_is_an_error():
    with pytest.raises(BenchError, match="5000 x 503"):
        verify(sent(10_000, unexpected=5_000, statuses={429: 5_000, 503: 5_000}), rejecting=True, what="x")


def test_targets_say_what_was_missed():
    samples = [
        sample(1, "sluicegate", 100),
        sample(1, "haproxy", 300),
        sample(1, "envoy", 20),
        sample(1, "sluicegate", 100, case=REJECTING),
        sample(1, "haproxy", 199, case=REJECTING),
    ]
    assert [(verdict.what.split(",")[0], verdict.met) for verdict in verdicts(samples)] == [
        ("forwarding: requests/s", False),
        ("forwarding: requests/s", True),
        ("rejecting: requests/s", True),
    ]


def test_what_was_not_measured_is_not_judged():
    assert verdicts([sample(1, "haproxy", 100)]) == []


def test_tables_hold_only_who_was_measured():
    from bench.peers import CASES, CONTENDERS

    found = grids([sample(1, "sluicegate", 100), sample(1, "nginx", 400)], CASES, CONTENDERS)
    assert [grid.title for grid in found] == ["Forwarding"]
    assert [row[:3] for row in found[0].rows] == [("Sluicegate", "1", "50"), ("nginx limit_req", "0.25", "200")]


def test_markdown_has_a_row_a_contender_and_no_place_of_the_machine():
    page = markdown([Grid("T", ("", "a"), (("x", "1"),))], {"cores": "2"}, "make bench", "2026-01-01", "medians")
    assert "| x | 1 |" in page
    assert "cores 2" in page


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=9))
def test_a_cell_shows_its_range_unless_there_is_none(values):
    text = cell(spread(values), 0)
    assert ("(" in text) == (f"{min(values):,.0f}" != f"{max(values):,.0f}")
