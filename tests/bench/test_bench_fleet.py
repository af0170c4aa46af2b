"""What `make bench-fleet` sets up and judges."""

from pathlib import Path

import pytest
from bench.fleet.__main__ import _verdict, decision_table, gateway_table
from bench.fleet.apart import crew_of
from bench.fleet.gateways import ABOVE, APART, BELOW, FLEET, Books, Done, _asks, _settings
from bench.fleet.offered import CLOSER, MOST, Greatest, greatest
from bench.fleet.trips import WAYS, Rate
from bench.loader import Sent
from bench.peers import Site
from bench.processes import BenchError

from sluicegate import settings as reading


def sent(statuses: dict[int, int], lost: int = 0) -> Sent:
    return Sent(2.0, sum(statuses.values()), 0, lost, 0, statuses, {"p50": 0.5, "p99": 1.0}, 0.1, 0.5)


@pytest.mark.parametrize("case", [BELOW, ABOVE])
def test_workers_apart_have_together_what_the_fleet_has_over_the_threshold(tmp_path: Path, case):
    found = {}
    for way in (FLEET, APART):
        path = tmp_path / f"{way}.toml"
        path.write_text(_settings(Site(tmp_path, 9, None, ()), 8080, way, case, 4))
        found[way] = reading.load(path, insecure=True)
        assert found[way].gateway.workers == 4
        assert found[way].ledger.url is None
    parts = 4 if case == ABOVE else 1
    assert found[FLEET].capacity.operating_threshold == pytest.approx(parts * found[APART].capacity.operating_threshold)


def test_a_slice_counts_what_passed_and_what_the_ledger_did():
    done = Done()
    done.add(sent({200: 60, 429: 30, 503: 10}), Books(1.0, 10.0, 100.0), Books(1.5, 30.0, 400.0))
    assert (done.admitted, done.ledger, done.called, done.within) == (60, 0.5, 20.0, 300.0)
    assert done.spent.per_second == 50.0


@pytest.mark.parametrize("of", [sent({200: 9, 502: 1}), sent({200: 9}, lost=1)])
def test_an_answer_that_is_none_of_the_three_ends_the_run(of):
    with pytest.raises(BenchError):
        Done().add(of, Books(), Books())


def answered_up_to(bears: float, offered: list[float]):
    """A gateway whose answers lag beyond a rate."""

    def offer(rate: float) -> Sent:
        offered.append(rate)
        return Sent(2.0, round(2 * rate), 0, 0, 0, {200: 1}, {"p99": 20.0 if rate <= bears else 1000.1}, 0.1, 0.5)

    return offer


@pytest.mark.parametrize("bears", [5000.0, 11_000.0, 29_000.0])
def test_the_greatest_rate_is_one_at_which_answers_did_not_lag_and_little_more_is_too_much(bears):
    offered: list[float] = []
    found = greatest(answered_up_to(bears, offered), 5000.0)
    assert found.offered in offered
    assert found.offered <= bears < 1.06 * found.offered
    assert found.at.completed == round(2 * found.offered)


def test_a_gateway_whose_answers_lag_at_once_has_no_rate_and_one_that_bears_all_is_not_asked_for_more():
    offered: list[float] = []
    assert greatest(answered_up_to(0.0, offered), 5000.0) == Greatest()
    assert offered == [5000.0]
    assert greatest(answered_up_to(1e9, offered), 5000.0).offered < MOST
    assert max(offered) < MOST
    assert len(offered) < 10 + CLOSER


def test_over_the_threshold_what_is_judged_is_the_greatest_rate_and_not_the_one_that_was_offered():
    done, half = Done(), Done()
    for one, rate in ((done, 9000.0), (half, 4500.0)):
        one.add(sent({200: 100, 503: 25}), Books(), Books(0.1, 20.0, 200.0))
        one.greatest = Greatest(rate)
    page = gateway_table({ABOVE: [({FLEET: half, APART: done}, half)] * 2}, workers=4)
    assert any("greatest rate of the fleet over those apart 0.50" in line and "missed" in line for line in page)
    assert any("| 50 | 12 |" in line for line in page)  # forwarded and throttled, each second


def test_commands_of_the_functions_are_no_calls_of_the_workers():
    assert _asks("cmdstat_fcall")
    assert not _asks("cmdstat_hset")
    assert not _asks("cmdstat_info")


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        (((1.0, 0.95, 1.1),), "met"),
        (((0.95, 0.85, 1.0),), "not decided"),
        (((1.0, 0.95, 1.1), (0.8, 0.7, 0.85)), "missed"),
    ],
)
def test_a_bar_is_judged_by_the_whole_interval(ratios, said):
    assert _verdict(*ratios) == said


def test_the_pages_have_every_row():
    done = Done()
    done.add(sent({200: 100}), Books(), Books(0.1, 20.0, 200.0))
    page = gateway_table({BELOW: [({FLEET: done, APART: done}, done)] * 2}, workers=4)
    assert any("2 (2 to 2) calls of the Valkey" in line for line in page)  # 20 in 2 s by 4 workers, rounded
    table = decision_table({(short, way): [Rate(10.0, 1.0, 5.0, 1.0)] * 2 for short in (False, True) for way in WAYS})
    assert sum("missed" in line for line in table) == 4


def test_workers_that_share_nothing_start_no_ledger(tmp_path: Path):
    config = tmp_path / "apart.toml"
    config.write_text(_settings(Site(tmp_path, 9, None, ()), 8080, APART, BELOW, 4))
    crew = crew_of(config)
    assert crew.settings.gateway.workers == 4
    assert str(crew.settings.ledger.url) == "unix:///nobody"
