"""The compiled decision is the same source, and decides the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src" / "sluicegate"
MODULES = ("throttle", "simulate/engine")
MYPYC = Path(sys.executable).with_name("mypyc")


def said(source: Path, decisions: int) -> list[str]:
    path = os.pathsep.join([str(source), str(HERE / "engine")])
    script = [sys.executable, str(HERE / "same_source.py"), str(decisions)]
    run = subprocess.run(script, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.skipif(not shutil.which("cc") or not MYPYC.exists(), reason="needs a C compiler and mypyc")
def test_compiled_and_plain_decide_alike_two_million_times(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "sluicegate", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    files = [
        str(file.relative_to(tmp_path)) for name in MODULES for file in (tmp_path / "sluicegate" / name).glob("*.py")
    ]
    built = subprocess.run(
        [str(MYPYC), "--ignore-missing-imports", *files], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr + built.stdout
    compiled, plain = said(tmp_path, 2_000_000), said(SOURCE.parent, 2_000_000)
    assert (compiled[0], plain[0]) == ("compiled", "plain")
    assert compiled[1] == plain[1]
    assert compiled[2] == plain[2]
