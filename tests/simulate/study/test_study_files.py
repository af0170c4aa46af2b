"""The files: whole or not there, the same bytes each time, and nothing else touched."""

import json
import os

import pyarrow.parquet as pq
import pytest

from sluicegate.simulate.evidence.files import as_json
from sluicegate.simulate.measures import COUNTS
from sluicegate.simulate.study import NAMES, FolderError, check_folder, write


def test_the_files_are_written_and_written_again_over_themselves(done, tiny, tmp_path):
    folder = tmp_path / "a" / "b"
    first = {path.name: path.read_bytes() for path in write(folder, done, tiny.world)}
    assert sorted(first) == ["report.html", "results.parquet", "summary.json"]
    assert {path.name: path.read_bytes() for path in write(folder, done, tiny.world)} == first
    assert sorted(os.listdir(folder)) == sorted(first)
    assert json.loads(first["summary.json"]) == json.loads(as_json(done.summary))


def test_a_folder_that_holds_other_things_is_left_alone(done, tiny, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"holds other things \(mine.txt\): name an empty or new folder"):
        write(tmp_path, done, tiny.world)
    assert os.listdir(tmp_path) == ["mine.txt"]
    with pytest.raises(FolderError, match="is a file"):
        check_folder(tmp_path / "mine.txt", NAMES)


def test_what_was_left_by_a_crash_in_mid_file_is_no_obstacle(done, tiny, tmp_path):
    (tmp_path / "summary.json.part").write_text("{")
    write(tmp_path, done, tiny.world)
    assert sorted(os.listdir(tmp_path)) == ["report.html", "results.parquet", "summary.json"]


def test_a_full_disk_leaves_the_old_file_whole_and_no_other(done, tiny, tmp_path, monkeypatch):
    write(tmp_path, done, tiny.world)
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, done, tiny.world)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_the_runs_of_an_earlier_sweep_do_not_stay_beside_a_study_without_one(done, tiny, tmp_path):
    (tmp_path / "sweep.parquet").write_bytes(b"old")
    write(tmp_path, done, tiny.world)
    assert "sweep.parquet" not in os.listdir(tmp_path)


def test_rows_of_every_scope_add_up_to_those_of_all(done, tiny, tmp_path):
    write(tmp_path, done, tiny.world)
    rows = pq.read_table(tmp_path / "results.parquet").to_pylist()
    for policy in ("none", "allocation"):
        by_scope = {}
        for row in rows:
            if row["policy"] == policy:
                by_scope.setdefault(row["scope"], []).append(row)
        assert set(by_scope) == {"all", "user", "role", "class", "csp", "cell"}
        (total,) = by_scope["all"]
        assert all(total[name] is None for name in ("user", "role", "class", "srv", "csp"))
        for some in by_scope.values():
            for name in COUNTS:
                assert sum(row[name] for row in some) == total[name]
        assert all(row["user"] and row["class"] and row["srv"] and row["csp"] for row in by_scope["cell"])


def test_without_names_no_file_holds_one(done, tiny, tmp_path):
    write(tmp_path, done, tiny.world, b"k" * 32)
    names = [user.name for user in tiny.world.users]
    for name in os.listdir(tmp_path):
        content = (tmp_path / name).read_bytes()
        assert not any(one.encode() in content for one in names)
    table = pq.read_table(tmp_path / "results.parquet")
    assert "cell" not in table["scope"].to_pylist()
    assert not set(table["user"].to_pylist()) & set(names)
    assert json.loads((tmp_path / "summary.json").read_bytes())["anonymous"] is True
