"""`sluicegate simulate` as people meet it: files, messages, exit codes, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from sluicegate.cli import main

TINY = Path(__file__).parent.parent / "simulate" / "study" / "tiny.toml"
FILES = ["report.html", "results.parquet", "summary.json"]
PROCESS = [sys.executable, "-c", "from sluicegate.cli import main; main()", "simulate"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        result = CliRunner().invoke(main, ["simulate", *map(str, words)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def summary(folder):
    return json.loads((folder / "summary.json").read_text("utf-8"))


def test_the_policies_of_the_scenario_are_run_with_its_seed_into_a_folder_of_its_name(run, tmp_path):
    result = run(TINY, "--no-equivalent")
    assert result.exit_code == 0, result.stderr
    folder = tmp_path / "out" / "tiny-1"
    assert sorted(os.listdir(folder)) == FILES
    assert [one["name"] for one in summary(folder)["policies"]] == ["none", "allocation"]
    assert summary(folder)["complete"] is True
    for name in FILES:
        assert str(Path("out") / "tiny-1" / name) in result.stdout
    assert "urgent in" in result.stdout
    assert result.stderr.splitlines() == ["none: done", "allocation: done"]


def test_quiet_prints_where_the_files_are_and_nothing_else(run):
    result = run(TINY, "--policy", "none", "--seed", 7, "--out", "here", "--quiet")
    assert result.stdout.splitlines() == [f"here/{name}" for name in ("summary.json", "results.parquet", "report.html")]
    assert result.stderr == ""


def test_settings_scale_and_seed_are_those_that_were_given(run, tmp_path):
    words = (TINY, "--policy", "adt+allocation", "--seed", 9, "--scale", 0.5, "--no-equivalent", "--out", "here")
    settings = ("--set", "capacity.operating_threshold=0.5", "--set", "title=Half of it")
    assert run(*words, *settings).exit_code == 0
    found = summary(tmp_path / "here")["scenario"]
    assert (found["seed"], found["scale"], found["title"]) == (9, 0.5, "Half of it")
    assert found["operating_threshold"] == pytest.approx(0.5 * found["maximum"])


def test_a_sweep_writes_its_runs_too(run, tmp_path):
    words = ("--sweep", "capacity.operating_threshold=0.6..1:2", "--seeds", 2, "--jobs", 1, "--out", "here")
    assert run(TINY, "--policy", "allocation", *words).exit_code == 0
    assert sorted(os.listdir(tmp_path / "here")) == sorted([*FILES, "sweep.parquet"])
    found = summary(tmp_path / "here")["sweep"]
    assert found["parameters"] == [{"path": "capacity.operating_threshold", "values": [0.6, 1.0]}]
    assert found["seeds"] == 2


def test_without_names_the_files_hold_none(run, tmp_path):
    (tmp_path / "secret.key").write_bytes(b"k" * 32)
    words = ("--policy", "none", "--out", "here", "--anonymous", "--key-file", "secret.key")
    assert run(TINY, *words).exit_code == 0
    for name in FILES:
        assert b"Supplier A" not in (tmp_path / "here" / name).read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a scenario"),
        (["no-such-day"], "there is no scenario"),
        (["none.toml"], "there is no such file"),
        ([TINY, "--policy", "alocation"], "'alocation' is not a policy"),
        ([TINY, "--policy", "capacity:0"], "K is a number above 0"),
        ([TINY, "--seed", "-1"], "--seed"),
        ([TINY, "--scale", "0"], "scale"),
        ([TINY, "--set", "capacity"], "must be PATH=VALUE"),
        ([TINY, "--set", "capacity.threshold=1"], "there is no key"),
        ([TINY, "--sweep", "capacity.operating_threshold"], "path=from..to:count"),
        ([TINY, "--sweep", "capacity.operating_threshold=0.5..1.5:3"], "operating_threshold"),
        ([TINY, "--sweep", "capacity.operating_threshold=0.5..1:3", "--seeds", "99999"], "100,000 are the most"),
        ([TINY, "--seeds", "3"], "belong to --sweep"),
        ([TINY, "--cluster", "tcp://127.0.0.1:1"], "belong to --sweep"),
        ([TINY, "--anonymous"], "go together"),
        ([TINY, "--key-file", "x"], "go together"),
        ([TINY, "--anonymous", "--key-file", "x"], "cannot be read"),
        ([TINY, "--anonymous", "--key-file", "short.key"], "needs 16 at least"),
        ([TINY, "--out", "full"], "holds other things (mine.txt)"),
        ([TINY, "--out", "short.key"], "is a file"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence_before_anything_runs_and_ends_with_2(run, tmp_path, words, said):
    (tmp_path / "short.key").write_bytes(b"k" * 15)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    result = run(*words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert "done" not in result.stderr
    assert sorted(os.listdir(tmp_path)) == ["full", "short.key"]


def test_a_cluster_that_cannot_be_reached_costs_the_sweep_and_not_the_rest(run, tmp_path):
    words = ("--sweep", "capacity.operating_threshold=0.6..1:2", "--seeds", 2, "--cluster", "nonsense://x:1")
    result = run(TINY, "--policy", "none", "--out", "here", *words)
    assert result.exit_code == 1
    assert "the cluster nonsense://x:1 cannot be reached" in result.stderr
    assert summary(tmp_path / "here")["sweep"] is None


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_folder_that_cannot_be_written_is_said(run, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    result = run(TINY, "--policy", "none", "--out", "locked/here")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_the_list_names_scenarios_and_policies(run):
    result = run("--list")
    assert result.exit_code == 0
    for name in ("ordinary-day", "gb-day", "imposed-priority", "capacity:K"):
        assert name in result.stdout


def test_the_same_seed_gives_the_same_bytes_in_another_process_and_over_several(tmp_path):
    found = []
    for number, jobs in enumerate((1, 2)):
        folder = tmp_path / str(number)
        words = [TINY, "--out", folder, "--jobs", jobs, "--quiet", "--no-equivalent"]
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        subprocess.run([*PROCESS, *map(str, words)], check=True, timeout=300, capture_output=True, env=environment)
        found.append({name: (folder / name).read_bytes() for name in os.listdir(folder)})
    assert sorted(found[0]) == FILES
    assert found[0] == found[1]


def gone(group: int) -> bool:
    """Whether the processes of a group end by themselves: those of the library that keeps its files need a moment."""
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(("jobs", "how"), [(1, "Ctrl-C"), (2, "Ctrl-C"), (2, "SIGTERM")])
def test_ctrl_c_and_sigterm_write_what_was_finished_and_say_that_it_is_not_all(tmp_path, jobs, how):
    """Ctrl-C goes to the process and to all that it has started, SIGTERM to it alone, when the first policy is done."""
    names = ["none", *(f"capacity:{k}" for k in range(2, 60))]
    words = [TINY, "--out", tmp_path / "here", "--jobs", jobs, "--no-equivalent"]
    words += [word for name in names for word in ("--policy", name)]
    running = subprocess.Popen(
        [*PROCESS, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with running:
        assert running.stderr.readline().endswith(": done\n")
        if how == "Ctrl-C":
            os.killpg(running.pid, signal.SIGINT)
        else:
            running.terminate()
        _, stderr = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "Traceback" not in stderr
    assert "Stopped before the end" in stderr
    found = summary(tmp_path / "here")
    assert found["complete"] is False
    assert gone(running.pid), "what it has started goes on"
    finished = [one["name"] for one in found["policies"]]
    assert finished == [name for name in names if name in finished]
    assert 1 <= len(finished) < len(names)
    assert sorted(os.listdir(tmp_path / "here")) == FILES


def test_without_the_packages_of_the_extra_it_says_how_to_have_them(tmp_path):
    code = "import sys; sys.modules['numpy'] = None\nfrom sluicegate.cli import main\nmain()"
    words = [sys.executable, "-c", code, "simulate", "--list"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'sluicegate[evidence]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_none_of_the_packages_of_the_extra():
    code = (
        "import sys\nfrom sluicegate.cli import main\n"
        "try: main(['simulate', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'scipy', 'pyarrow', 'joblib', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.strip() == "[]"
