"""`make faults-relay` in short: whatever is killed, each SR that was taken comes to one end, and is told."""

from __future__ import annotations

import asyncio

import pytest
from bench.faults.campaign import Order
from bench.faults.relay.scenarios import SCENARIOS

pytestmark = pytest.mark.long

FEW = {"in_a_row": 3, "lanes": 24}


@pytest.mark.parametrize(("name", "least"), [("relay-kill-callback", 100), ("relay-kill-hold", 50)])
def test_kill_9_of_a_relay_loses_nothing(tmp_path, name, least):
    outcome = asyncio.run(SCENARIOS[name].run(tmp_path, Order(name, 8, 4, 200.0), habits=FEW))
    assert outcome.violations == {}, outcome.examples
    assert outcome.counts["acknowledged"] > least
    assert sum(outcome.faults.values()) >= 4


def test_each_scenario_says_what_it_does():
    assert all(scenario.says and scenario.rounds >= 1 for scenario in SCENARIOS.values())
