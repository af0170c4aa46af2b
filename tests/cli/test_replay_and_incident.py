"""`sluicegate replay` and `sluicegate incident` as somebody at a terminal meets them."""

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from sluicegate.cli import main
from sluicegate.relay.demand import Minute, write_csv
from sluicegate.settings import starter

START = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
COLUMNS = ("time", "user", "request", "srv", "outcome", "status", "upstream_status", "latency")
PERIOD = ("--from", "2026-11-24T18:02", "--to", "2026-11-24T18:03")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def record(tmp_path):
    """Five minutes in which a large User bursts in the third, as CSV."""
    rows, number = [], 0
    for second in range(300):
        for user, rate in (("Large Supplier A", 9 if 120 <= second < 180 else 1), ("Network Operator B", 1)):
            for part in range(rate):
                number += 1
                held = rate > 1 and part > 6
                at = START + timedelta(seconds=second + part / 10)
                rows.append(
                    (
                        at.isoformat(),
                        user,
                        number,
                        "2.2",
                        *(("throttled", 503, "", "") if held else ("within", 200, 200, 0.1)),
                    )
                )
    return written(tmp_path / "day.csv", rows)


def written(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "new.toml"
    path.write_text(starter(), "utf-8")
    return path


def spoil(record, *lines):
    with record.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_replay_writes_three_files_and_a_table(run, record, config, tmp_path):
    result = run("replay", record, "--config", config, "--out", "results")
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir(tmp_path / "results")) == ["comparison.parquet", "report.html", "summary.json"]
    assert "Large Supplier A" in result.stdout
    assert str(tmp_path.name) not in result.stderr
    summary = json.loads((tmp_path / "results" / "summary.json").read_text("utf-8"))
    assert summary["replay"]["record"]["bad_rows"] == 0
    told = {one["user"]: one for one in summary["replay"]["per_user"]}
    assert told["Large Supplier A"]["recorded"]["throttled"] == 2 * 60
    assert told["Large Supplier A"]["replayed"]["throttled"] == 0
    again = run("replay", record, "--config", config, "--out", "results")
    assert again.exit_code == 0


def test_incident_writes_a_page_its_figures_and_a_table(run, record, config, tmp_path):
    result = run("incident", record, *PERIOD, "--config", config, "--out", "pages/evening.html")
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir(tmp_path / "pages")) == ["evening.html", "evening.json"]
    told = json.loads((tmp_path / "pages" / "evening.json").read_text("utf-8"))
    assert told["drivers"] == ["Large Supplier A"]
    assert "Most of what was sent beyond the usual came from Large Supplier A" in " ".join(result.stdout.split())
    assert told["said"][0] in (tmp_path / "pages" / "evening.html").read_text("utf-8")


def test_a_time_without_an_offset_is_of_the_zone(run, record, tmp_path):
    for words in (
        PERIOD,
        ("--from", "2026-11-24T19:02:00+01:00", "--to", "2026-11-24T18:03Z"),
        ("--from", "2026-11-24T19:02", "--to", "2026-11-24T19:03", "--zone", "Europe/Paris"),
    ):
        assert run("incident", record, *words).exit_code == 0
        told = json.loads((tmp_path / "incident.json").read_text("utf-8"))
        assert told["period"] == {"from": "2026-11-24T18:02:00+00:00", "to": "2026-11-24T18:03:00+00:00"}


def test_bad_rows_are_told_with_file_and_line_and_end_it_only_if_strict(run, record, config, tmp_path):
    lines = len(record.read_text("utf-8").splitlines())
    spoil(record, *(f"2026-11-24T18:04:59Z,A,{number},2.2,maybe,,," for number in range(12)))
    for words in (["replay", record, "--config", config], ["incident", record, *PERIOD]):
        result = run(*words)
        assert result.exit_code == 0
        assert f"day.csv:{lines + 1}: outcome: must be one of" in result.stderr
        assert f"day.csv:{lines + 11}:" not in result.stderr
        assert "12 problems in all; 2 are not shown." in result.stderr
    summary = json.loads((tmp_path / "out" / "replay" / "summary.json").read_text("utf-8"))
    assert summary["replay"]["record"]["bad_rows"] == 12
    for words in (
        ["replay", record, "--config", config, "--out", "x"],
        ["incident", record, *PERIOD, "--out", "x.html"],
    ):
        result = run(*words, "--strict")
        assert result.exit_code == 2
        assert "nothing is written" in result.stderr
        assert not (tmp_path / "x").exists()
        assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--from", "yesterday", "--to", "2026-11-24T18:03"], 2, "is no time in ISO 8601"),
        (["--from", "2026-11-24T18:03", "--to", "2026-11-24T18:02"], 1, "before it begins"),
        (["--from", "2026-11-25T18:02", "--to", "2026-11-25T18:03"], 1, "goes from 2026-11-24 18:00:00 UTC to"),
        ([*PERIOD, "--zone", "Atlantis/Main"], 2, "no time zone that this system knows"),
        ([*PERIOD, "--out", "page.txt"], 2, "must end in .html"),
        ([*PERIOD, "--out", "day.csv/page.html"], 1, "cannot be written"),
        ([*PERIOD, "--config", "none.toml"], 1, "there is no such file"),
    ],
)
def test_incident_says_what_is_wrong(run, record, words, code, said):
    result = run("incident", record, *words)
    assert result.exit_code == code
    assert said in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--habit", "sometimes"], 2, "is no habit. There are: seen, recorded"),
        (["--policy", "adt"], 2, "cannot be replayed"),
        (["--policy", "magic"], 2, "is not a policy"),
        (["--since", "2026-11-24T19:00"], 1, "nothing between --since and --until"),
        (["--since", "2026-11-24T19:00", "--until", "2026-11-24T18:00"], 2, "--since must be before --until"),
        (["--dsp-capacity", "0"], 2, "must be above 0"),
        (["--dsp-capacity", "nan"], 2, "must be above 0"),
        (["--anonymous"], 2, "--key-file FILE go together"),
        (["--out", "day.csv"], 2, "is a file"),
        (["--out", "."], 2, "holds other things"),
    ],
)
def test_replay_says_what_is_wrong(run, record, config, words, code, said):
    result = run("replay", record, "--config", config, *words)
    assert result.exit_code == code
    assert said in result.stderr


def test_a_record_that_is_none_ends_in_one_sentence(run, config, tmp_path):
    (tmp_path / "x.txt").touch()
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n", "utf-8")
    for name, said in [
        ("none.parquet", "is not there"),
        ("x.txt", "is no traffic record"),
        ("bad.csv", "has no column"),
    ]:
        for words in (["replay", name, "--config", config], ["incident", name, *PERIOD]):
            result = run(*words)
            assert result.exit_code == 1
            assert said in result.stderr
            assert "Traceback" not in result.stderr


def test_a_user_unknown_to_the_configuration_is_told(run, record, config):
    spoil(record, "2026-11-24T18:04:59Z,A stranger,1,2.2,within,200,200,0.1")
    result = run("replay", record, "--config", config, "--unknown", "leave-out")
    assert result.exit_code == 0
    assert "not in the configuration, and left out: 1 User (A stranger)" in result.stderr


def test_replay_with_pseudonyms_writes_nothing_by_user(run, config, tmp_path):
    (tmp_path / "key").write_bytes(b"k" * 32)
    config.write_text(starter(), "utf-8")
    names = [line.split('"')[1] for line in starter().splitlines() if line.startswith("name = ")]
    rows = [
        ((START + timedelta(seconds=at)).isoformat(), name, f"{at}{name}", "2.2", "within", 200, 200, 0.1)
        for at in range(60)
        for name in names
    ]
    record = written(tmp_path / "all.csv", rows)
    result = run("replay", record, "--config", config, "--anonymous", "--key-file", "key", "--out", "hidden")
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir(tmp_path / "hidden")) == ["report.html", "summary.json"]
    for file in (tmp_path / "hidden").iterdir():
        assert not any(name in file.read_text("utf-8") for name in names)


def test_incident_takes_what_relays_held_back_and_says_what_is_no_export(run, record, tmp_path):
    right, wrong = tmp_path / "held.csv", tmp_path / "wrong.csv"
    write_csv(right, [Minute("2026-11-24T18:02:00Z", "A", "reads", "4.1.1", came=9, held=8, waiting=7)])
    wrong.write_text("a,b\n")
    result = run("incident", record, *PERIOD, "--demand", right)
    assert result.exit_code == 0
    assert json.loads((tmp_path / "incident.json").read_text("utf-8"))["demand"][0]["held"] == 8
    for path, said in ((wrong, "its first line must be time,user,class,srv"), (tmp_path / "gone.csv", "is not there")):
        refused = run("incident", record, *PERIOD, "--demand", path)
        assert refused.exit_code == 2
        assert said in refused.stderr


@pytest.mark.parametrize("command", ["replay", "incident"])
def test_without_the_packages_one_sentence_says_what_to_install(record, config, command):
    words = {"replay": ["--config", str(config)], "incident": PERIOD}[command]
    code = "import sys; sys.modules['pyarrow'] = None\nfrom sluicegate.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, command, str(record), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'sluicegate[evidence]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["replay", "incident"])
def test_ctrl_c_writes_nothing(record, config, tmp_path, command):
    words = {"replay": ["--config", str(config), "--out", "out"], "incident": [*PERIOD, "--out", "out.html"]}[command]
    # As if somebody pressed Ctrl-C when the reading has begun.
    code = (
        "import os, signal\nfrom sluicegate.simulate.record import Record\n"
        "batches = Record.batches\n"
        "def stopped(self):\n    os.kill(os.getpid(), signal.SIGINT)\n    yield from batches(self)\n"
        "Record.batches = stopped\n"
        "from sluicegate.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command, str(record), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 130
    assert "Nothing was written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [name for name in os.listdir(tmp_path) if name.startswith("out")]


PROFILE = '[[class]]\nname = "top-ups"\nsrvs = ["2.*"]\nreserve = 6\n'


def test_profile_try_says_by_class_what_would_have_gone_the_other_way(run, record, config, tmp_path):
    (tmp_path / "profile.toml").write_text(PROFILE)
    words = ("profile", "try", "profile.toml", "--record", record, "--config", config, "--quiet")
    result = run(*words, "--user", "Large Supplier A")
    assert result.exit_code == 0, result.stderr
    assert "2026-11-24 18:00:00 to 18:04:59 UTC" in result.stdout
    assert "top-ups" in result.stdout
    assert "would have passed" in result.stdout
    part = run(*words, "--user", "Large Supplier A", "--since", "2026-11-24T18:02")
    assert "2026-11-24 18:02:00 to 18:04:59 UTC" in part.stdout


def test_profile_try_says_what_is_wrong(run, record, config, tmp_path):
    (tmp_path / "profile.toml").write_text(PROFILE)
    words = ("profile", "try", "profile.toml", "--config", config, "--record")
    assert "is no User of" in run(*words, record, "--user", "Nobody").stderr
    assert run(*words, tmp_path / "none", "--user", "Large Supplier A").exit_code == 1
