"""The operator's page on loopback in headless Chromium: first contentful paint, and octets transferred.

.venv/bin/python -m bench.screens [--users 200] [--runs 7]

A gateway with so many Users and `[operations]` is started, an operator signs in with a token, and each run opens the
page in a browser that has nothing in its cache. Needs Playwright and a Chromium of the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench.operations import eui
from bench.processes import BenchError, Server, end_on_signals, free_port

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
PAINT, OCTETS = 1000.0, 200_000
PAINTED = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0]"


def settings(users: int, port: int, account: int) -> str:
    """Users as the other benchmarks have them; nobody sends."""
    tables = ["[capacity]", "maximum = 1000000", "operating_threshold = 900000", "[gateway]"]
    tables += [f'listen = "127.0.0.1:{port}"', 'upstream = "http://127.0.0.1:1"', 'identity = "originator"']
    tables += ["[operations]", 'database = "operations.db"', "[account]", f'listen = "127.0.0.1:{account}"']
    for user in range(users):
        tables += ["[[user]]", f'name = "Energy Supplier {user:03d}"', f'ids = ["{eui(user)}"]', 'role = "IS"']
        tables += ["allocation = 1000"]
    return "\n".join(tables) + "\n"


def a_token(config: Path) -> str:
    """Of an operator."""
    of = ["--role", "operator", "--name", "bench", "--config", str(config)]
    command = [sys.executable, "-m", "sluicegate", "token", "create", *of]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(done.stderr)
    return next(word for word in done.stdout.split() if len(word) > 30)


def opened(browser: Any, url: str, token: str) -> tuple[float, int]:
    """One run: ms to the first contentful paint, and octets of all answers but the stream, heads included."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        tab = context.new_page()
        tab.goto(f"{url}/sign-in")
        tab.locator("input[name=token]").fill(token)
        tab.locator("button[type=submit], form button").first.click()
        tab.wait_for_url(f"{url}/")
        session = context.new_cdp_session(tab)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        octets: list[float] = []
        session.on("Network.loadingFinished", lambda event: octets.append(event["encodedDataLength"]))
        tab.goto(f"{url}/", wait_until="load")
        tab.locator("#users tr").nth(20).wait_for()
        return float(tab.evaluate(PAINTED)), int(sum(octets))
    finally:
        context.close()


def main() -> None:
    """Measure, and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--runs", type=int, default=7)
    asked = parser.parse_args()
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        sys.exit("needs a browser: apt-get install chromium")
    end_on_signals()
    port, account = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="bench-screens-") as name:
        config = Path(name) / "sluicegate.toml"
        config.write_text(settings(asked.users, port, account))
        token = a_token(config)
        command = [sys.executable, "-m", "sluicegate", "serve", "--config", str(config)]
        with Server("gateway", command, port, Path(name) / "out.log"), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
            runs = [opened(browser, f"http://127.0.0.1:{account}", token) for _ in range(asked.runs)]
            browser.close()
    paint, octets = [one for one, _ in runs], [one for _, one in runs]
    print(f"{asked.users} Users, {asked.runs} runs, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"first contentful paint: median {median(paint):.0f} ms, worst {max(paint):.0f} ms; bar {PAINT:.0f} ms")
    print(f"octets transferred: {median(octets):,.0f}, most {max(octets):,}; bar {OCTETS:,}")


if __name__ == "__main__":
    main()
