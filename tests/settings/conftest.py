"""A small right configuration, and ways to look at what is wrong with a changed one."""

from collections.abc import Callable

import pytest
import trustme

from sluicegate.settings import Problem, SettingsError, parse

RIGHT = """\
[capacity]
maximum = 1000
operating_threshold = 800
[gateway]
upstream = "http://127.0.0.1:8080"
identity = "originator"
[admin]
[[user]]
name = "Large Supplier A"
ids = ["90-B3-D5-1F-30-01-00-00"]
role = "IS"
allocation = 300
certificates = ["CN=a,O=Example"]
[[user]]
name = "Small Supplier C"
ids = ["90-b3-d5-1f-30-03-00-00"]
role = "GS"
allocation = 50
certificates = ["CN=c,O=Example"]
"""


@pytest.fixture
def right() -> str:
    return RIGHT


@pytest.fixture
def changed() -> Callable[..., str]:
    """The right configuration with some of its text replaced; each text must be there."""

    def change(*pairs: tuple[str, str]) -> str:
        text = RIGHT
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        return text

    return change


@pytest.fixture
def problems_of() -> Callable[..., tuple[Problem, ...]]:
    """All that is wrong with a text; () for a right one."""

    def problems(text: str, **options: bool) -> tuple[Problem, ...]:
        try:
            parse(text, files=False, **options)
        except SettingsError as error:
            return error.problems
        return ()

    return problems


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()
