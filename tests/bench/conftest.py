"""The benchmark is no part of the package: it is imported from the checkout."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture(scope="session")
def load_program(tmp_path_factory):
    """The load generator, compiled; skips where there is no compiler or no OpenSSL to build against."""
    from bench.loader import compiled
    from bench.processes import BenchError

    if shutil.which("gcc") is None:
        pytest.skip("no C compiler here")
    try:
        return compiled(tmp_path_factory.mktemp("load"))
    except BenchError as error:
        if "No such file" in str(error):
            pytest.skip("no OpenSSL headers here")
        raise
