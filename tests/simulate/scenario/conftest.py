"""A small right scenario, and ways to load a changed one."""

import pytest

from sluicegate.simulate.scenario import ScenarioError, load

RIGHT = """\
title = "A try"
[window]
starts = "17:00"
hours = 2
[capacity]
maximum = 100
least_allocation = 1
[dsp]
capacity = 120
[[csp]]
name = "North"
share = 0.25
capacity = 40
servers = 20
[[csp]]
name = "South"
share = 0.75
capacity = 90
[[retry]]
name = "patient"
habit = "honour"
[[kind]]
name = "Top up"
srv = "2.2"
per = "prepayment"
daily = 0.5
[[kind]]
name = "Read inventory"
srv = "8.2"
daily = 0.2
[[user]]
name = "Alpha"
role = "IS"
meters = 100_000
prepayment = 0.5
retry = "patient"
[[group]]
name = "Small"
role = "GS"
count = 3
meters = 60_000
zipf = 1
[[surge]]
name = "Evening"
from = "17:30"
until = "18:30"
kinds = ["Top up"]
factor = 3
"""


@pytest.fixture
def right():
    return RIGHT


@pytest.fixture
def changed():
    """The right scenario with some of its text replaced; each text must be there."""

    def change(*pairs):
        text = RIGHT
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        return text

    return change


@pytest.fixture
def scenario_of(tmp_path):
    """Loads a text as the file `try.toml`."""

    def loaded(text, **options):
        (tmp_path / "try.toml").write_text(text, "utf-8")
        return load(str(tmp_path / "try.toml"), **options)

    return loaded


@pytest.fixture
def problems_of(scenario_of, tmp_path):
    """The sentences about a wrong scenario, without the folder."""

    def problems(text, **options):
        with pytest.raises(ScenarioError) as caught:
            scenario_of(text, **options)
        return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return problems
