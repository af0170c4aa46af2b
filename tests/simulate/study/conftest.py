"""A scenario of three minutes, and its study."""

from pathlib import Path

import pytest

from sluicegate.simulate.policy import parse
from sluicegate.simulate.scenario import load
from sluicegate.simulate.study import study

TINY = str(Path(__file__).parent / "tiny.toml")


@pytest.fixture(scope="session")
def tiny():
    return load(TINY)


@pytest.fixture(scope="session")
def done(tiny):
    return study(tiny, [parse(name) for name in ("none", "capacity:2", "allocation", "adt")], 1)


@pytest.fixture
def entries(done):
    return {one["name"]: one for one in done.summary["policies"]}
