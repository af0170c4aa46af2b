"""Sweeps: other settings and other seeds, here and on a cluster."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate.simulate.policy import parse
from sluicegate.simulate.scenario import load
from sluicegate.simulate.study import ClusterError, Parameter, SweepError, sweep
from sluicegate.simulate.study.sweep import MEASURES

TINY = str(Path(__file__).parent / "tiny.toml")
THRESHOLD = Parameter("capacity.operating_threshold", (0.6, 1.0))
POLICIES = [parse("none"), parse("allocation")]


def point(overrides):
    return load(TINY, overrides=overrides)


@pytest.fixture(scope="module")
def swept():
    return sweep(point, [THRESHOLD], POLICIES, [1, 2])


def test_there_is_a_row_for_each_run_and_an_interval_for_each_value(swept):
    assert swept.complete
    assert [(row[THRESHOLD.path], row["policy"], row["seed"]) for row in swept.rows] == [
        (value, policy.name, seed) for value in THRESHOLD.values for policy in POLICIES for seed in (1, 2)
    ]
    assert swept.summary["parameters"] == [{"path": THRESHOLD.path, "values": [0.6, 1.0]}]
    for policy in POLICIES:
        for name in MEASURES:
            told = swept.summary["policies"][policy.name][name]
            assert all(len(told[end]) == 2 for end in ("mean", "low", "high"))
            values = [row[name] for row in swept.rows if row["policy"] == policy.name and row[THRESHOLD.path] == 0.6]
            assert told["mean"][0] == pytest.approx(sum(values) / 2, rel=1e-5)
            assert told["low"][0] <= told["mean"][0] <= told["high"][0]


def test_what_the_threshold_cannot_change_it_does_not_and_what_it_changes_it_does(swept):
    none, allocation = (swept.summary["policies"][policy.name]["urgent_share"]["mean"] for policy in POLICIES)
    assert none[0] == none[1]
    assert allocation[0] != allocation[1]


def test_several_processes_find_what_one_finds(swept):
    apart = sweep(point, [THRESHOLD], POLICIES, [1, 2], jobs=2)
    assert apart.rows == swept.rows
    assert apart.summary == swept.summary


def test_a_run_that_fails_is_told_and_the_others_count(monkeypatch):
    def failing(task, reached):
        if task.seed == 2:
            raise ZeroDivisionError("of this run")
        return real(task, reached)

    module = sys.modules[sweep.__module__]
    real = module.perform
    monkeypatch.setattr(module, "perform", failing)
    found = sweep(point, [THRESHOLD], POLICIES[:1], [1, 2])
    assert found.complete
    assert [bool(row["error"]) for row in found.rows] == [False, True, False, True]
    assert found.failures[0] == f"{THRESHOLD.path}=0.6, none, seed 2: ZeroDivisionError: of this run"
    told = found.summary["policies"]["none"]["urgent_share"]
    assert told["mean"][0] == found.rows[0]["urgent_share"]
    assert told["low"] == [None, None]


def test_a_value_that_cannot_be_fails_its_own_runs_only():
    found = sweep(point, [Parameter(THRESHOLD.path, (0.9, -1.0))], POLICIES[:1], [1])
    assert [bool(row["error"]) for row in found.rows] == [False, True]
    assert THRESHOLD.path in found.rows[1]["error"]


def test_a_sweep_that_is_stopped_keeps_the_runs_that_were_finished(swept):
    class Stopping:
        def reached(self, name, part):
            if part >= 0.5:
                raise KeyboardInterrupt

    stopped = sweep(point, [THRESHOLD], POLICIES, [1, 2], watch=Stopping())
    assert not stopped.complete
    assert stopped.rows == swept.rows[:4]
    assert stopped.summary["policies"]["none"]["jain"]["mean"][1] is None


def test_too_many_runs_are_refused_before_any():
    with pytest.raises(SweepError, match="runs"):
        sweep(point, [THRESHOLD], POLICIES, range(100_000))


def test_a_cluster_that_is_not_there_is_said(monkeypatch):
    with pytest.raises(ClusterError, match="nonsense"):
        sweep(point, [THRESHOLD], POLICIES[:1], [1], cluster="nonsense://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install 'sluicegate\[cluster\]'"):
        sweep(point, [THRESHOLD], POLICIES[:1], [1], cluster="tcp://127.0.0.1:1")


ON_A_CLUSTER = """
import json, sys
from distributed import LocalCluster
from sluicegate.simulate.policy import parse
from sluicegate.simulate.scenario import load
from sluicegate.simulate.study import Parameter, sweep

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        found = sweep(
            lambda point: load(sys.argv[1], overrides=point),
            [Parameter("capacity.operating_threshold", (0.6, 1.0))],
            [parse("none"), parse("allocation")],
            [1, 2],
            cluster=cluster.scheduler_address,
        )
    print(json.dumps([found.complete, found.rows, found.summary]))
"""


@pytest.mark.long
def test_a_cluster_finds_what_this_machine_finds(swept, tmp_path):
    script = tmp_path / "on_a_cluster.py"
    script.write_text(ON_A_CLUSTER)
    ran = subprocess.run(
        [sys.executable, script, TINY], capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    complete, rows, summary = json.loads(ran.stdout.splitlines()[-1])
    assert complete
    assert rows == swept.rows
    assert summary == swept.summary
