"""The files of a study: each is whole or not there, and no other file is touched."""

from pathlib import Path
from typing import Final

from sluicegate.simulate.evidence import anonymous, anonymous_rows, report
from sluicegate.simulate.evidence.files import REPORT, SUMMARY, as_json, check_folder, put
from sluicegate.simulate.study import table
from sluicegate.simulate.study.study import Study
from sluicegate.simulate.world import World

RESULTS: Final = "results.parquet"
SWEEP: Final = "sweep.parquet"
NAMES: Final = (SUMMARY, RESULTS, REPORT, SWEEP)


def write(folder: Path, study: Study, world: World, key: bytes | None = None) -> list[Path]:
    """Write summary.json, results.parquet, report.html and, after a sweep, sweep.parquet; where they are.

    With a `key` names are replaced, and what could tell a User by its size is left out; the runs of the sweep too,
    because paths of settings can have names in them. Raises FolderError, OSError, and ValueError for a key that is too
    short or too few Users to hide among.
    """
    check_folder(folder, NAMES)
    files = _contents(study, world, key)
    written = {folder / name: files[name] for name in NAMES if name in files}
    put(written, stale=tuple(folder / name for name in NAMES if name not in files))  # of an earlier study
    return [*written]


def _contents(study: Study, world: World, key: bytes | None) -> dict[str, bytes]:
    summary = study.summary
    rows = [*table.sums(summary)]
    if key is None:
        rows += table.cells(world, study.cells)
    else:
        rows = [*anonymous_rows(rows, summary, key)]
        summary = anonymous(summary, key)
    files = {SUMMARY: as_json(summary), RESULTS: table.results(rows), REPORT: report(summary).encode("utf-8")}
    if study.sweep_rows and key is None:
        files[SWEEP] = table.runs(study.sweep_rows, list(study.sweep_rows[0]))
    return files
