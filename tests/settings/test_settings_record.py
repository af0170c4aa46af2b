"""`[record]`: a folder that can be used, and pyarrow to write with."""

import sys

import pytest

from sluicegate.settings import SettingsError, parse

TABLE = '[record]\nfolder = "traffic"\n'


def problems(text, **how):
    with pytest.raises(SettingsError) as refused:
        parse(text, **how)
    return refused.value.lines()


def test_it_is_off_unless_it_is_there(right):
    assert parse(right).record is None


def test_the_folder_is_taken_from_that_of_the_file_and_need_not_be_there(right, tmp_path):
    record = parse(right + TABLE, base=tmp_path).record
    assert record is not None
    assert (record.folder, record.flush_seconds, record.keep_days) == (tmp_path / "traffic", 2.0, 35)
    assert not record.folder.exists(), "a check makes nothing"


def test_a_file_in_its_place_is_wrong(right, tmp_path):
    (tmp_path / "traffic").touch()
    (line,) = problems(right + TABLE, base=tmp_path)
    assert "record.folder: " in line
    assert line.endswith("traffic is not a folder: name one, or remove it")
    assert parse(right + TABLE, base=tmp_path, files=False)


@pytest.mark.parametrize("folder", ['""', "3", '"a\\nb"'])
def test_what_is_no_folders_name_is_wrong(right, folder):
    (line,) = problems(right + f"[record]\nfolder = {folder}\n")
    assert "record.folder: must be" in line


def test_a_record_without_a_folder_says_what_to_write(right):
    (line,) = problems(right + "[record]\nkeep_days = 3\n")
    assert 'record.folder: is missing: add it, for example `folder = "record"`' in line


@pytest.mark.parametrize("module", [None, "absent"])
def test_without_pyarrow_it_is_said_what_to_install(right, tmp_path, monkeypatch, module):
    if module is None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    else:
        monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
        monkeypatch.setattr(sys, "path", [])
        monkeypatch.setattr(sys, "path_importer_cache", {})
    (line,) = problems(right + TABLE, base=tmp_path)
    assert "record: the traffic record needs pyarrow, which is not installed: install 'sluicegate[evidence]'" in line
    assert parse(right)
