"""Fixtures: a gateway to look at, its pages, and a browser where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from rig_screens import PATIENCE, Served, Standing, configuration

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser of the machine; skips where there is none. For one file: Playwright keeps the thread's event loop.

    Each page has a context of its own: nothing of one test is seen in another.
    """
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serves the pages of a gateway; `serve()` makes one of two Users."""
    made: list[Served] = []

    def start(watched: Standing | None = None, **kinds: Any) -> Served:
        watched = watched or Standing(configuration([("Alder", 10), ("Birch", 5)], 20, 15), monotonic())
        made.append(Served(watched, **kinds))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens pages: `page(served, "/why", as_="user:Alder", width=360)`. A page whose script fails, fails the test."""
    contexts: list[Any] = []
    failures: list[str] = []

    def opened(
        served: Served, path: str = "/", as_: str = "", width: int = 1280, height: int = 800, **kinds: Any
    ) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, **kinds)
        contexts.append(context)
        if as_:
            context.add_cookies([{"name": "as", "value": as_.replace(" ", "_"), "url": served.url}])
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE * 1000)
        tab.on("pageerror", lambda error: failures.append(str(error)))
        tab.on("console", lambda said: failures.append(said.text) if "Content Security Policy" in said.text else None)
        tab.goto(served.url + path)
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert failures == []
