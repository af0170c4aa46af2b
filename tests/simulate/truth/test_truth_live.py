"""Live and simulated: one scenario, shortened, over real HTTP. `make truth` has them all, a minute each."""

import math
from dataclasses import replace

import pytest
from bench.truth import Cell, compare, grid, live, main, simulated, traces

from sluicegate.simulate.demo.processes import DidNotStartError

pytestmark = pytest.mark.long

SECONDS = 8.0


def test_the_same_requests_end_alike_live_and_simulated(tmp_path):
    cells = compare(traces(SECONDS)["one User's burst"], tmp_path)
    assert {cell.outcome for cell in cells if cell.user == "User A"} >= {"delivered", "throttled"}
    assert {cell.outcome for cell in cells if cell.user != "User A"} == {"delivered"}
    assert not [cell for cell in cells if not cell.agrees]
    delivered = sum(cell.live for cell in cells if cell.outcome == "delivered")
    assert delivered > 300


@pytest.mark.parametrize("name", traces(60.0))
def test_each_scenario_has_what_it_is_named_for(name):
    trace = traces(60.0)[name]
    found = simulated(trace)
    assert any(count for (_, outcome), count in found.items() if outcome == "throttled") == trace.enforce
    assert any(count for (_, outcome), count in found.items() if outcome == "failed") != trace.enforce
    sent = sum(len(trace.times(user)) for user in range(len(trace.users)))
    ended = sum(count for (_, outcome), count in found.items() if outcome in ("delivered", "given up"))
    assert 0.8 * sent < ended <= sent


def test_a_difference_beyond_the_larger_bound_is_told():
    for simulated_count in (4, 100, 10_000):
        allowed = math.floor(max(0.03 * simulated_count, 3 * simulated_count**0.5))
        assert Cell("A", "delivered", simulated_count + allowed, simulated_count).agrees
        off = Cell("A", "delivered", simulated_count - allowed - 1, simulated_count)
        assert not off.agrees
        assert grid("one", [off]).rows[0][-1] == "NO"


def test_what_happened_only_live_is_a_difference():
    assert not Cell("A", "failed", 1, 0).agrees


def test_a_gateway_that_does_not_start_is_told(tmp_path):
    impossible = replace(traces(SECONDS)["one User's burst"], maximum=50.0, threshold=50.0)
    with pytest.raises(DidNotStartError, match="gateway ended with code 1"):
        live(impossible, tmp_path)


def test_a_length_that_shows_nothing_is_refused(capsys):
    assert main(["--seconds", "1"]) == 2
    assert "8 to 600" in capsys.readouterr().err
