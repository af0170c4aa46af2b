"""Fixtures: a loop to run in, and settings with channels."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from notice_receivers import SECRET

from sluicegate.settings import Settings, parse, starter


@pytest.fixture
def run():
    """Runs a coroutine function in a loop of its own."""

    def runs(work: Callable[[], Awaitable[object]]) -> object:
        return asyncio.run(work())

    return runs


@pytest.fixture
def configured(tmp_path) -> Callable[..., Settings]:
    """The starter's configuration with a database, `[notices]` and channels of its first User."""
    (tmp_path / "secret").write_text(SECRET, "utf-8")

    def made(*channels: str, notices: str = "", where: str = "operations.db", others: str = "") -> Settings:
        text = starter().replace("#[operations]", "[operations]", 1)
        text = text.replace('#database = "operations.db"', f'database = "{where}"', 1)
        text = text.replace("#[notices]\n", f"[notices]\n{notices}\n", 1)
        head, mark, tail = text.partition('\n[[user]]\nname = "Network Operator B"')
        tables = "".join(f"\n[[user.channel]]\n{lines}\n" for lines in channels)
        return parse(head + tables + mark + tail + others, base=tmp_path)

    return made
